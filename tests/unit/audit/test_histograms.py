"""A histogram is one item that a store shows as many samples: it is there when all of them are, and intact."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from runners.audit.run import Audit, audit
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.identity import Identity
from runners.ledger.items import Histogram, moment
from runners.ledger.reader import Fate
from runners.ledger.shown import series_of
from tests.unit.audit.small import RUN, SCENARIO, START
from tests.unit.audit.store import MemoryStore

TEXT = SCENARIO.replace(b"cpus: 1", b"cpus: 1, histograms: true, restart: 2s")
TEXT = TEXT.replace(b"[{id: acme, weight: 2}, {id: globex}, {id: initech}]", b"[{id: acme}]")


@lru_cache(maxsize=1)
def world() -> World:
    return World(read_scenario(TEXT, Path("small.yaml")), Identity(RUN, ("acme",)), 7, START)


def full() -> tuple[MemoryStore, dict[Batch, Fate]]:
    store, fates = MemoryStore(), {}
    for tick in range(world().ticks + 1):
        for batch in world().batches(tick):
            items = world().slice(0, batch.signal, tick)
            own = [one for index, one in enumerate(items) if world().part_of(index, len(items)) == batch.part]
            store.put("acme", batch.signal, own)
            times = [moment(one) for one in own]
            fates[batch] = Fate(batch, len(own), min(times), max(times), Outcome.ACKED, copies=1, attempts=1)
    return store, fates


def judged(store: MemoryStore, fates: dict[Batch, Fate]) -> Audit:
    return audit(world(), fates, store, honoured=True, wait_s=0.0, tick_s=1.0)


def rows_of(store: MemoryStore, number: int) -> tuple[Histogram, list[dict[str, Any]]]:
    """A histogram of tick 1 and its samples in the store."""
    item = [one for one in world().slice(0, "metrics", 1) if isinstance(one, Histogram)][number]
    found = [
        row
        for row in store.rows["acme", "metrics"]
        if row["time_unix_nano"] == str(item.time)
        and row["content"]["name"].startswith(f"{item.name}_")
        and {k: v for k, v in row["content"]["attributes"].items() if k != "le"} == item.attributes
        and row["content"]["resource"] == item.resource.attributes
    ]
    assert len(found) == series_of(item)
    return item, found


def wrong(found: Audit) -> dict[str, int]:
    return {name: number for name, number in found.of("metrics").wrong.items() if number}


def test_a_store_that_kept_all_samples_passes() -> None:
    store, fates = full()
    found = judged(store, fates)
    assert (found.verdict, wrong(found)) == ("passed", {})
    assert (
        found.of("metrics").found
        == found.of("metrics").acked
        == sum(fate.items for batch, fate in fates.items() if batch.signal == "metrics")
    )


@pytest.mark.parametrize("number", [0, 30, 60])
@pytest.mark.parametrize("place", [0, 5, -2, -1])
def test_one_sample_that_is_missing_is_the_loss_of_the_item(number: int, place: int) -> None:
    store, fates = full()
    item, rows = rows_of(store, number)
    store.rows["acme", "metrics"].remove(rows[place])
    found = judged(store, fates)
    assert wrong(found) == {"lost": 1}
    assert found.findings[0].key == item.key()


def test_all_samples_that_are_missing_are_one_loss() -> None:
    store, fates = full()
    _, rows = rows_of(store, 3)
    for row in rows:
        store.rows["acme", "metrics"].remove(row)
    assert wrong(judged(store, fates)) == {"lost": 1}


def test_a_bucket_that_says_something_else_is_corrupt() -> None:
    store, fates = full()
    _, rows = rows_of(store, 3)
    rows[4]["content"]["value"] += 1
    assert wrong(judged(store, fates)) == {"corrupt": 1}


def test_a_bucket_that_nobody_sent_is_corrupt_and_stands_for_none() -> None:
    store, fates = full()
    _, rows = rows_of(store, 3)
    rows[4]["content"]["attributes"]["le"] = "0.0123"
    assert wrong(judged(store, fates)) == {"corrupt": 1, "lost": 1}


def test_samples_that_are_there_twice_are_a_duplicate() -> None:
    store, fates = full()
    _, rows = rows_of(store, 3)
    store.rows["acme", "metrics"] += rows[:2]
    assert wrong(judged(store, fates)) == {"duplicated": 1}


def test_a_part_of_what_was_rejected_must_not_be_there() -> None:
    store, fates = full()
    item, rows = rows_of(store, 3)
    (batch,) = [
        batch for batch in fates if batch.signal == "metrics" and batch.tick == 1 and item.seq in numbers(batch)
    ]
    fates[batch].outcome = Outcome.REJECTED
    others = [row for row in store.rows["acme", "metrics"] if not in_batch(row, batch)]
    store.rows["acme", "metrics"] = [*others, rows[2]]
    assert wrong(judged(store, fates)) == {"stored_though_rejected": 1}


def numbers(batch: Batch) -> set[int]:
    items = world().slice(0, "metrics", batch.tick)
    return {one.seq for index, one in enumerate(items) if world().part_of(index, len(items)) == batch.part}


def in_batch(row: dict[str, Any], batch: Batch) -> bool:
    content = row["content"]
    found = world().sample_number(
        content["resource"]["service.instance.id"], content["name"], content["attributes"], int(row["time_unix_nano"])
    )
    return found is not None and found[1] in numbers(batch)
