"""A small run, what was sent in it, what a store keeps of it, and how that is judged."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from runners.audit.judge import WRONG
from runners.audit.run import Audit, audit
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.identity import Identity
from runners.ledger.items import SIGNALS, Item, Signal
from runners.ledger.reader import Fate
from tests.unit.audit.store import MemoryStore

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


def without(batch: Batch) -> MemoryStore:
    store = MemoryStore()
    for other, items in requests().items():
        if other != batch:
            store.put(TENANTS[other.tenant], other.signal, items)
    return store


def some_batch(signal: Signal = "logs") -> Batch:
    return next(batch for batch in requests() if batch.signal == signal and batch.tick == 1)


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
