"""Metric samples: request counts and durations taken from the very spans, and gauges and counters of the hosts.

A sample is a function of (series, tick). Counts of spans are cumulative: they count the spans of all requests that
ended by the sample's time, since the instance's last restart; histograms likewise. Durations are deltas in whole
nanoseconds. Hence, for each service, span name, kind and status: last count = number of spans, sum of the deltas = sum
of their durations, exactly; and a histogram's count is the count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runners.datagen.model import filler
from runners.datagen.model.buckets import BOUNDS, BUCKETS, OFFSET, SCALE
from runners.datagen.model.filler import Filler
from runners.datagen.model.readings import LATTICE
from runners.datagen.model.requests import Integers
from runners.datagen.model.roster import Roster
from runners.datagen.model.series import CALLED, CALLS, DURATION, SERVED, Series, series_of
from runners.datagen.model.stream import Stream
from runners.datagen.model.tables import tables
from runners.datagen.model.tally import Tally
from runners.datagen.shop import SERVICES
from runners.ledger.identity import Identity, derive, mix
from runners.ledger.items import Attributes, Exemplar, Histogram, Instrument, Point, Resource, Sample
from runners.ledger.shown import split
from runners.ledger.sight import labels

__all__ = ["CALLED", "CALLS", "DURATION", "MAX_INSTANCES", "MAX_SERIES", "SERVED", "Gauging", "Meter"]

MAX_SERIES, MAX_INSTANCES = 65_536, 256
_MASK = (1 << 64) - 1
_Key = tuple[str, frozenset[tuple[str, object]]]


@dataclass(frozen=True)
class Gauging:
    """What is measured. interval: ticks between two samples of a series; cpus: of each host; histograms: of durations;
    restart: ticks between two restarts of an instance, 0 for none; fillers: of each instance, in the fleet's order."""

    interval: int
    cpus: int
    histograms: bool = False
    restart: int = 0
    fillers: tuple[Filler, ...] = ()


class Meter:
    """All samples of one tenant. Instances take turns in reporting. keys: of the random values of each instance; fillers: of
    each; tally: what was counted by the tick that was asked for last."""

    def __init__(
        self, seed: int, identity: Identity, tenant: int, stream: Stream, fleet: Sequence[Resource], *, roster: Roster,
        gauging: Gauging,
    ) -> None:  # fmt: skip
        """tenant: its number."""
        self._identity, self._tenant, self._stream, self._fleet = identity, tenant, stream, fleet
        self._roster, self._of, self._interval = roster, gauging, gauging.interval
        self._steady = roster.steady
        fillers, per = gauging.fillers or (Filler(),) * len(fleet), roster.instances
        self.fillers = tuple(fillers[of.service * per + of.slot] for of in roster.members)
        name = identity.tenants[tenant]
        self.keys = [derive(seed, "metrics", name, ordinal) for ordinal in range(len(fleet))]
        restart = gauging.restart
        phases = [derive(seed, "restart", name, ordinal) % max(1, restart) for ordinal in range(len(fleet))]
        self._phase = np.array(phases, np.int64)
        self.tally = Tally(stream, len(fleet), self._restarted, histograms=gauging.histograms)
        self.effects = stream.schedule.effects
        self._last_tick = stream.schedule.ticks - 1
        self._found = lru_cache(maxsize=1024)(self._indexes)
        self._restart = lru_cache(maxsize=4)(self._restarts)

    def active(self, tick: int) -> int:
        """As how many series a store shows all instances that are heard of in a tick together."""
        return sum(
            self._shown_by(ordinal)
            for ordinal in self._roster.current(tick).tolist()
            if self._steady or self._roster.alive(ordinal, tick)
        )

    @property
    def series(self) -> int:
        """As how many it shows them after the whole run: replaced ones count too, what never told anything does not."""
        total = 0
        for ordinal, one in enumerate(self.fillers):
            if self._steady:
                first = min(ordinal % self._interval, self._last_tick)
                total += self._shown_by(ordinal) + (
                    one.distinct(first, self._last_tick) - one.slots if one.slots else 0
                )
            elif told := [tick for tick in range(self._last_tick + 1) if self.reports(ordinal, tick)]:
                total += self._shown_by(ordinal) - one.slots + one.distinct_of(told)
        return total

    def _shown_by(self, ordinal: int) -> int:
        return sum(series.shown for series in self.series_of(ordinal)) + self.fillers[ordinal].slots

    def series_of(self, ordinal: int) -> tuple[Series, ...]:
        """The series of one instance, without the fillers that follow them."""
        return series_of(self._roster.members[ordinal].service, self._of.cpus, histograms=self._of.histograms)

    def reports(self, ordinal: int, tick: int) -> bool:
        """Does this instance report at the end of this tick? At the end of its last one, it does: SDKs flush."""
        due = tick % self._interval == ordinal % self._interval or tick == self._last_tick
        if self._steady:
            return due
        alive = self._roster.alive
        return alive(ordinal, tick) and (due or not alive(ordinal, tick + 1))

    def reporting(self, tick: int) -> list[int]:
        """The instances that do."""
        return [ordinal for ordinal in range(len(self._fleet)) if self.reports(ordinal, tick)]

    def since(self, ordinal: int, tick: int) -> int:
        """When an instance reported before this tick, or the beginning."""
        before = self.reported_before(ordinal, tick)
        return self._stream.schedule.begins(self._born(ordinal)) if before is None else self.time(ordinal, before)

    def reported_before(self, ordinal: int, tick: int) -> int | None:
        """The tick of its last report before this one; None when there is none."""
        for earlier in range(tick - 1, self._born(ordinal) - 1, -1):
            if self.reports(ordinal, earlier):
                return earlier
        return None

    def time(self, ordinal: int, tick: int) -> int:
        """When it does: just after the tick's end, each instance a microsecond later than the one before."""
        return self._stream.schedule.begins(tick + 1) + (ordinal + 1) * 1000

    def count(self, tick: int) -> int:
        """Number of samples of a tick."""
        return sum(map(self.points, self.reporting(tick)))

    def number(self, ordinal: int, tick: int, index: int) -> int:
        """The sample's seq."""
        return (tick * MAX_INSTANCES + ordinal) * MAX_SERIES + index

    def began(self, ordinal: int, tick: int) -> int:
        """The tick with which the instance that reports at this one was started."""
        return max(self._born(ordinal), int(self._restart(tick)[ordinal]) if self._of.restart else 0)

    def _born(self, ordinal: int) -> int:
        return self._roster.members[ordinal].born

    def find(self, ordinal: int, tick: int, name: str, attributes: dict[str, object], *, labelled: bool) -> int | None:
        """The index of the point that a stored sample with this name is, or is a part of. labelled: attributes are labels."""
        filled, resource = self.fillers[ordinal], self._fleet[ordinal]
        if name == filler.NAME:
            told = attributes.get(filler.SHARD.replace(".", "_") if labelled else filler.SHARD)
            slot = filled.slot_of(told, tick)
            if slot is None:
                return None
            sent: Attributes = {filler.SHARD: str(told)}
            same = _shown(attributes, labelled) == _shown(labels(resource, sent) if labelled else sent, labelled)
            return len(self.series_of(ordinal)) + slot if same else None
        known = self._found(ordinal, labelled)
        if (key := _key(name, attributes, labelled)) is not None and key in known:
            return known[key]
        parts = split(name, attributes)
        if parts is None or (key := _key(parts[0], parts[3], labelled)) is None:
            return None
        index = known.get(key)
        return index if index is not None and self.series_of(ordinal)[index].shown > 1 else None

    def points(self, ordinal: int) -> int:
        """How many points an instance reports."""
        return len(self.series_of(ordinal)) + self.fillers[ordinal].slots

    def samples(self, tick: int) -> Iterator[Point]:
        """The samples of a tick, instance by instance."""
        reporting = self.reporting(tick)
        if not reporting:
            return
        self.tally.until(tick)
        durations = self.durations(tick, reporting)
        for ordinal in reporting:
            since = self.since(ordinal, tick)
            for index, series in enumerate(self.series_of(ordinal)):
                if series.shown > 1:
                    yield self._histogram(ordinal, tick, index, series)
                elif series.instrument == "delta" and series.of is not None:
                    yield self._sample(ordinal, tick, index, series, int(durations[ordinal, series.of]), start=since)
                elif series.of is not None:
                    value = int(self.tally.counts[ordinal, series.of])
                    yield self._sample(ordinal, tick, index, series, value, start=self.started(ordinal, tick))
                else:
                    yield self._measured(ordinal, tick, index, series)
            yield from self._filling(ordinal, tick)

    def started(self, ordinal: int, tick: int) -> int:
        """When what its process counts began, in nanoseconds."""
        return self._stream.schedule.begins(self.began(ordinal, tick))

    def _sample(self, ordinal: int, tick: int, index: int, series: Series, value: float, *, start: int) -> Sample:
        instrument: Instrument = series.instrument  # type: ignore[assignment]  # histograms are none
        return Sample(
            self.number(ordinal, tick, index), self._fleet[ordinal], series.name, series.unit, instrument, start,
            self.time(ordinal, tick), value, series.attributes,
        )  # fmt: skip

    def _measured(self, ordinal: int, tick: int, index: int, series: Series) -> Sample:
        """Of the host or the process: what a process counts begins anew with it."""
        began = self.began(ordinal, tick) if series.name.startswith("process.") else 0
        key = mix(self.keys[ordinal] + index & _MASK)
        whole = _whole(series, key, tick - began if series.instrument == "counter" else tick)
        if not self.effects.none and series.instrument != "counter":
            whole = self.struck(self._fleet[ordinal].service, series, tick, whole)
        value = whole if series.scale == 1 else whole / series.scale
        start = 0 if series.instrument == "gauge" else self._stream.schedule.begins(began)
        return self._sample(ordinal, tick, index, series, value, start=start)

    def _histogram(self, ordinal: int, tick: int, index: int, series: Series) -> Histogram:
        of, tally = series.of, self.tally
        assert of is not None
        at = ordinal, of
        classic = series.instrument == "histogram"
        cells = tally.cells[at][: len(BOUNDS) + 1 if classic else BUCKETS].tolist()
        exemplars: tuple[Exemplar, ...] = ()
        if tally.counts[at]:
            trace = self._identity.trace_id(self._tenant, int(tally.last_trace[at]))
            span = self._identity.span_id(self._tenant, int(tally.last_span[at]))
            exemplars = (Exemplar(int(tally.last_took[at]) / 1e9, int(tally.last_end[at]), trace, span),)
        return Histogram(
            self.number(ordinal, tick, index), self._fleet[ordinal], series.name, series.unit,
            self.started(ordinal, tick), self.time(ordinal, tick), int(tally.counts[at]), int(tally.took[at]) / 1e9,
            tuple(cells), BOUNDS if classic else (), None if classic else SCALE, 0 if classic else OFFSET, 0, 0.0,
            series.attributes, exemplars,
        )  # fmt: skip

    def _filling(self, ordinal: int, tick: int) -> Iterator[Sample]:
        first, key = len(self.series_of(ordinal)), self.keys[ordinal]
        for slot, generation in enumerate(self.fillers[ordinal].generations(tick).tolist()):
            attributes = {filler.SHARD: filler.shard(slot, generation)}
            series = Series(filler.NAME, filler.UNIT, "gauge", attributes, filler.LOW, filler.HIGH)
            value = _whole(series, mix(key + (generation << 20) + first + slot & _MASK), tick)
            yield self._sample(ordinal, tick, first + slot, series, value, start=0)

    def struck(self, service: str, series: Series, tick: int, whole: int) -> int:
        """The value after what anomalies do to it; nothing is more than full."""
        full = series.high if series.scale == 1 else series.scale
        found = self.effects.series(service, series.name, tick, whole, full)
        return found if series.scale == 1 else min(full, found)

    def _restarted(self, tick: int) -> Integers:
        """Ordinals of the instances that begin anew with a tick."""
        if not self._of.restart or not tick:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self._restart(tick) == tick)

    def _restarts(self, tick: int) -> Integers:
        """(instances,) the tick of each one's last restart by now, 0 without any: the first one after a report, so that
        nothing is counted that is never told."""
        due = tick - (tick + self._phase) % self._of.restart  # when it is time for it
        found = due + self._after_report(due)
        earlier = due - self._of.restart
        found = np.where(found > tick, earlier + self._after_report(earlier), found)
        return np.where((found > tick) | (found < 1), 0, found)

    def _after_report(self, tick: Integers) -> Integers:
        """(instances,) ticks from these to the next one with which no report is under way."""
        return (np.arange(len(self._fleet)) + 1 - tick) % self._interval

    def durations(self, tick: int, reporting: Sequence[int]) -> Integers:
        """(instances, classes) nanoseconds since each instance last reported."""
        since = np.full(len(self._fleet), tick)
        for ordinal in reporting:
            last = self.reported_before(ordinal, tick)
            since[ordinal] = self._born(ordinal) - 1 if last is None else last
        result = np.zeros((len(self._fleet), len(tables().classes)), np.int64)
        for earlier in range(int(since[list(reporting)].min()) + 1, tick + 1):
            requests = self._stream.tick(earlier)
            told = requests.told
            instance, of = requests.instance[told], requests.span_class[told]
            new = np.flatnonzero(since[instance] < earlier)
            took = (requests.end - requests.start)[told][new]
            np.add.at(result, (instance[new], of[new]), took)
        return result

    def _indexes(self, ordinal: int, labelled: bool) -> dict[_Key, int]:
        resource = self._fleet[ordinal]
        found: dict[_Key, int] = {}
        for index, series in enumerate(self.series_of(ordinal)):
            told = labels(resource, series.attributes) if labelled else series.attributes
            key = _key(series.name, dict(told), labelled)
            assert key is not None
            found[key] = index
        return found


def _key(name: str, attributes: dict[str, object], labelled: bool) -> _Key | None:
    """What a series is known by; None for attributes that none of ours has."""
    try:
        return name, frozenset(_shown(attributes, labelled).items())
    except TypeError:
        return None


def _shown(attributes: Attributes | dict[str, object], labelled: bool) -> dict[str, object]:
    """Without the labels that are the store's own."""
    own = ("__name__", "service", "tenant") if labelled else ()
    return {name: value for name, value in attributes.items() if name not in own}


def _whole(series: Series, key: int, tick: int) -> int:
    """Counters grow by low..high a tick on average and never fall; the rest drifts between low and high."""
    if series.instrument == "counter":
        room = series.high - series.low
        return (tick + 1) * (series.low + series.high) // 2 + mix(key ^ tick) % room // 2
    lattice, within = divmod(tick, LATTICE)
    left, right = mix(key + lattice & _MASK) >> 32, mix(key + lattice + 1 & _MASK) >> 32
    return series.low + ((left * (LATTICE - within) + right * within) // LATTICE * (series.high - series.low) >> 32)


assert len(SERVICES) * 16 <= MAX_INSTANCES
