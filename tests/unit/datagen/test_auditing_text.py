"""An audit in the words that people read."""

from __future__ import annotations

from runners.audit.causes import phrase
from runners.audit.gaps import Gap
from runners.audit.judge import Counts
from runners.audit.run import Audit
from runners.datagen.auditing import text, usual_wait_s
from runners.ledger.header import Header
from runners.ledger.items import SIGNALS, Signal
from runners.ledger.refusals import Refusal


def counts() -> dict[tuple[str, Signal], Counts]:
    return {("acme", signal): Counts(sent=100, acked=100, found=100) for signal in SIGNALS}


def test_a_hole_is_told_with_its_times_and_why() -> None:
    of = counts()
    of["acme", "logs"].wrong["lost"] = 37
    gap = Gap("logs", "acme", 1795701731.3, 1795701732.1504, 37, "ingest-crash", "the ingest was down")
    said = text(Audit("failed", of, (), (gap,), tenants=("acme",))).splitlines()
    assert said[0] == "FAILED" and "37 lost" in said[1]
    assert said[4] == (
        "  gap      37 log records of acme, from 2026-11-26 14:02:11.300 to 2026-11-26 14:02:12.150 UTC (0.9 s): "
        "the ingest was down"
    )


def test_what_sinks_said_is_told_the_most_frequent_first() -> None:
    said = [
        Refusal(0, "logs", 413, "too large", 1200, 1795701731.3, 1795701732.15),
        Refusal(0, "traces", 0, "", 1, 1795701731.0, 1795701731.0),
        *(Refusal(0, "metrics", 400, str(number), 1, 1.0, 1.0) for number in range(5)),
    ]
    audit = Audit("passed", counts(), tenants=("acme",), said=said)
    shown = text(audit).splitlines()
    assert shown[4:6] == [
        f"  said     {phrase(413)} to 1,200 attempts with logs, 2026-11-26 14:02:11.300 to "
        '2026-11-26 14:02:12.150 UTC: "too large"',
        "  said     no answer to an attempt with traces, 2026-11-26 14:02:11.000 to 2026-11-26 14:02:11.000 UTC, in no words "
        "or in others",
    ]
    assert shown[-1] == "  and 2 more (--json has them all)" and len(shown) == 10
    assert audit.to_json()["said"][0] == {
        "signal": "logs", "status": 413, "text": "too large", "attempts": 1200, "from": 1795701731.3, "to": 1795701732.15,
    }  # fmt: skip
    assert "said" not in Audit("passed", counts(), tenants=("acme",)).to_json()


def test_what_holds_for_all_signals_is_said_once() -> None:
    found = Audit("invalid", counts(), reason="the store cannot be read\n→ start it", tenants=("acme",))
    assert text(found) == "INVALID\n  the store cannot be read\n  → start it"


def test_one_item_alone_was_lost_at_a_moment() -> None:
    of = counts()
    of["acme", "traces"].wrong["lost"] = 1
    gap = Gap("traces", "acme", 1795701731.3, 1795701731.3, 1, None, "no cause known")
    said = text(Audit("failed", of, (), (gap,), tenants=("acme",))).splitlines()
    assert said[4] == "  gap      1 span of acme, at 2026-11-26 14:02:11.300 UTC: no cause known"


def test_a_store_gets_minutes_to_show_what_is_hours_old_and_seconds_for_all_else() -> None:
    header = Header("run", "local", "x", "x", "0" * 64, 0, 10**18, 60.0, ("acme",), "0")
    assert usual_wait_s(header, 10**18 + 90 * 10**9) == 15
    assert usual_wait_s(header, 10**18 + (60 + 3600) * 10**9) == 15
    assert usual_wait_s(header, 10**18 + (61 + 3600) * 10**9) == 180
