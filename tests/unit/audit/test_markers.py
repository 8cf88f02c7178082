"""What says that a series has ended is shown by no store: nothing is claimed of it, unless something else is in its place."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from runners.audit.barrier import last_acknowledged
from runners.audit.run import Audit, audit
from runners.audit.source import of_markers
from runners.datagen.auditing import sentence
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.identity import Identity
from runners.ledger.items import Histogram, Point, moment
from runners.ledger.reader import Fate
from runners.ledger.sight import Sight
from tests.unit.audit.small import RUN, START
from tests.unit.audit.store import MemoryStore, documents

TENANTS = ("acme", "globex")
TEXT = b"""
scenario: ending
duration: 3s
tenants: [{id: acme, weight: 2}, {id: globex}]
instances: 1
load: {requests: 12/s}
metrics: {interval: 1s, cpus: 1, histograms: true, series: 4800, churn: 20%/s, staleness: true}
delivery: {max_items: 60}
anomalies: [{name: out, kind: deploy, target: {service: cart}, at: 1s, lasts: 1s}]
"""


@lru_cache(maxsize=1)
def world() -> World:
    return World(read_scenario(TEXT, Path("ending.yaml")), Identity(RUN, TENANTS), 7, START)


@lru_cache(maxsize=1)
def requests() -> dict[Batch, tuple[Any, ...]]:
    found: dict[Batch, tuple[Any, ...]] = {}
    for tick in range(world().ticks + 1):
        for batch in world().batches(tick):
            if batch.signal != "metrics":
                continue
            items, ended = world().slice(*batch[:3]), world().ended(*batch[:3])
            parts = [world().part_of(index, len(items), ended) for index in range(len(items))]
            found[batch] = tuple(item for item, part in zip(items, parts, strict=True) if part == batch.part)
    return found


def full() -> tuple[MemoryStore, dict[Batch, Fate]]:
    store, fates = MemoryStore(), {}
    for batch, own in requests().items():
        store.put(TENANTS[batch.tenant], batch.signal, own)
        times = list(map(moment, own))
        fates[batch] = Fate(batch, len(own), min(times), max(times), Outcome.ACKED, copies=1, attempts=1)
    return store, fates


def markers(tenant: int = 0) -> dict[Batch, tuple[Point, ...]]:
    return {batch: own for batch, own in requests().items() if batch.tenant == tenant and own[0].ended}


def judged(store: MemoryStore, fates: dict[Batch, Fate], **options: Any) -> Audit:
    settings: dict[str, Any] = {"honoured": True, "wait_s": 0.0, "tick_s": 1.0} | options
    return audit(world(), fates, store, **settings)


def wrong(found: Audit) -> dict[str, int]:
    return {name: number for name, number in found.of("metrics").wrong.items() if number}


def some(kind: type[Point]) -> tuple[Batch, Point]:
    """A marker of the kind, and its request."""
    return next((batch, one) for batch, own in markers().items() for one in own if isinstance(one, kind))


def made_of(one: Point) -> list[dict[str, Any]]:
    """What a store shows that takes a marker for a point."""
    return documents(one._replace(ended=False))


def test_requests_carry_markers_or_other_items() -> None:
    for batch, own in requests().items():
        assert {one.ended for one in own} == {of_markers(world(), batch)}
    assert len(markers()) > 2


def test_markers_are_acknowledged_and_never_found_nor_lost() -> None:
    store, fates = full()
    found = judged(store, fates)
    counts, hidden = found.of("metrics"), sum(map(len, [*markers(0).values(), *markers(1).values()]))
    assert (found.verdict_of("metrics"), wrong(found)) == ("passed", {})
    assert (counts.acked, counts.markers, counts.not_observable) == (counts.found + hidden, hidden, hidden)
    assert found.to_json()["signals"]["metrics"]["markers"] == hidden > 300
    assert "markers" not in found.to_json()["signals"]["logs"]
    assert sentence(found, "metrics") == (
        f"all {counts.found:,} acknowledged samples are there, exactly once; {hidden:,} markers of series that ended are "
        "shown by no store"
    )


def test_so_they_are_where_duplicates_cannot_be_seen_either() -> None:
    store, fates = full()
    found = judged(store, fates, sights={"metrics": Sight(duplicates=False)})
    counts = found.of("metrics")
    assert (found.verdict_of("metrics"), counts.not_observable) == ("passed", counts.acked)
    assert counts.acked == counts.found + counts.markers
    assert sentence(found, "metrics").startswith(
        f"all {counts.found:,} acknowledged samples are there; duplicates cannot"
    )


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("kind", ["sample", "histogram", "bucket"])
def test_a_value_in_the_place_of_a_marker_is_corrupt(kind: str, copies: int) -> None:
    store, fates = full()
    batch, one = some(Histogram if kind != "sample" else markers()[next(iter(markers()))][0].__class__)
    store.rows["acme", "metrics"] += made_of(one)[: 1 if kind == "bucket" else None] * copies
    found = judged(store, fates)
    assert wrong(found) == {"corrupt": 1}
    assert [(each.key, each.time, each.batch) for each in found.findings] == [(one.key(), one.time, batch)]
    counts = found.of("metrics")
    assert counts.acked == counts.found + counts.not_observable


def test_a_value_in_the_place_of_a_marker_at_another_tenant_is_leaked() -> None:
    store, fates = full()
    store.rows["globex", "metrics"] += made_of(some(Histogram)[1])
    assert wrong(judged(store, fates)) == {"leaked": 1}


@pytest.mark.parametrize("kind", ["sample", "histogram"])
def test_a_sample_of_a_series_that_has_ended_is_forged(kind: str) -> None:
    store, fates = full()
    _, one = some(Histogram) if kind == "histogram" else next((b, own[0]) for b, own in markers().items())
    rows = made_of(one._replace(time=one.time + world().tick_ns))
    store.rows["acme", "metrics"] += rows
    assert wrong(judged(store, fates)) == {"forged": len(rows)}


@pytest.mark.parametrize(
    ("outcome", "refused", "hidden"),
    [
        (Outcome.ACKED, 0, 0), (Outcome.PARTIAL, 3, -3), (Outcome.UNKNOWN, 0, None), (Outcome.REJECTED, 0, None),
        (Outcome.REFUSED, 0, None),
    ],
)  # fmt: skip
def test_whatever_became_of_their_request_nothing_is_said_of_what_is_not_seen(
    outcome: Outcome, refused: int, hidden: int | None
) -> None:
    store, fates = full()
    batch = max(markers(), key=lambda one: len(markers()[one]))
    before = sum(map(len, [*markers(0).values(), *markers(1).values()]))
    fates[batch].outcome, fates[batch].refused_items = outcome, refused
    found = judged(store, fates)
    assert (found.verdict_of("metrics"), wrong(found)) == ("passed", {})
    counts = found.of("metrics")
    assert before - counts.markers == (-hidden if hidden is not None else len(markers()[batch]))
    assert counts.acked == counts.found + counts.not_observable


def test_what_is_shown_of_a_rejected_request_of_markers_is_named() -> None:
    store, fates = full()
    batch, one = some(Histogram)
    fates[batch].outcome = Outcome.REJECTED
    store.rows["acme", "metrics"] += made_of(one)
    assert wrong(judged(store, fates)) == {"corrupt": 1, "stored_though_rejected": 1}


def test_other_items_of_their_tick_are_judged_as_ever() -> None:
    store, fates = full()
    batch, one = some(Histogram)
    lost = requests()[Batch(0, "metrics", batch.tick, 0)][0]
    rows = documents(lost)
    store.rows["acme", "metrics"] = [row for row in store.rows["acme", "metrics"] if row not in rows]
    found = judged(store, fates)
    assert wrong(found) == {"lost": 1}
    assert found.findings[0].key == lost.key()
    assert one.time  # it is in the same tick


def test_nobody_waits_for_a_marker_to_become_visible() -> None:
    _, fates = full()
    last = max(markers(), key=lambda batch: batch.tick)
    known = {batch: fate for batch, fate in fates.items() if batch.tick <= last.tick}
    item = last_acknowledged(world(), known)["acme", "metrics"]
    assert not item.ended  # type: ignore[union-attr]
    assert len([batch for batch in known if batch.tick == last.tick and batch in markers()]) >= 1
