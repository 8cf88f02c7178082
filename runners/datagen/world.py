"""The world of one run: every batch of every tenant and signal, made from (run, seed, scenario, start) and its index."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from runners.audit.source import Index
from runners.datagen.anomaly import Effects
from runners.datagen.clock import Schedule, schedule
from runners.datagen.encode import Body, Encoder
from runners.datagen.feasible import check_length, check_rate
from runners.datagen.gauging import gauged
from runners.datagen.loki_pushing import PushEncoder
from runners.datagen.marking import MarkEncoder
from runners.datagen.metering import MetricEncoder, Part
from runners.datagen.model.endings import Endings
from runners.datagen.model.filler import NAME as FILLER
from runners.datagen.model.fleet import fleet, skews
from runners.datagen.model.logs import logs, records
from runners.datagen.model.long_traces import Long
from runners.datagen.model.metrics import MAX_INSTANCES, MAX_SERIES, Meter
from runners.datagen.model.reports import Reports
from runners.datagen.model.requests import Integers, Requests
from runners.datagen.model.roster import Roster, roster
from runners.datagen.model.shapes import MAX_VISITS
from runners.datagen.model.spans import spans
from runners.datagen.model.stream import Stream
from runners.datagen.model.telling import Habits
from runners.datagen.remote_writing import WriteEncoder
from runners.datagen.scenario import Scenario, ScenarioFile
from runners.datagen.topology import INTERNAL
from runners.ledger.attempt import Batch, Flag
from runners.ledger.identity import Identity, derive
from runners.ledger.items import ITEM_ATTRIBUTE, SIGNALS, Item, LogRecord, Resource, Sample, Signal, Span
from runners.ledger.mixing import U64
from runners.ledger.sight import WHOLE, Sight
from runners.wire.frames import changes, lengths
from runners.wire.parcel import Parcel, Wire, key_of, pack_parcel

_Told = TypeVar("_Told")
_SENTINEL_DELAY_NS = 1_000_000
_KEPT_SERIES = 20_000
_KEPT_SLICES, _KEPT_PARCELS = 24, 2  # of encoded ones few: memory that is written anew while it is in the cache


@dataclass(frozen=True)
class _Tenant:
    schedule: Schedule
    fleet: tuple[Resource, ...]
    stream: Stream
    meter: Meter
    reports: Reports
    metrics: MetricEncoder
    write: WriteEncoder
    endings: Endings
    marks: MarkEncoder


class _Making:
    """Parcels in their order, as far as they have been asked for."""

    def __init__(self, making: Iterator[Parcel]) -> None:
        self._making = making
        self._made: list[Parcel] = []

    def at(self, part: int) -> Parcel:
        while len(self._made) <= part:
            self._made.append(next(self._making))
        return self._made[part]


class World:
    """Ticks 0..ticks-1 carry the telemetry; tick `ticks` carries the sentinels, one item per tenant and signal."""

    def __init__(
        self, scenario: Scenario, identity: Identity, seed: int, start_ns: int, duration_s: float | None = None
    ) -> None:
        """identity.tenants must be the scenario's. duration_s: instead of the scenario's own."""
        self.scenario, self.identity, self.seed, self.start_ns = scenario, identity, seed, start_ns
        file = scenario.file
        check_length(scenario, duration_s)
        self._tenants: list[_Tenant] = []
        gaugings = gauged(scenario)
        for number, name in enumerate(identity.tenants):
            plan = schedule(file, number, start_ns, duration_s, seed)
            check_rate(scenario, number, plan.cumulative)
            effects = Effects(scenario.anomalies, name, plan.tick_ns)
            staff = roster(effects, file.instances)
            habits = Habits(
                file.traces.orphans, file.logs.debug, _skews(file, seed, name, staff), file.logs.asides, _long(file)
            )
            stream = Stream(seed, name, plan, errors=file.errors, roster=staff, effects=effects, habits=habits)
            resources = fleet(identity, seed, number, staff)
            meter = Meter(seed, identity, number, stream, resources, roster=staff, gauging=gaugings[number])
            reports = Reports(meter, tuple(resource.service for resource in resources), start_ns)
            encoders = MetricEncoder(identity, number, resources), WriteEncoder(name, resources)
            endings = Endings(meter, staff, resources, told=file.metrics.staleness)
            marks = MarkEncoder(name, resources)
            self._tenants.append(_Tenant(plan, resources, stream, meter, reports, *encoders, endings, marks))
        self.encoder = Encoder(identity, [entry.fleet for entry in self._tenants], file.logs.mix)
        self._found: dict[tuple[object, ...], int | None] = {}
        self._before = [np.array(entry.schedule.cumulative, np.int64) for entry in self._tenants]
        self._slices: OrderedDict[tuple[int, Signal, int], list[Item]] = OrderedDict()
        self._parcels: OrderedDict[tuple[int, Signal, int, Wire], _Making] = OrderedDict()
        self._instances = {
            resource.instance_id: (tenant, ordinal)
            for tenant, entry in enumerate(self._tenants)
            for ordinal, resource in enumerate(entry.fleet)
        }

    @cached_property
    def push_encoder(self) -> PushEncoder:
        """Made when a run writes to Loki."""
        fleets = [entry.fleet for entry in self._tenants]
        return PushEncoder(self.encoder, self.identity, fleets, self.scenario.file.logs.mix)

    @property
    def tenants(self) -> tuple[str, ...]:
        return self.identity.tenants

    @property
    def ticks(self) -> int:
        return self._tenants[0].schedule.ticks

    @property
    def tick_ns(self) -> int:
        return self._tenants[0].schedule.tick_ns

    @property
    def end_ns(self) -> int:
        return self._tenants[0].schedule.end_ns

    def series(self) -> int:
        """Metric series of all tenants that a store has after the run: a histogram's are several, the sentinels' are
        included."""
        return sum(entry.meter.series + 1 for entry in self._tenants)

    def active_series(self) -> int:
        """Those that are written at a moment, when they are most: one that replaces another is no further one, and those of a
        silent service are not written meanwhile."""
        turns = {tick for entry in self._tenants for tick in entry.meter.effects.turns() if tick < self.ticks}
        return max(sum(entry.meter.active(tick) + 1 for entry in self._tenants) for tick in turns)

    def count(self, tenant: int, signal: Signal, tick: int) -> int:
        """Items of a slice, without making them."""
        entry = self._tenants[tenant]
        if tick == self.ticks:
            return 1
        if signal == "metrics":
            return entry.meter.count(tick) + entry.endings.count(tick)
        return entry.stream.logs(tick) if signal == "logs" else entry.stream.spans(tick)

    def ended(self, tenant: int, signal: Signal, tick: int) -> int:
        """How many items of a slice, the last ones, are markers of series that have ended."""
        return self._tenants[tenant].endings.count(tick) if signal == "metrics" and tick < self.ticks else 0

    def requests(self, tenant: int, tick: int) -> Requests:
        """The requests of a tick, in columns."""
        return self._tenants[tenant].stream.tick(tick)

    def slice(self, tenant: int, signal: Signal, tick: int) -> list[Item]:
        """All items of a tenant and signal that belong to a tick, in the order in which they are sent."""
        key = (tenant, signal, tick)
        found = self._slices.get(key)
        if found is None:
            found = self._slices[key] = self._make(tenant, signal, tick)
            if len(self._slices) > _KEPT_SLICES:
                self._slices.popitem(last=False)
        return found

    def parts(self, tenant: int, signal: Signal, tick: int) -> int:
        """Into how many requests the slice is cut."""
        ended, most = self.ended(tenant, signal, tick), self.scenario.file.delivery.max_items
        return -(-(self.count(tenant, signal, tick) - ended) // most) - (-ended // most)

    def part_of(self, index: Index, items: int, ended: int = 0) -> Index:
        """Which request carries the item at this index, or at each of these, of a slice with `items` items: parts differ by
        one at most. ended: how many of these are markers; they go in requests of their own, after the others."""
        most = self.scenario.file.delivery.max_items
        told = items - ended
        parts = -(-told // most)
        if not ended:
            return index * parts // items
        of_markers = parts + (index - told) * -(-ended // most) // ended
        if isinstance(index, int):
            return of_markers if index >= told else index * parts // told
        return np.where(index < told, index * parts // max(told, 1), of_markers)

    def parcel(self, batch: Batch, flags: Flag = Flag.NONE, wire: Wire = "otlp") -> Parcel:
        """One request, encoded; equal whenever and wherever it is made."""
        if batch.tick < self.ticks:
            made = self._encoded(batch.tenant, batch.signal, batch.tick, wire).at(batch.part)
            return replace(made, flags=flags) if flags else made
        items = self.slice(batch.tenant, batch.signal, batch.tick)
        own = [item for index, item in enumerate(items) if self.part_of(index, len(items)) == batch.part]
        if batch.tick == self.ticks:
            flags |= Flag.SENTINEL
        return pack_parcel(self.identity.run, self.tenants[batch.tenant], batch, own, flags, wire=wire)

    def _encoded(self, tenant: int, signal: Signal, tick: int, wire: Wire) -> _Making:
        """All requests of a slice, encoded a few at a time. The last few slices are kept."""
        key = (tenant, signal, tick, wire)
        found = self._parcels.get(key)
        if found is None:
            found = self._parcels[key] = _Making(self._encode(tenant, signal, tick, wire))
            if len(self._parcels) > _KEPT_PARCELS:
                self._parcels.popitem(last=False)
        return found

    def reported(self, tenant: int, tick: int) -> list[Part]:
        """What the instances report at the end of a tick, whole. Valid until another tick is asked for."""
        entry = self._tenants[tenant]
        return [(report, 0, entry.meter.points(report.ordinal)) for report in entry.reports.tick(tick)]

    def metric_encoder(self, tenant: int, wire: Wire) -> Callable[[Sequence[Part]], bytes]:
        """Makes a request of parts of reports."""
        entry = self._tenants[tenant]
        return entry.write.body if wire == "remote_write" else entry.metrics.body

    def _measured(self, tenant: int, tick: int, wire: Wire) -> list[Parcel]:
        """All requests of metrics of a tick: what is reported, then what has ended."""
        entry, most, found = self._tenants[tenant], self.scenario.file.delivery.max_items, list[Parcel]()

        def parcel(body: bytes, items: int, first: int, last: int, times: tuple[int, int]) -> None:
            batch = Batch(tenant, "metrics", tick, len(found))
            key = key_of(self.identity.run, batch)
            found.append(Parcel(batch, self.tenants[tenant], body, key, Flag.NONE, items, first, last, *times))

        body, number = self.metric_encoder(tenant, wire), entry.meter.number
        reported = self.reported(tenant, tick)
        for reports, items in _shared([(report, size) for report, _, size in reported], most):
            (low, a, _), (high, _, b) = reports[0], reports[-1]
            first, last = number(low.ordinal, tick, a), number(high.ordinal, tick, b - 1)
            parcel(body(reports), items, first, last, (low.time, high.time))
        mark = entry.marks.encoder(wire)
        for endings, items in _shared([(ending, ending.size) for ending in entry.endings.at(tick)], most):
            (early, a, _), (late, _, b) = endings[0], endings[-1]
            parcel(mark(endings), items, early.number + a, late.number + b - 1, (early.time, late.time))
        return found

    def _encode(self, tenant: int, signal: Signal, tick: int, wire: Wire) -> Iterator[Parcel]:
        if signal == "metrics":
            yield from self._measured(tenant, tick, wire)
            return
        requests = self._tenants[tenant].stream.tick(tick)
        told = records(requests) if signal == "logs" else None
        spans_told = requests.told
        numbers, times = (
            (requests.span_numbers[spans_told], requests.start[spans_told])
            if told is None
            else (told.number, told.time)
        )
        size = len(numbers)
        if not size:
            return
        parts = np.arange(size) * -(-size // self.scenario.file.delivery.max_items) // size
        bodies: Iterable[Body]
        if told is None:
            bodies = self.encoder.traces(tenant, requests, parts)
        elif wire == "loki":
            bodies = self.push_encoder.logs(tenant, requests, told, parts)
        else:
            bodies = self.encoder.logs(tenant, requests, told, parts)
        first = changes(parts)
        counts = lengths(first, size).tolist()
        extremes = [
            of.reduceat(values, first).tolist() for values in (numbers, times) for of in (np.minimum, np.maximum)
        ]
        for part, (body, count, *ends) in enumerate(zip(bodies, counts, *extremes, strict=True)):
            batch = Batch(tenant, signal, tick, part)
            yield Parcel(batch, self.tenants[tenant], body, key_of(self.identity.run, batch), Flag.NONE, count, *ends)

    def batches(self, tick: int) -> list[Batch]:
        """All requests of a tick, in the order of sending."""
        return [
            Batch(tenant, signal, tick, part)
            for signal in SIGNALS
            for tenant in range(len(self.tenants))
            for part in range(self.parts(tenant, signal, tick))
        ]

    def numbers(self, tenant: int, signal: Signal, tick: int) -> U64:
        """The numbers of the items of a slice, in its order, without making them."""
        entry = self._tenants[tenant]
        meter = entry.meter
        if tick == self.ticks:
            number = meter.number(0, tick, 0) if signal == "metrics" else entry.schedule.total * MAX_VISITS
            return np.array([number], np.uint64)
        if signal != "metrics":
            requests = entry.stream.tick(tick)
            return records(requests).number if signal == "logs" else requests.span_numbers[requests.told]
        reported = [
            np.arange(meter.points(ordinal), dtype=np.uint64) + np.uint64(meter.number(ordinal, tick, 0))
            for ordinal in meter.reporting(tick)
        ]
        for ending in entry.endings.at(tick):
            reported.append(np.arange(ending.size, dtype=np.uint64) + np.uint64(ending.number))
        return np.concatenate(reported) if reported else np.zeros(0, np.uint64)

    def ticks_of(self, tenant: int, signal: Signal, numbers: U64) -> Integers:
        """The tick whose slice holds each of these items; -1 where the plan has none."""
        if signal == "metrics":
            ticks = (numbers // np.uint64(MAX_SERIES * MAX_INSTANCES)).astype(np.int64)
            return np.where(ticks <= self.ticks, ticks, -1)
        requests = (numbers // np.uint64(MAX_VISITS)).astype(np.int64)
        before = self._before[tenant]
        return np.where(requests <= before[-1], np.searchsorted(before, requests, side="right") - 1, -1)

    def sample_number(
        self, instance_id: str, name: str, attributes: dict[str, object], time: int, sight: Sight = WHOLE
    ) -> tuple[int, int] | None:
        """(tenant, number) of the sample that a stored one claims to be; None when the run has no such instance, series
        or time. Metric samples carry no id of their own: series and time are their identity.

        sight: how the store shows it; where it keeps labels, `attributes` are those.
        """
        found = self._instances.get(instance_id)
        if found is None:
            return None
        tenant, ordinal = found
        meter = self._tenants[tenant].meter
        if time == sight.time(self.end_ns + _SENTINEL_DELAY_NS) and name == "testbed.sentinel" and ordinal == 0:
            return tenant, meter.number(0, self.ticks, 0)
        tick = (time + sight.resolution_ns - 1 - self.start_ns) // self.tick_ns - 1
        if not 0 <= tick < self.ticks or sight.time(meter.time(ordinal, tick)) != time:
            return None
        if meter.reports(ordinal, tick):
            index = self._series_index(tenant, ordinal, tick, name, attributes, labelled=sight.labels)
            if index is not None:
                return tenant, meter.number(ordinal, tick, index)
        # No store shows a marker: this one has made something of it.
        found_at = self._tenants[tenant].endings.find(ordinal, tick, name, attributes, labelled=sight.labels)
        return None if found_at is None else (tenant, found_at)

    def _series_index(
        self, tenant: int, ordinal: int, tick: int, name: str, attributes: dict[str, object], *, labelled: bool
    ) -> int | None:
        """As `Meter.find`; kept, where it does not depend on the tick: a store shows a series as often as there are ticks."""
        meter = self._tenants[tenant].meter
        try:
            key = (tenant, ordinal, labelled, name, *attributes.items())
            if key in self._found:
                return self._found[key]
        except TypeError:  # no attribute of ours is a list
            return None
        index = meter.find(ordinal, tick, name, attributes, labelled=labelled)
        if name != FILLER:
            if len(self._found) >= _KEPT_SERIES:
                self._found.clear()
            self._found[key] = index
        return index

    def _make(self, tenant: int, signal: Signal, tick: int) -> list[Item]:
        entry = self._tenants[tenant]
        if tick == self.ticks:
            return [self._sentinel(tenant, signal)]
        if signal == "metrics":
            return [*entry.meter.samples(tick), *entry.endings.markers(tick)]
        requests = entry.stream.tick(tick)
        if signal == "traces":
            return [*spans(requests, self.identity, tenant, entry.fleet)]
        return [*logs(requests, self.identity, tenant, entry.fleet, self.scenario.file.logs.mix)]

    def _sentinel(self, tenant: int, signal: Signal) -> Item:
        entry = self._tenants[tenant]
        resource, time = entry.fleet[0], self.end_ns + _SENTINEL_DELAY_NS
        request = entry.schedule.total
        number = request * MAX_VISITS
        trace_id = self.identity.trace_id(tenant, request)
        span_id = self.identity.span_id(tenant, number)
        if signal == "traces":
            return Span(
                number, resource, trace_id, span_id, b"", "testbed.sentinel", INTERNAL, time - _SENTINEL_DELAY_NS, time,
                0, "", {"app.run.ticks": self.ticks}, (),
            )  # fmt: skip
        if signal == "logs":
            attributes = {ITEM_ATTRIBUTE: self.identity.log_id(tenant, number)}
            body = "last record of this run"
            return LogRecord(number, resource, time, 9, "INFO", body, trace_id, span_id, attributes)
        number = entry.meter.number(0, self.ticks, 0)
        value = derive(self.seed, self.tenants[tenant], "sentinel") >> 24
        return Sample(number, resource, "testbed.sentinel", "1", "gauge", 0, time, value, {})


def _shared(told: Sequence[tuple[_Told, int]], most: int) -> Iterator[tuple[list[tuple[_Told, int, int]], int]]:
    """(what each request has of these, number of its items): (one, a, b) are its items a to b. told: each with its size."""
    total = sum(size for _, size in told)
    requests, first = -(-total // most), 0
    for part in range(requests):
        # The first index of the next part: index * parts // items, turned round.
        end = -(-(part + 1) * total // requests)
        inside: list[tuple[_Told, int, int]] = []
        before = 0
        for one, size in told:
            a, b = max(first - before, 0), min(end - before, size)
            if a < b:
                inside.append((one, a, b))
            before += size
        yield inside, end - first
        first = end


def _skews(file: ScenarioFile, seed: int, tenant: str, staff: Roster) -> tuple[int, ...]:
    most_ns = round(file.traces.skew * 1e9)
    return tuple(skews(seed, tenant, len(staff.members), most_ns)) if most_ns else ()


def _long(file: ScenarioFile) -> Long | None:
    long = file.traces.long
    return None if long is None else Long(round(long.every / file.tick), round(long.lasts / file.tick), long.share)
