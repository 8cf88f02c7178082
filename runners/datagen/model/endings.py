"""Series that end, and of which it is said: one marker for each, in the tick in which it is known.

The rule. What an agent told of an instance at its report before and does not tell any more has ended, because
* a shard was replaced by its next generation (churn): its marker comes with the report that has the new one;
* the instance was replaced (a deploy): markers of everything that it told in its last report come in the tick after it.
Silence ends nothing: of a service that is silent nobody says anything, not even this. An instance that is replaced while, or in
the tick in which, its service is silent, gets no markers, nor does anything at the end of a run: it is cut off. A restart
goes on with the series that it had.

A marker is an item like any other: it has a number, and is planned, sent and acknowledged. It carries no value, so no store
shows it to who reads samples, and whether it was stored is not observable there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runners.datagen.model import filler
from runners.datagen.model.buckets import BOUNDS, BUCKETS, OFFSET, SCALE
from runners.datagen.model.filler import Integers
from runners.datagen.model.metrics import Meter
from runners.datagen.model.roster import Roster
from runners.datagen.model.series import Series
from runners.ledger.items import Histogram, Instrument, Point, Resource, Sample


@dataclass(frozen=True, eq=False)
class Ending:
    """What of one instance has ended by a tick. time: of the markers; number: of the first one, those of the others follow;
    series: of its own (all or none); slots, generations: of the shards."""

    ordinal: int
    time: int
    number: int
    series: tuple[Series, ...]
    slots: Integers
    generations: Integers

    @property
    def size(self) -> int:
        return len(self.series) + len(self.slots)


class Endings:
    """Of one tenant."""

    def __init__(self, meter: Meter, roster: Roster, fleet: Sequence[Resource], *, told: bool) -> None:
        """told: are they?"""
        self._meter, self._roster, self._fleet, self._told = meter, roster, fleet, told
        self._at = lru_cache(maxsize=16)(self._found)

    def at(self, tick: int) -> tuple[Ending, ...]:
        """Those that are told in a tick, by instance."""
        return self._at(tick) if self._told else ()

    def count(self, tick: int) -> int:
        """Number of markers of a tick."""
        return sum(ending.size for ending in self.at(tick))

    def find(self, ordinal: int, tick: int, name: str, attributes: dict[str, object], *, labelled: bool) -> int | None:
        """The number of the marker in whose place a stored sample with this name stands, as `Meter.find`."""
        ending = next((one for one in self.at(tick) if one.ordinal == ordinal), None)
        before = None if ending is None else self._meter.reported_before(ordinal, tick)
        if ending is None or before is None:
            return None
        index = self._meter.find(ordinal, before, name, attributes, labelled=labelled)
        if index is None:
            return None
        if ending.series:
            return ending.number + index
        found = np.flatnonzero(ending.slots == index - len(self._meter.series_of(ordinal)))
        return ending.number + int(found[0]) if len(found) else None

    def markers(self, tick: int) -> Iterator[Point]:
        """The markers of a tick, instance by instance."""
        for ending in self.at(tick):
            for index, point in enumerate(markers(ending, self._fleet[ending.ordinal])):
                yield point._replace(seq=ending.number + index)

    def _found(self, tick: int) -> tuple[Ending, ...]:
        return tuple(self._endings(tick))

    def _endings(self, tick: int) -> Iterator[Ending]:
        meter = self._meter
        for ordinal, member in enumerate(self._roster.members):
            shards, time = meter.fillers[ordinal], meter.time(ordinal, tick)
            if meter.reports(ordinal, tick):
                before = meter.reported_before(ordinal, tick) if shards.slots and shards.lifetime else None
                if before is None:
                    continue
                old = shards.generations(before)
                slots = np.flatnonzero(old != shards.generations(tick))
                if len(slots):
                    number = meter.number(ordinal, tick, meter.points(ordinal))
                    yield Ending(ordinal, time, number, (), slots, old[slots])
            elif (
                member.dies == tick
                and meter.reports(ordinal, tick - 1)
                and not self._roster.silent(member.service, tick)
            ):
                old = shards.generations(tick - 1)
                number, own = meter.number(ordinal, tick, 0), meter.series_of(ordinal)
                yield Ending(ordinal, time, number, own, np.arange(shards.slots), old)


def markers(ending: Ending, resource: Resource) -> Iterator[Point]:
    """Not numbered yet."""
    for series in ending.series:
        yield marker(resource, series, ending.time)
    for slot, generation in zip(ending.slots.tolist(), ending.generations.tolist(), strict=True):
        yield marker(resource, shard(filler.shard(slot, generation)), ending.time)


def shard(name: str) -> Series:
    """The series of a shard, as far as a marker tells it."""
    return Series(filler.NAME, filler.UNIT, "gauge", {filler.SHARD: name})


def marker(resource: Resource, series: Series, time: int) -> Point:
    """Series, time, and nothing else: not since when either, as nothing was counted. A histogram has its buckets all the
    same, empty: they are the series that have ended."""
    if series.shown == 1:
        instrument: Instrument = series.instrument  # type: ignore[assignment]  # histograms are none
        return Sample(0, resource, series.name, series.unit, instrument, 0, time, 0, series.attributes, ended=True)
    classic = series.instrument == "histogram"
    return Histogram(
        0, resource, series.name, series.unit, 0, time, 0, 0.0, (0,) * (len(BOUNDS) + 1 if classic else BUCKETS),
        BOUNDS if classic else (), None if classic else SCALE, 0 if classic else OFFSET, 0, 0.0, series.attributes,
        ended=True,
    )  # fmt: skip
