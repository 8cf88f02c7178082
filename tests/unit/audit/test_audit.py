"""The audit must report exactly what was done to a store: no less, and nothing else."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners.audit.causes import Fault
from runners.audit.judge import WRONG
from runners.audit.reader import Unreadable
from runners.audit.run import Audit, audit, not_assessed, write_findings
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.identity import Identity
from runners.ledger.items import SIGNALS, Item, Signal
from runners.ledger.reader import Fate, fates
from tests.unit.audit.store import MemoryStore, document

RUN = "0192aaaa-0000-7000-8000-000000000001"
TENANTS = ("acme", "globex", "initech")
START = 1_795_000_000_000_000_000
SCENARIO = b"""
scenario: small
duration: 3s
tenants: [{id: acme, weight: 2}, {id: globex}, {id: initech}]
instances: 1
load: {requests: 12/s}
errors: 20%
metrics: {interval: 1s, cpus: 1}
delivery: {max_items: 60}
"""


@lru_cache(maxsize=1)
def world() -> World:
    return World(read_scenario(SCENARIO, Path("small.yaml")), Identity(RUN, TENANTS), 7, START)


@lru_cache(maxsize=1)
def requests() -> dict[Batch, tuple[Item, ...]]:
    found: dict[Batch, tuple[Item, ...]] = {}
    for tick in range(world().ticks + 1):
        for batch in world().batches(tick):
            items = world().slice(batch.tenant, batch.signal, tick)
            found[batch] = tuple(
                item for index, item in enumerate(items) if world().part_of(index, len(items)) == batch.part
            )
    return found


def fate(batch: Batch, outcome: Outcome = Outcome.ACKED, **changes: Any) -> Fate:
    items = requests()[batch]
    times = [getattr(item, "start", 0) if batch.signal == "traces" else item.time for item in items]  # type: ignore[union-attr]
    known = Fate(batch, len(items), min(times), max(times), outcome, copies=1, attempts=1, sent_at=max(times))
    for name, value in changes.items():
        setattr(known, name, value)
    return known


def all_acked() -> dict[Batch, Fate]:
    return {batch: fate(batch) for batch in requests()}


def full_store() -> MemoryStore:
    store = MemoryStore()
    for batch, items in requests().items():
        store.put(TENANTS[batch.tenant], batch.signal, items)
    return store


def judged(store: MemoryStore, ledger: dict[Batch, Fate] | None = None, **options: Any) -> Audit:
    settings = {"honoured": True, "wait_s": 0.0, "tick_s": 1.0} | options
    return audit(world(), all_acked() if ledger is None else ledger, store, **settings)


def wrongs(found: Audit) -> Counter[tuple[str, str, str]]:
    """(what, signal, tenant) → how many, without zeros."""
    return +Counter(
        {
            (name, signal, tenant): found.counts[tenant, signal].wrong[name]
            for tenant in TENANTS
            for signal in SIGNALS
            for name in WRONG
        }
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


KINDS = ("drop", "duplicate", "swap tenant", "flip content", "flip identity")


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, Batch, int, int]]:
    """(kind, request, index of the item in it, a number), each item at most once."""
    batches = list(requests())
    plan: dict[tuple[Batch, int], tuple[str, Batch, int, int]] = {}
    for _ in range(draw(st.integers(0, 25))):
        batch = draw(st.sampled_from(batches))
        index = draw(st.integers(0, len(requests()[batch]) - 1))
        plan[batch, index] = (draw(st.sampled_from(KINDS)), batch, index, draw(st.integers(0, 10_000)))
    return list(plan.values())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations(), st.integers(0, 2**32))
def test_exactly_what_was_done_to_the_store_is_reported(plan: list[tuple[str, Batch, int, int]], order: int) -> None:
    expected: Counter[tuple[str, str, str]] = Counter()
    at = {(batch, index): (kind, number) for kind, batch, index, number in plan}
    store = MemoryStore({(tenant, signal): [] for tenant in TENANTS for signal in SIGNALS})
    lost = []
    for batch, items in requests().items():
        tenant, signal = TENANTS[batch.tenant], batch.signal
        for index, item in enumerate(items):
            kind, number = at.get((batch, index), ("", 0))
            row = document(item)
            copies = 1
            reader = tenant
            if kind == "drop":
                copies = 0
            elif kind == "duplicate":
                copies = 2 + number % 2
                expected["duplicated", signal, tenant] += copies - 1
            elif kind == "swap tenant":
                reader = TENANTS[(batch.tenant + 1 + number % 2) % 3]
                expected["leaked", signal, tenant] += 1
            elif kind == "flip content":
                spoil_content(signal, row, number)
                expected["corrupt", signal, tenant] += 1
            elif kind == "flip identity":
                spoil_identity(signal, row, number)
                expected["forged", signal, tenant] += 1
            if kind in ("drop", "swap tenant", "flip identity"):
                expected["lost", signal, tenant] += 1
                lost.append(item.key())
            store.rows[reader, signal] += [row] * copies
    for rows in store.rows.values():
        Random(order).shuffle(rows)
    found = judged(store)
    assert wrongs(found) == expected
    assert found.verdict == ("failed" if expected else "passed")
    named = [finding.key for finding in found.findings if finding.wrong == "lost"]
    assert sorted(map(repr, named)) == sorted(map(repr, lost))
    assert sum(gap.items for gap in found.gaps) == len(lost)


def spoil_content(signal: Signal, row: dict[str, Any], number: int) -> None:
    """Change one thing that is not the item's identity."""
    content = row["content"]
    choices: list[tuple[dict[str, Any], str]] = [
        (content["resource"], "service.version"),
        (content["resource"], "host.name"),
    ]
    if signal == "logs":
        choices += [
            (content, "body"),
            (content, "severity_text"),
            (row, "trace_id"),
            (content, "span_id"),
            (row, "service"),
        ]
    elif signal == "traces":
        choices += [
            (content, "name"),
            (content, "duration_ns"),
            (content, "kind"),
            (row, "trace_id"),
            (content, "status_code"),
        ]
    else:
        choices += [(content, "value"), (content, "unit"), (row, "service")]
    holder, name = choices[number % len(choices)]
    value = holder[name]
    if isinstance(value, str):
        holder[name] = ("0" if value[0] != "0" else "1") + value[1:] if value else "x"
    else:
        holder[name] = value + 1


def spoil_identity(signal: Signal, row: dict[str, Any], number: int) -> None:
    """Flip one bit of what says who the item is."""
    content = row["content"]
    if signal == "logs":
        holder, name, digits, bits = content["attributes"], "testbed.item.id", 32, 128
    elif signal == "traces":
        holder, name, digits, bits = content, "span_id", 16, 64
    else:
        row["time_unix_nano"] = str(int(row["time_unix_nano"]) ^ 1 << number % 20)
        return
    holder[name] = f"{int(holder[name], 16) ^ 1 << number % bits:0{digits}x}"


def some_batch(signal: Signal = "logs") -> Batch:
    return next(batch for batch in requests() if batch.signal == signal and batch.tick == 1)


def without(batch: Batch) -> MemoryStore:
    store = MemoryStore()
    for other, items in requests().items():
        if other != batch:
            store.put(TENANTS[other.tenant], other.signal, items)
    return store


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_unknown_may_be_there_or_not(signal: Signal) -> None:
    batch = some_batch(signal)
    ledger = all_acked() | {batch: fate(batch, Outcome.UNKNOWN)}
    assert judged(full_store(), ledger).verdict == "passed"
    missing = judged(without(batch), ledger)
    assert missing.verdict == "passed"
    assert missing.of(signal).found == missing.of(signal).acked


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.REFUSED])
def test_what_was_rejected_must_not_be_there(outcome: Outcome) -> None:
    batch = some_batch()
    ledger = all_acked() | {batch: fate(batch, outcome, copies=0)}
    assert judged(without(batch), ledger).verdict == "passed"
    found = judged(full_store(), ledger)
    assert wrongs(found) == {("stored_though_rejected", "logs", TENANTS[batch.tenant]): len(requests()[batch])}
    assert found.verdict == "failed"


def test_a_partial_success_holds_the_platform_to_the_rest() -> None:
    batch = some_batch()
    items = requests()[batch]
    ledger = all_acked() | {batch: fate(batch, Outcome.PARTIAL, refused_items=3)}
    for kept, expected in (
        (len(items) - 3, {}),
        (len(items) - 5, {"lost": 2}),
        (len(items), {"stored_though_rejected": 3}),
    ):
        store = without(batch)
        store.put(TENANTS[batch.tenant], "logs", items[:kept])
        assert {name: n for (name, _, _), n in wrongs(judged(store, ledger)).items()} == expected


def test_a_forged_item_of_a_request_that_was_never_sent_is_named() -> None:
    batch = some_batch()
    ledger = all_acked()
    del ledger[batch]
    found = judged(full_store(), ledger)
    assert wrongs(found) == {("forged", "logs", TENANTS[batch.tenant]): len(requests()[batch])}


@pytest.mark.parametrize(
    ("honoured", "possible", "copies", "expected"),
    [
        (True, 2, 2, {"duplicated": 1}),
        (False, 2, 2, {"duplicated_by_retry": 1}),
        (False, 2, 3, {"duplicated": 1, "duplicated_by_retry": 1}),
        (False, 1, 2, {"duplicated": 1}),
    ],
)
def test_copies_that_a_retry_explains(honoured: bool, possible: int, copies: int, expected: dict[str, int]) -> None:
    batch = some_batch("traces")
    store = full_store()
    store.put(TENANTS[batch.tenant], "traces", requests()[batch][:1] * (copies - 1))
    found = judged(store, all_acked() | {batch: fate(batch, copies=possible)}, honoured=honoured)
    assert {name: n for (name, _, _), n in wrongs(found).items()} == expected
    assert found.verdict == ("failed" if "duplicated" in expected else "passed")


def test_a_listing_that_leaks_shows_every_item_to_the_other_tenants() -> None:
    store = full_store()
    for signal in SIGNALS:
        everything = [row for tenant in TENANTS for row in store.rows[tenant, signal]]
        for tenant in TENANTS:
            store.rows[tenant, signal] = everything
    found = judged(store)
    for signal in SIGNALS:
        counts = found.of(signal)
        assert counts.wrong["leaked"] == 2 * counts.acked
        assert counts.wrong["duplicated"] == counts.wrong["lost"] == 0


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


def test_nothing_acknowledged_is_not_passed() -> None:
    ledger = {batch: fate(batch, Outcome.UNKNOWN) for batch in requests()}
    assert judged(MemoryStore(), ledger).verdict == "invalid"
    assert judged(MemoryStore(), fates([])).verdict == "invalid"


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNKNOWN])
def test_what_is_acknowledged_to_one_tenant_proves_nothing_about_another(outcome: Outcome) -> None:
    ledger = {batch: fate(batch, outcome if batch.tenant == 2 else Outcome.ACKED) for batch in requests()}
    store = full_store()
    for signal in SIGNALS:
        store.rows["initech", signal] = []
    found = judged(store, ledger)
    assert found.verdict == "invalid" and not wrongs(found)
    assert {found.verdict_of(signal) for signal in SIGNALS} == {"invalid"}
    assert found.silent("logs") == ["initech"]


def test_a_tenant_that_the_run_does_not_write_for_must_see_nothing_of_it() -> None:
    store = full_store()
    assert judged(store, bystanders=["umbrella"]).verdict == "passed"
    batch, items = next(iter(requests().items()))
    store.put("umbrella", batch.signal, items[:2])
    forged = document(items[2])
    forged["content"]["span_id"] = "ab" * 8
    forged["content"]["attributes"]["testbed.item.id"] = "ab" * 16
    store.rows["umbrella", batch.signal].append(forged)
    found = judged(store, bystanders=["umbrella"])
    tenant = TENANTS[batch.tenant]
    assert found.verdict == "failed"
    assert wrongs(found) == {("leaked", batch.signal, tenant): 2, ("forged", batch.signal, tenant): 1}
    assert {finding.reader for finding in found.findings} == {"umbrella"}


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
