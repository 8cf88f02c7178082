"""Metric samples: request counts and durations taken from the very spans, and gauges and counters of the hosts.

A sample is a function of (series, tick). Counts of spans are cumulative: they count the spans of all requests that
ended by the sample's time. Durations are deltas in whole nanoseconds. Hence, for each service, span name, kind and
status: last count = number of spans, sum of the deltas = sum of their durations, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from runners.datagen.model.requests import Integers, Stream
from runners.datagen.model.tables import tables
from runners.datagen.topology import SERVICES
from runners.ledger.identity import derive, mix
from runners.ledger.items import Attributes, Instrument, Resource, Sample

CALLS = "traces.span.metrics.calls"
DURATION = "app.span.duration"
MAX_SERIES, MAX_INSTANCES = 4096, 256
_KINDS = {1: "SPAN_KIND_INTERNAL", 2: "SPAN_KIND_SERVER", 3: "SPAN_KIND_CLIENT", 4: "SPAN_KIND_PRODUCER", 5: "SPAN_KIND_CONSUMER"}  # fmt: skip
_STATUS = {0: "STATUS_CODE_UNSET", 1: "STATUS_CODE_OK", 2: "STATUS_CODE_ERROR"}
_LATTICE = 8
_MASK = (1 << 64) - 1


class Series(NamedTuple):
    """low, high: range of a gauge's value, or the least and most that a counter grows in a tick.

    scale: stored value = whole number / scale; 1 keeps it an integer. of: the class of spans (index into
    `Tables.classes`) that it counts or times.
    """

    name: str
    unit: str
    instrument: Instrument
    attributes: Attributes
    low: int = 0
    high: int = 0
    scale: int = 1
    of: int | None = None


def span_classes(service: int) -> tuple[int, ...]:
    """All classes of spans that a service can emit, in a fixed order: indexes into `Tables.classes`."""
    return tuple(number for number, of in enumerate(tables().classes) if of.service == service)


@lru_cache(maxsize=64)
def series_of(service: int, cpus: int) -> tuple[Series, ...]:
    """The series of one instance; a sample's number within its instance and tick is the index here."""
    found: list[Series] = []
    instruments: tuple[tuple[str, str, Instrument], ...] = ((CALLS, "{call}", "counter"), (DURATION, "ns", "delta"))
    for name, unit, instrument in instruments:
        for of in span_classes(service):
            told = tables().classes[of]
            attributes = {
                "span.name": told.name, "span.kind": _KINDS[told.kind], "status.code": _STATUS[told.status_code],
            }  # fmt: skip
            found.append(Series(name, unit, instrument, attributes, of=of))
    return (*found, *_host_series(cpus))


def _host_series(cpus: int) -> Iterator[Series]:
    gib = 1 << 30
    for cpu in range(cpus):
        for mode, low, high in (
            ("user", 40, 520),
            ("system", 10, 140),
            ("iowait", 0, 60),
            ("interrupt", 0, 20),
            ("steal", 0, 30),
        ):
            yield Series(
                "system.cpu.utilization", "1", "gauge", {"cpu.mode": mode, "cpu.logical_number": cpu}, low, high, 1000
            )
    for state, low, high in (("used", 3, 6), ("free", 1, 3), ("cached", 2, 4), ("buffers", 0, 1)):
        attributes = {"system.memory.state": state}
        yield Series("system.memory.usage", "By", "updown", attributes, low * gib, high * gib)
        yield Series("system.memory.utilization", "1", "gauge", attributes, low * 100, high * 100, 1000)
    for direction in ("receive", "transmit"):
        attributes = {"network.io.direction": direction, "network.interface.name": "eth0"}
        yield Series("system.network.io", "By", "counter", attributes, 40_000, 900_000)
    for direction in ("read", "write"):
        attributes = {"disk.io.direction": direction, "system.device": "/dev/nvme0n1"}
        yield Series("system.disk.io", "By", "counter", attributes, 4_096, 2_000_000)
    for mount, low, high in (("/", 310, 360), ("/var/lib", 520, 690)):
        attributes = {"system.device": "/dev/nvme0n1p1", "system.filesystem.mountpoint": mount}
        yield Series("system.filesystem.utilization", "1", "gauge", attributes, low, high, 1000)
    for mode, low, high in (("user", 60, 700), ("system", 5, 90)):
        yield Series("process.cpu.time", "s", "counter", {"cpu.mode": mode}, low, high, 1000)
    yield Series("process.memory.usage", "By", "updown", {}, 90 << 20, 400 << 20)
    yield Series("process.thread.count", "{thread}", "updown", {}, 12, 64)


class Meter:
    """All samples of one tenant. interval: ticks between two samples of a series; instances take turns."""

    def __init__(
        self, seed: int, tenant: str, stream: Stream, fleet: Sequence[Resource], *, interval: int, per: int, cpus: int
    ) -> None:
        self._stream, self._fleet, self._interval, self._per, self._cpus = stream, fleet, interval, per, cpus
        self._keys = [derive(seed, "metrics", tenant, ordinal) for ordinal in range(len(fleet))]
        self._tally = _Tally(stream, len(fleet))
        self._effects = stream.schedule.effects
        self._last_tick = stream.schedule.ticks - 1

    @property
    def series(self) -> int:
        """How many series all instances together have."""
        return sum(len(self.series_of(ordinal)) for ordinal in range(len(self._fleet)))

    def series_of(self, ordinal: int) -> tuple[Series, ...]:
        """The series of one instance."""
        return series_of(ordinal // self._per, self._cpus)

    def reports(self, ordinal: int, tick: int) -> bool:
        """Does this instance report at the end of this tick? At the end of the last one, all do: SDKs flush."""
        return tick % self._interval == ordinal % self._interval or tick == self._last_tick

    def time(self, ordinal: int, tick: int) -> int:
        """When it does: just after the tick's end, each instance a microsecond later than the one before."""
        return self._stream.schedule.begins(tick + 1) + (ordinal + 1) * 1000

    def count(self, tick: int) -> int:
        """Number of samples of a tick."""
        return sum(len(self.series_of(ordinal)) for ordinal in range(len(self._fleet)) if self.reports(ordinal, tick))

    def number(self, ordinal: int, tick: int, index: int) -> int:
        """The sample's seq."""
        return (tick * MAX_INSTANCES + ordinal) * MAX_SERIES + index

    def samples(self, tick: int) -> Iterator[Sample]:
        """The samples of a tick, instance by instance."""
        reporting = [ordinal for ordinal in range(len(self._fleet)) if self.reports(ordinal, tick)]
        if not reporting:
            return
        calls = self._tally.until(tick)
        durations = self._durations(tick, reporting)
        started = self._stream.schedule.start_ns
        for ordinal in reporting:
            time, resource = self.time(ordinal, tick), self._fleet[ordinal]
            before = self._reported_before(ordinal, tick)
            since = self.time(ordinal, before) if before is not None else started
            for index, series in enumerate(self.series_of(ordinal)):
                value: int | float
                start = started
                if series.of is not None and series.instrument == "delta":
                    value, start = int(durations[ordinal, series.of]), since
                elif series.of is not None:
                    value = int(calls[ordinal, series.of])
                else:
                    whole = _whole(series, mix(self._keys[ordinal] + index & _MASK), tick)
                    if not self._effects.none and series.instrument != "counter":
                        whole = self._struck(resource.service, series, tick, whole)
                    value = whole if series.scale == 1 else whole / series.scale
                    start = 0 if series.instrument == "gauge" else started
                yield Sample(
                    self.number(ordinal, tick, index), resource, series.name, series.unit, series.instrument, start, time,
                    value, series.attributes,
                )  # fmt: skip

    def _struck(self, service: str, series: Series, tick: int, whole: int) -> int:
        """The value after what anomalies do to it; nothing is more than full."""
        full = series.high if series.scale == 1 else series.scale
        found = self._effects.series(service, series.name, tick, whole, full)
        return found if series.scale == 1 else min(full, found)

    def _reported_before(self, ordinal: int, tick: int) -> int | None:
        for earlier in range(tick - 1, max(-1, tick - 1 - self._interval), -1):
            if self.reports(ordinal, earlier):
                return earlier
        return None

    def _durations(self, tick: int, reporting: Sequence[int]) -> Integers:
        """(instances, classes) nanoseconds since each instance last reported."""
        since = np.full(len(self._fleet), tick)
        for ordinal in reporting:
            last = self._reported_before(ordinal, tick)
            since[ordinal] = -1 if last is None else last
        result = np.zeros((len(self._fleet), len(tables().classes)), np.int64)
        for earlier in range(max(0, tick - self._interval + 1), tick + 1):
            requests = self._stream.tick(earlier)
            new = np.flatnonzero(since[requests.instance] < earlier)
            took = (requests.end - requests.start)[new]
            np.add.at(result, (requests.instance[new], requests.span_class[new]), took)
        return result


class _Tally:
    """Running counts of spans by instance and class. Going forward costs what is new; going back starts over."""

    def __init__(self, stream: Stream, instances: int) -> None:
        self._stream = stream
        self._done = 0
        self._counts = np.zeros((instances, len(tables().classes)), np.int64)

    def until(self, tick: int) -> Integers:
        """(instances, classes) counts of all requests that ended in this tick or before. Valid until the next call."""
        if tick + 1 < self._done:
            self._done = 0
            self._counts[:] = 0
        for new in range(self._done, tick + 1):
            requests = self._stream.tick(new)
            key = requests.instance * self._counts.shape[1] + requests.span_class
            self._counts += np.bincount(key, minlength=self._counts.size).reshape(self._counts.shape)
        self._done = tick + 1
        return self._counts


def _whole(series: Series, key: int, tick: int) -> int:
    """Counters grow by low..high a tick on average and never fall; the rest drifts between low and high."""
    if series.instrument == "counter":
        room = series.high - series.low
        return (tick + 1) * (series.low + series.high) // 2 + mix(key ^ tick) % room // 2
    lattice, within = divmod(tick, _LATTICE)
    left, right = mix(key + lattice & _MASK) >> 32, mix(key + lattice + 1 & _MASK) >> 32
    return series.low + ((left * (_LATTICE - within) + right * within) // _LATTICE * (series.high - series.low) >> 32)


assert len(SERVICES) * 16 <= MAX_INSTANCES
