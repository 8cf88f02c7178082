"""What a scenario will do, counted exactly before an item is sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from runners.datagen.scenario import Scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch
from runners.ledger.identity import Identity, derive
from runners.ledger.items import SIGNALS, Signal

_SAMPLED_TICKS = 3
_ANY_START_NS = 10**18


@dataclass(frozen=True)
class Plan:
    """items: by signal, sentinels included, things sent twice on purpose counted once; requests: likewise; series: that a
    store counts after the run; active_series: at a moment of it, when they are most; markers: those of the metrics' items that say
    that a series has ended, which no store shows; busy: seconds of processor time that a second of the busiest
    tick takes here to be made, before compression."""

    items: dict[Signal, int]
    requests: int
    resent: int
    series: int
    active_series: int
    bytes_estimate: int
    duration_s: float
    tenants: tuple[str, ...]
    busy: float = 0.0
    markers: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "items": self.items, "series": self.series, "active_series": self.active_series, "bytes_estimate": self.bytes_estimate,
            "duration_s": self.duration_s, "tenants": list(self.tenants), "requests": self.requests,
            "resent": self.resent, "busy": round(self.busy, 3), "markers": self.markers,
        }  # fmt: skip


def count(scenario: Scenario, seed: int, duration_s: float | None = None, start_ns: int = _ANY_START_NS) -> Plan:
    """Items, requests and series are exact; bytes (before compression) are estimated from a few encoded slices.

    start_ns: bears on the counts of scenarios only whose load follows the real week.
    """
    world = World(scenario, Identity("dry-run", scenario.tenants), seed, start_ns, duration_s)
    items: dict[Signal, int] = dict.fromkeys(SIGNALS, 0)
    requests = resent = most = busiest = markers = 0
    for tick in range(world.ticks + 1):
        of_tick = 0
        for signal in SIGNALS:
            for tenant in range(len(world.tenants)):
                items[signal] += (found := world.count(tenant, signal, tick))
                of_tick += found * (signal != "metrics")
                markers += world.ended(tenant, signal, tick)
        if of_tick > most and tick < world.ticks:
            most, busiest = of_tick, tick
        for batch in world.batches(tick):
            requests += 1
            resent += tick < world.ticks and resends(scenario, seed, batch)  # sentinels are sent once
    return Plan(
        items,
        requests,
        resent,
        world.series(),
        world.active_series(),
        _bytes(world, items),
        world.ticks * world.tick_ns / 1e9,
        world.tenants,
        _busy(world, busiest, most),
        markers,
    )


def _busy(world: World, tick: int, items: int) -> float:
    """Seconds of processor time a second, of the tick with most log records and spans, so many: measured at the one beside
    it, when the parts that are made once have been made. Metrics cost little beside these, and come all at once."""
    beside = tick - 1 if tick else min(1, world.ticks - 1)
    made = 0
    for each in (tick, beside):
        made, began = 0, time.process_time()
        for batch in world.batches(each):
            if batch.signal != "metrics":
                made += world.parcel(batch).items
    return (time.process_time() - began) * items / max(1, made) / (world.tick_ns / 1e9)


def resends(scenario: Scenario, seed: int, batch: Batch) -> bool:
    """Is this request one of those that are sent again after they were acknowledged?

    The first requests of slices are evenly spread over the run, so that short runs have their share too: the seed decides
    where the count begins. Of further ones chance decides.
    """
    share = scenario.file.delivery.resend
    if batch.part:
        return derive(seed, "resend", *batch) >> 32 < share * (1 << 32)
    lanes = len(scenario.tenants) * len(SIGNALS)
    ordinal = batch.tick * lanes + batch.tenant * len(SIGNALS) + SIGNALS.index(batch.signal) + seed % 1009
    return int((ordinal + 1) * share + 1e-9) > int(ordinal * share + 1e-9)


def _bytes(world: World, items: dict[Signal, int]) -> int:
    total = 0.0
    for signal in SIGNALS:
        size = number = 0
        for tick in sorted({step * max(0, world.ticks - 1) // _SAMPLED_TICKS for step in range(_SAMPLED_TICKS + 1)}):
            for batch in world.batches(tick):
                if batch.signal == signal:
                    parcel = world.parcel(batch)
                    size, number = size + len(parcel.body), number + parcel.items
        total += items[signal] * size / max(1, number)
    return round(total)
