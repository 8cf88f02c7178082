"""The generator as the benchmarks use it: one tenant's shop, at full speed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch
from runners.ledger.identity import Identity
from runners.ledger.items import Signal, Span
from runners.wire.parcel import Parcel
from tests.perf._sending import START_NS

ROUNDS = 11
_SCENARIO = """
scenario: bench
duration: 300s
tenants: [{{id: acme}}]
instances: 3
load: {{requests: {requests}/s}}
errors: 1%
delivery: {{max_items: {most}}}
"""


def rounds(quick: bool) -> int:
    return 2 if quick else ROUNDS


class Shop:
    """requests: a second, which is a tick; most: items of an export request."""

    def __init__(self, *, requests: int = 1000, most: int = 3_500) -> None:
        text = _SCENARIO.format(requests=requests, most=most)
        self.world = World(read_scenario(text.encode(), Path("bench.yaml")), Identity("bench", ("acme",)), 1, START_NS)
        self._ticks = itertools.cycle(range(self.world.ticks))
        self.world.encoder.complete()  # as in a long run
        for _ in range(4):
            for signal in ("logs", "traces"):
                list(self.next(signal))

    def tick(self) -> int:
        """The number of the next tick."""
        return next(self._ticks)

    def next(self, signal: Signal, tick: int | None = None) -> Iterator[Parcel]:
        """The requests of a tick, the next one if none is named, each made when it is asked for."""
        if tick is None:
            tick = self.tick()
        for part in range(self.world.parts(0, signal, tick)):
            yield self.world.parcel(Batch(0, signal, tick, part))

    def spans(self, tick: int, most: int) -> list[Span]:
        """As objects."""
        return [item for item in self.world.slice(0, "traces", tick) if isinstance(item, Span)][:most]
