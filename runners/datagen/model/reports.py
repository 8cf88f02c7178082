"""What instances report, in columns: the same points in the same order as `Meter.samples` makes them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from runners.datagen.model import filler
from runners.datagen.model.metrics import Meter
from runners.datagen.model.readings import Readings, drifting
from runners.datagen.model.requests import Integers
from runners.datagen.model.series import Series
from runners.datagen.model.tally import Tally
from runners.ledger.mixing import U64, mix


@dataclass(frozen=True, eq=False)
class Report:
    """What an instance tells at the end of a tick. readings: of its series; values: (n,) their bytes, nothing of histograms;
    starts: (n,) 0 for gauges; tally: the counts of that tick, valid until the next one is asked for; generations, filling: (slots,) of the fillers, and the bytes of their values."""

    ordinal: int
    time: int
    readings: Readings
    values: U64
    starts: Integers
    tally: Tally
    generations: Integers
    filling: U64


class Reports:
    """Of one tenant."""

    def __init__(self, meter: Meter, services: tuple[str, ...], started: int) -> None:
        """services: whose each instance is, in the fleet's order; started: when the run did, nanoseconds."""
        self._meter, self._services, self._started = meter, services, started
        self._readings: dict[int, Readings] = {}

    def tick(self, tick: int) -> Iterator[Report]:
        """By instance. Each is valid until the next tick is asked for."""
        meter = self._meter
        if not (reporting := meter.reporting(tick)):
            return
        meter.tally.until(tick)
        durations = meter.durations(tick, reporting)
        for ordinal in reporting:
            readings, since = self._readings_of(ordinal), meter.since(ordinal, tick)
            struck = partial(self._struck, self._services[ordinal], tick)
            began = meter.began(ordinal, tick)
            values = readings.values(tick, began, meter.tally.counts[ordinal], durations[ordinal], struck)
            starts = np.where(readings.own, meter.started(ordinal, tick), self._started)
            starts[readings.deltas] = since
            starts[readings.gauges] = 0
            generations = meter.fillers[ordinal].generations(tick)
            yield Report(
                ordinal, meter.time(ordinal, tick), readings, values, starts, meter.tally, generations,
                self._filled(ordinal, tick, generations),
            )  # fmt: skip

    def _readings_of(self, ordinal: int) -> Readings:
        if ordinal not in self._readings:
            service, effects = self._services[ordinal], self._meter.effects

            def touched(series: Series) -> bool:
                return not effects.none and effects.touches(service, series.name)

            self._readings[ordinal] = Readings(self._meter.series_of(ordinal), self._meter.keys[ordinal], touched)
        return self._readings[ordinal]

    def _struck(self, service: str, tick: int, series: Series, whole: int) -> int:
        return self._meter.struck(service, series, tick, whole)

    def _filled(self, ordinal: int, tick: int, generations: Integers) -> U64:
        if not len(generations):
            return np.zeros(0, np.uint64)
        slots = np.arange(len(generations), dtype=np.uint64) + np.uint64(len(self._meter.series_of(ordinal)))
        seeds = np.uint64(self._meter.keys[ordinal]) + (generations.astype(np.uint64) << np.uint64(20)) + slots
        low, high = (np.full(len(slots), edge, np.int64) for edge in (filler.LOW, filler.HIGH))
        return drifting(mix(seeds), low, high, tick).view(np.uint64)
