"""The audit: how many ids it tells apart, how much memory a counted item takes, and what rows with their contents cost.

Ids are the generator's own, made in columns in the order of time as a store gives them back. CPU seconds of one process.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from runners.audit.census import Census
from runners.audit.judge import Judge
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.identity import Identity
from runners.ledger.items import Signal
from runners.ledger.mixing import Identities
from runners.ledger.reader import Fate
from tests.perf.harness import Round, case, cpu_of

ROUNDS = 11
_MOST = 5000
_START = 1_795_000_000 * 10**9
_SCENARIO = """
scenario: bench
duration: {seconds}s
tenants: [{{id: acme}}, {{id: globex}}]
instances: 2
load: {{requests: {requests}/s}}
metrics: {{interval: 1s, cpus: 1, histograms: true}}
delivery: {{max_items: {most}}}
"""
_IDS: tuple[Signal, ...] = ("logs", "traces")


def _world(seconds: int, requests: int) -> World:
    text = _SCENARIO.format(seconds=seconds, requests=requests, most=_MOST)
    return World(read_scenario(text.encode(), Path("bench.yaml")), Identity("bench", ("acme", "globex")), 1, _START)


def _ids(world: World, tenant: int, signal: Signal, tick: int) -> bytes:
    """As a store gives them back, but for the hexadecimal digits."""
    made, numbers = Identities(world.identity), world.numbers(tenant, signal, tick)
    if signal == "traces":
        return made.span(tenant, numbers).tobytes()
    return bytes.fromhex(made.log(tenant, numbers).T.tobytes().decode())


def _count(census: Census, signal: Signal, ids: bytes) -> None:
    for key, _, indexes in census.locate(signal, *census.named(signal, ids)):
        census.add(key, indexes)


def _few(world: World, ticks: range) -> list[tuple[int, Signal, bytes]]:
    return [
        (tenant, signal, _ids(world, tenant, signal, tick)) for tick in ticks for tenant in (0, 1) for signal in _IDS
    ]


def _items(read: list[tuple[int, Signal, bytes]]) -> int:
    return sum(len(ids) // (8 if signal == "traces" else 16) for _, signal, ids in read)


@case("audit", unit="ids/CPU s", at_least=1_000_000)
def ids_per_second(quick: bool) -> Iterator[Round]:
    """Every id read back, checked, turned into its item and counted; what the plan says is made again meanwhile."""
    rounds = 2 if quick else ROUNDS
    told = _world(rounds, 2_000 if quick else 10_000)
    for tick in range(rounds):
        read = _few(told, range(tick, tick + 1))
        world = _world(rounds, 2_000 if quick else 10_000)  # knows nothing yet
        census = Census(world, [batch for batch in world.batches(tick) if batch.signal in _IDS])
        took = cpu_of(lambda census=census, read=read: [_count(census, signal, ids) for _, signal, ids in read])  # type: ignore[misc]
        assert all((census.copies(key) == 1).all() for key in census.slices())
        yield Round(_items(read) / took)


@case("audit_per_object", unit="ids/CPU s", against="the same with a dict of Python numbers", at_least=6)
def per_object(quick: bool) -> Iterator[Round]:
    rounds = 2 if quick else ROUNDS
    world = _world(rounds, 2_000)
    for tick in range(rounds):
        read = [(0, "logs", _ids(world, 0, "logs", tick)), (0, "traces", _ids(world, 0, "traces", tick))]
        expected = {signal: dict.fromkeys(world.numbers(0, signal, tick).tolist(), 0) for signal in _IDS}
        census = Census(world, [batch for batch in world.batches(tick) if batch.tenant == 0 and batch.signal in _IDS])

        def one_by_one(read: Any = read, expected: Any = expected) -> None:
            for _, signal, ids in read:
                width, counts = (8 if signal == "traces" else 16), expected[signal]
                name = world.identity.of_span_id if signal == "traces" else world.identity.of_log_id
                for first in range(0, len(ids), width):
                    found = name(ids[first : first + width].hex())
                    if found is not None and found[1] in counts:
                        counts[found[1]] += 1

        mine = cpu_of(lambda census=census, read=read: [_count(census, signal, ids) for _, signal, ids in read])  # type: ignore[misc]
        yield Round(_items(read) / mine, _items(read) / cpu_of(one_by_one))  # type: ignore[arg-type]


@case("audit_rows", unit="rows/CPU s")
def rows(quick: bool) -> Iterator[Round]:
    """Whole rows of the platform's export, decoded and compared with what was sent. No bar: it was never one; the store's own
    reading takes longer."""
    from tests.unit.audit.store import documents

    rounds = 2 if quick else ROUNDS
    for tick in range(rounds):
        told, fates, lines = _world(rounds, 200), {}, []
        for batch in told.batches(tick):
            items = told.slice(*batch[:3])
            own = [item for index, item in enumerate(items) if told.part_of(index, len(items)) == batch.part]
            lines += [(batch, orjson.dumps(row)) for item in own for row in documents(item)]
            fates[batch] = Fate(batch, len(own), 0, 1, Outcome.ACKED, 1, 1)
        judge = Judge(_world(rounds, 200), fates, honoured=True)

        def work(judge: Judge = judge, lines: Any = lines) -> None:
            for batch, line in lines:
                judge.take(("acme", "globex")[batch.tenant], batch.signal, orjson.loads(line))
            assert not judge.findings()

        yield Round(len(lines) / cpu_of(work))


@case("audit_memory", unit="MiB", at_most=300, large=True)
def memory(quick: bool) -> Iterator[Round]:
    """Resident memory of a process that audits 100 million ids: fates of all requests, and a byte for each item."""
    ids = 2_000_000 if quick else 100_000_000
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.perf.audit import hundred_million; hundred_million({ids})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    counted, kib = map(int, done.stdout.split())
    assert counted >= ids
    yield Round(kib / 1024)


def hundred_million(wanted: int) -> None:
    """Audits that many ids; prints how many, and this process's most memory in KiB. Every thousandth is lost on purpose."""
    requests = 3_000
    world = _world(wanted // (requests * 15) + 30, requests)
    fates, planned, ticks = {}, 0, 0
    while planned < wanted:
        for batch in _batches_of(world, ticks):
            fates[batch] = Fate(batch, _MOST, 0, 1, Outcome.ACKED, 1, 1)
        planned += sum(world.count(tenant, signal, ticks) for tenant in (0, 1) for signal in _IDS)
        ticks += 1
    judge = Judge(world, fates, honoured=True)
    counted = lost = 0
    for tick in range(ticks):
        for tenant in (0, 1):
            for signal in _IDS:
                width = 8 if signal == "traces" else 16
                ids = np.frombuffer(_ids(world, tenant, signal, tick), np.dtype((np.void, width)))
                counted, lost = counted + len(ids), lost + len(ids[::1000])
                kept = np.delete(ids, np.s_[::1000])
                for first in range(0, len(kept), 1 << 16):
                    _count(judge.census, signal, kept[first : first + (1 << 16)].tobytes())
    absent = sum(int((judge.census.copies(key) == 0).sum()) for key in judge.census.slices())
    assert absent == lost, (absent, lost)
    print(counted, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _batches_of(world: World, tick: int) -> list[Batch]:
    return [batch for batch in world.batches(tick) if batch.signal in _IDS]
