"""An audit in the words that people read."""

from __future__ import annotations

from runners.audit.gaps import Gap
from runners.audit.judge import Counts
from runners.audit.run import Audit
from runners.datagen.auditing import text
from runners.ledger.items import SIGNALS, Signal


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


def test_what_holds_for_all_signals_is_said_once() -> None:
    found = Audit("invalid", counts(), reason="the store cannot be read\n→ start it", tenants=("acme",))
    assert text(found) == "INVALID\n  the store cannot be read\n  → start it"
