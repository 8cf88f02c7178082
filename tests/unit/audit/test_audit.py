"""An audit as a whole: what it reads, how long it waits, and what it then says."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.audit.causes import Fault
from runners.audit.judge import WRONG
from runners.audit.reader import Unreadable
from runners.audit.run import not_assessed, write_findings
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity
from runners.ledger.items import SIGNALS
from tests.unit.audit.small import (
    RUN,
    SCENARIO,
    START,
    TENANTS,
    all_acked,
    full_store,
    judged,
    requests,
    some_batch,
    without,
    world,
    wrongs,
)


def test_a_store_that_kept_everything_passes() -> None:
    found = judged(full_store())
    assert found.verdict == "passed"
    assert not wrongs(found)
    for signal in SIGNALS:
        counts = found.of(signal)
        assert counts.sent == counts.acked == counts.found > 100


def test_items_of_other_runs_and_programs_are_nobodys_business() -> None:
    store = full_store()
    other = World(read_scenario(SCENARIO, Path("x")), Identity(RUN[:-1] + "2", TENANTS), 7, START)
    for signal in SIGNALS:
        store.put("acme", signal, other.slice(0, signal, 1))
    probe = {"time_unix_nano": str(START + 5), "service": "probe", "trace_id": "ab" * 16}
    store.rows["acme", "logs"].append(probe | {"content": {"body": "ping", "attributes": {}, "resource": {}}})
    store.rows["acme", "traces"].append(probe | {"content": {"name": "ping", "span_id": "cd" * 8}})
    store.rows["acme", "metrics"].append(probe | {"content": {"name": "up", "value": 1}})
    found = judged(store)
    assert found.verdict == "passed" and not wrongs(found)


@pytest.mark.parametrize("order", ["reversed", "by body"])
def test_the_order_in_which_items_come_does_not_matter(order: str) -> None:
    store = full_store()
    for rows in store.rows.values():
        rows.sort(key=lambda row: str(row["content"]), reverse=order == "reversed")
    assert judged(store).verdict == "passed"


def test_an_export_that_is_cut_off_proves_nothing() -> None:
    store = full_store()
    store.cut.add(("globex", "traces"))
    with pytest.raises(Unreadable, match="cut off"):
        judged(store)


def test_it_waits_until_what_was_acknowledged_last_is_visible() -> None:
    store = full_store()
    store.hidden_reads = 12
    assert judged(store, wait_s=30.0).verdict == "passed"


def test_when_the_wait_is_over_everything_is_judged() -> None:
    store = full_store()
    sentinels = [batch for batch in requests() if batch.tick == world().ticks]
    lost = sentinels[0]
    store = without(lost)
    found = judged(store, wait_s=0.3)
    assert found.late == [(TENANTS[lost.tenant], lost.signal)]
    assert wrongs(found) == {("lost", lost.signal, TENANTS[lost.tenant]): 1}


def test_a_gap_names_the_fault_that_overlapped_it() -> None:
    batch = some_batch()
    begins = START / 1e9
    faults = [
        Fault("f1", "kill", "ingest", begins + 1.2, begins + 2.0),
        Fault("f2", "pause", "redis", begins + 60, None),
    ]
    found = judged(without(batch), faults=lambda: faults)
    (gap,) = found.gaps
    assert (gap.signal, gap.tenant, gap.items) == ("logs", TENANTS[batch.tenant], len(requests()[batch]))
    assert gap.fault == "kill ingest"
    assert gap.why == "fault kill ingest overlapped"
    assert begins + 0.5 < gap.start <= gap.end < begins + 2.1


def test_what_cannot_be_read_back_is_unknown_and_counted() -> None:
    told = not_assessed(world(), all_acked(), "there is no platform").to_json()
    counts = told["signals"]["logs"]
    assert told["verdict"] == "invalid" and told["reason"] == "there is no platform"
    assert counts["not_observable"] == counts["acked"] > 100
    assert counts["found"] is None and all(counts[name] is None for name in WRONG)


def test_the_document_has_the_agreed_shape(tmp_path: Path) -> None:
    batch = some_batch()
    found = judged(without(batch))
    told = found.to_json()
    assert told["verdict"] == "failed"
    names = {
        "sent", "acked", "rejected", "unknown", "found", "lost", "duplicated", "duplicated_by_retry", "leaked", "corrupt",
        "forged", "not_observable",
    }  # fmt: skip
    assert set(told["signals"]) == set(SIGNALS)
    assert all(names <= set(counts) for counts in told["signals"].values())
    assert set(told["tenants"]) == set(TENANTS)
    assert told["signals"]["logs"]["lost"] == len(requests()[batch])
    write_findings(tmp_path / "lost.ndjson", found.findings)
    assert len((tmp_path / "lost.ndjson").read_text().splitlines()) == len(requests()[batch])
