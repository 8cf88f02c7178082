"""Judging in columns comes to what judging item by item comes to, whatever a store does and whatever became of requests."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from runners.audit.census import Census
from runners.audit.judge import Finding, Judge
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.identity import Identity
from runners.ledger.items import SIGNALS
from runners.ledger.reader import Fate
from tests.unit.audit.plain_judge import PlainJudge
from tests.unit.audit.small import RUN, START, TENANTS, all_acked, fate, full_store, requests, world
from tests.unit.audit.spoiling import spoil_content, spoil_identity
from tests.unit.audit.store import MemoryStore


def lied(seed: int) -> tuple[MemoryStore, dict[Batch, Fate]]:
    """A store that does anything to what it was given, and a ledger of any outcomes that lacks some requests."""
    random, store, ledger = Random(seed), full_store(), all_acked()
    for batch in list(ledger):
        outcome = random.choice([Outcome.ACKED] * 3 + list(Outcome))
        refused = random.randrange(5) if outcome is Outcome.PARTIAL else 0
        ledger[batch] = fate(batch, outcome, copies=random.randrange(1, 4), refused_items=refused)
        if random.random() < 0.05:
            del ledger[batch]
    store.rows["acme", "traces"] += [store.rows["acme", "traces"][7]] * 300
    for (tenant, signal), rows in list(store.rows.items()):
        for row in random.sample(rows, 12):
            if row["content"].get("spoilt"):
                continue
            what = random.choice(["drop", "copies", "swap", "content", "identity", "nonsense"])
            if what in ("drop", "swap"):
                rows.remove(row)
            if what == "swap":
                store.rows[random.choice([other for other in TENANTS if other != tenant]), signal].append(row)
            elif what == "copies":
                rows += [row] * random.choice([1, 2])
            elif what == "content":
                spoil_content(signal, row, random.randrange(10_000))
            elif what == "identity":
                spoil_identity(signal, row, random.randrange(10_000))
            elif what == "nonsense":
                row["content"] |= {random.choice(["span_id", "attributes"]): None, "spoilt": True}
        if random.random() < 0.5:
            random.shuffle(rows)
    return store, ledger


def told(judge: Judge | PlainJudge, store: MemoryStore) -> tuple[list[str], dict[str, object]]:
    for (tenant, signal), rows in store.rows.items():
        for row in rows:
            judge.take(tenant, signal, row)
    found = sorted(map(repr, map(Finding._asdict, judge.findings())))
    return found, {f"{key}": counts.to_json() for key, counts in judge.counts().items()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("honoured", [True, False])
def test_it_finds_what_the_plain_judge_finds(seed: int, honoured: bool) -> None:
    store, ledger = lied(seed)
    mine = told(Judge(world(), ledger, honoured=honoured), store)
    assert mine == told(PlainJudge(world(), ledger, honoured=honoured), store)
    assert mine[0], "the store has not lied"


ODD = b"""
scenario: odd
duration: 5s
tenants: [{id: acme, weight: 2}, {id: globex}]
instances: 2
load: {requests: 30/s, arrivals: random}
errors: 5%
traces: {skew: 40ms, orphans: 1%, long: {every: 2s, lasts: 1s}}
logs: {debug: 5%}
metrics: {interval: 1s, cpus: 1, histograms: true, restart: 3s, series: 9500, churn: 50%/s}
"""


def test_the_numbers_of_a_slice_are_those_of_its_items_whatever_a_scenario_asks_for() -> None:
    of = World(read_scenario(ODD, Path("odd.yaml")), Identity(RUN, ("acme", "globex")), 1, START)
    for tick in range(of.ticks + 1):
        for tenant in range(2):
            for signal in SIGNALS:
                numbers = of.numbers(tenant, signal, tick)
                assert numbers.tolist() == [item.seq for item in of.slice(tenant, signal, tick)]
                assert len(numbers) == of.count(tenant, signal, tick)
                assert set(of.ticks_of(tenant, signal, numbers).tolist()) <= {tick}


def test_ids_are_counted_in_any_order_and_however_often() -> None:
    census, random = Census(world(), requests()), np.random.default_rng(1)
    times = {}
    for signal in SIGNALS[:2]:
        for tenant in range(3):
            for tick in range(world().ticks + 1):
                numbers = world().numbers(tenant, signal, tick)
                times[tenant, signal, tick] = random.integers(0, 4, len(numbers)) * random.choice([1, 100])
    for signal in SIGNALS[:2]:
        ids = []
        for (tenant, of, tick), copies in times.items():
            if of == signal:
                for number, often in zip(world().numbers(tenant, signal, tick).tolist(), copies.tolist(), strict=True):
                    log = bytes.fromhex(world().identity.log_id(tenant, number))
                    ids += [log if signal == "logs" else world().identity.span_id(tenant, number)] * often
        random.shuffle(ids)
        ids += [b"\xff" * len(ids[0])] * 3
        for first in range(0, len(ids), 1000):
            tenant, number = census.named(signal, b"".join(ids[first : first + 1000]))
            for key, _, indexes in census.locate(signal, tenant, number):
                census.add(key, indexes)
    for key, expected in times.items():
        assert census.copies(key).tolist() == expected.tolist()
