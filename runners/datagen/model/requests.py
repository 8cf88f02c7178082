"""The one simulated stream of requests of a tenant; spans, log records and metrics are projections of it.

Request number n is a pure function of (seed, tenant, n) and of the schedule, so any part of the stream can be made
alone and in any order. All requests of a tick are computed at once, in columns; arithmetic is on integers: the same bytes
on every machine.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from math import exp
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runners.datagen.anomaly import NEUTRAL, Effects
from runners.datagen.clock import Schedule
from runners.datagen.model.fields import (
    CLIENTS,
    FEW_VARIANTS,
    PRODUCTS,
    USERS,
    VARIANTS,
    ZIPF_BITS,
    pools,
    variants,
    zipf,
)
from runners.datagen.model.roster import Roster
from runners.datagen.model.shapes import MAX_VISITS, Visit
from runners.datagen.model.tables import ROUTE_BITS, Small, Tables, tables
from runners.datagen.model.weather import Weather
from runners.datagen.topology import SERVICES
from runners.ledger.identity import derive
from runners.ledger.mixing import U64, draw

Integers = npt.NDArray[np.int64]
TRACE_SHIFT = 38
"""The number of a trace is its request's, with the number of the trace within the request from this bit on."""

NONE = Effects((), "", 1)
"""No anomaly."""

_LEAD_NS = 1_000_000
_MASK = (1 << 64) - 1
_QUEUE_NS = 1_800
_PREPARES_NS = 30 * 10**9
_LATENCY_BITS = 10
_MOMENT_BITS = 26  # times a tick of a minute, in nanoseconds, is less than 2^63
_SICK_SHARE, _SICK_FACTOR, _MOST_SICK = 0.15, 10.0, 0.5
_RETRY_SHARE = 0.004
_KEPT_TICKS = 6
_U32, _WHOLE = np.uint64(32), 1 << 32


@dataclass(frozen=True, eq=False)
class Requests:
    """The requests that end in one tick, by end.

    By request (R): number, shape, variant, user, product, client (indexes into the pools), order (any 64 bits).
    By visit (V), request by request and in the order of the shape: request (index), row (of the tables), instance
    (ordinal in the fleet), start, end (Unix nanoseconds). By request: first (index of its first visit).
    novelty: by service, the share of 2^32 of log records that are of a new pattern; None: of no service. heard: indexes of
    the visits of which a span is told, None: of all; mute: by service, 1 where it writes no records; terse: by request, are
    its debug records left out? asides: do remarks stand among the records? job: by request, the
    number of the request whose trace it is in, and below whose root: its own for most; None: for all.
    """

    tables: Tables
    number: U64
    shape: Integers
    variant: Integers
    pool: Mapping[str, Integers]
    order: U64
    request: Integers
    row: Integers
    instance: Integers
    start: Integers
    end: Integers
    first: Integers
    novelty: Integers | None = None
    heard: Integers | None = None
    mute: Integers | None = None
    terse: npt.NDArray[np.bool_] | None = None
    asides: bool = False
    job: U64 | None = None

    @property
    def base(self) -> U64:
        """(R,) the number of the trace of each request."""
        return self.number if self.job is None else self.job

    @property
    def nested(self) -> npt.NDArray[np.bool_]:
        """(V,) is this the root of a request, and yet within another's?"""
        if self.job is None:
            return np.zeros(len(self.row), bool)
        found = np.zeros(len(self.row), bool)
        found[self.first] = self.job != self.number
        return found

    @property
    def told(self) -> Integers | slice:
        """Which visits are told as spans, to be used as an index. What is not told is not counted by metrics either."""
        return slice(None) if self.heard is None else self.heard

    def __len__(self) -> int:
        return len(self.number)

    @cached_property
    def span_numbers(self) -> U64:
        """(V,) numbers of the spans."""
        position = self.tables.position[self.row].astype(np.uint64)
        return self.number[self.request] * np.uint64(MAX_VISITS) + position

    @cached_property
    def trace_numbers(self) -> U64:
        """(V,) numbers of the traces."""
        later = self.tables.trace[self.row].astype(np.uint64) << np.uint64(TRACE_SHIFT)
        return self.base[self.request] | later

    @property
    def span_class(self) -> Integers:
        """(V,) index into `tables.classes` of what metrics count a span under."""
        return self.tables.span_class[self.row]

    def fields(self, request: int) -> Fields:
        """The texts of the request at this index."""
        variant = int(self.variant[request])
        found: dict[str, str] = {}
        for name, texts in pools().items():
            found[name] = texts[int(self.pool[name][request])]
        found["order"] = f"{int(self.order[request]):016x}"
        return Fields({**variants()[variant], **found}, {**variants()[variant % FEW_VARIANTS], **found})


class Habits(NamedTuple):
    """How a shop tells what happens. orphans: share of the spans that get lost before they are told; debug: share of the
    requests whose debug records are written, None for all; skews: by ordinal of the instance, nanoseconds by which its
    host's clock is fast, none of them: all are right; asides: remarks among the records; long: of traces."""

    orphans: float = 0.0
    debug: float | None = None
    skews: tuple[int, ...] = ()
    asides: bool = False
    long: Long | None = None


class Long(NamedTuple):
    """Long traces: every so many ticks, for so many, that share of the requests is one trace."""

    every: int
    lasts: int
    share: float

    def begins(self, tick: int) -> int | None:
        """The first tick of the trace that is under way in this one."""
        first = tick // self.every * self.every
        return first if tick - first < self.lasts else None


class Fields(NamedTuple):
    """The texts of a request, for visits that went well and for failed ones."""

    well: Mapping[str, str]
    failed: Mapping[str, str]

    def of(self, visit: Visit) -> Mapping[str, str]:
        return self.failed if visit.error else self.well


class Stream:
    """All requests of one tenant."""

    def __init__(
        self, seed: int, tenant: str, schedule: Schedule, *, errors: float, roster: Roster, effects: Effects = NONE,
        habits: Habits | None = None,
    ) -> None:  # fmt: skip
        """errors: share of requests that fail, bursts included; effects: of anomalies."""
        self.schedule = schedule
        self._keys = [derive(seed, "requests", tenant, use) for use in range(8)]
        self._roster, self._tables, self._effects = roster, tables(), effects
        self._habits = habits or Habits()
        self._thinned = effects.may_be_silent or self._habits.orphans > 0 or self._habits.debug is not None
        self._logs_of = lru_cache(maxsize=4096)(self._count_logs)
        self._weather = Weather(seed, tenant, len(SERVICES))
        self._always = round(errors * (1 - _SICK_SHARE) * (1 << 32))
        self._sick = round(min(_MOST_SICK, errors * _SICK_FACTOR) * (1 << 32))
        self._ticks: OrderedDict[int, Requests] = OrderedDict()
        self._shaped = -1, np.zeros(0, np.int64)

    def shapes(self, tick: int) -> Integers:
        """(R,) the shape of each request of a tick: cheap, for counting."""
        kept = self._shaped  # whoever counts a tick makes it next
        if kept[0] != tick:
            kept = self._shaped = tick, self._shapes(tick)
        return kept[1]

    def _shapes(self, tick: int) -> Integers:
        numbers = self._numbers(tick)
        bits = draw(self._keys[0], numbers)
        route = self._tables.routes[(bits & np.uint64((1 << ROUTE_BITS) - 1)).astype(np.int64)]
        choice = (bits >> np.uint64(ROUTE_BITS) & np.uint64(0x3FFFFF)).astype(np.int64)
        chance = (bits >> _U32).astype(np.int64)
        found = np.array(self._tables.well, np.int64)[route]
        fails = chance < self._always
        ill = self._weather.ill(tick)
        sick = ~fails & (chance < self._always + self._sick) if ill >= 0 else np.zeros(len(fails), bool)
        again = chance >= (1 << 32) - round(_RETRY_SHARE * (1 << 32))
        for which, lists in (
            (again & ~fails & ~sick, self._tables.retrying),
            (fails, self._tables.failing),
            (sick, [of[ill] for of in self._tables.victims] if ill >= 0 else []),
        ):
            # Few of many: their choices are looked up one by one.
            for index in np.flatnonzero(which).tolist():
                if options := lists[route[index]]:
                    found[index] = options[choice[index] % len(options)]
        return found if self._effects.none else self._struck(tick, numbers, route, found)

    def _struck(self, tick: int, numbers: U64, route: Integers, shapes: Integers) -> Integers:
        """The shapes after what anomalies do to them: further requests fail at a service."""
        for service, share in enumerate(self._effects.errors(each.name, tick) for each in SERVICES):
            if share:
                bits = draw(self._keys[6] + service & _MASK, numbers)
                for index in np.flatnonzero((bits >> _U32).astype(np.int64) < share).tolist():
                    if options := self._tables.victims[route[index]][service]:
                        shapes[index] = options[int(bits[index]) % len(options)]
        return shapes

    def spans(self, tick: int) -> int:
        """Number of spans of a tick."""
        if self._thinned:
            found = self.tick(tick)
            return len(found.start[found.told])
        return int(self._tables.visits[self.shapes(tick)].sum())

    def logs(self, tick: int) -> int:
        """Number of log records of a tick."""
        return self._logs_of(tick) if self._thinned else int(self._tables.logs[self.shapes(tick)].sum())

    def _count_logs(self, tick: int) -> int:
        found = self.tick(tick)
        lines = found.tables.lines[found.row]
        if found.mute is not None:
            lines = lines * (1 - found.mute[found.tables.service[found.row]])
        if found.terse is not None:
            lines = lines - found.tables.debugs[found.row] * (lines > 0) * found.terse[found.request]
        return int(lines.sum())

    def tick(self, tick: int) -> Requests:
        """The requests that end in a tick, by end. The last few ticks asked for are kept."""
        found = self._ticks.get(tick)
        if found is None:
            found = self._ticks[tick] = self._simulate(tick)
            if len(self._ticks) > _KEPT_TICKS:
                self._ticks.popitem(last=False)
        return found

    def _numbers(self, tick: int) -> U64:
        numbers = self.schedule.requests(tick)
        return np.arange(numbers.start, numbers.stop, dtype=np.uint64)

    def _simulate(self, tick: int) -> Requests:
        of, numbers, shape = self._tables, self._numbers(tick), self.shapes(tick)
        count = len(numbers)
        visits = of.visits[shape]
        first = np.cumsum(visits) - visits
        request = np.repeat(np.arange(count), visits)
        row = np.arange(len(request)) - np.repeat(first - of.first_row[shape], visits)
        owned = numbers[request]

        position = of.position[row].astype(np.uint64)
        chance = draw(self._keys[2], owned * np.uint64(MAX_VISITS) + position)
        latency = _latency()[(chance & np.uint64((1 << _LATENCY_BITS) - 1)).astype(np.int64)]
        own = of.own_us[row] * np.where(of.fixed[row] > 0, 1000, latency)  # µs · thousandths = ns
        if not self._effects.none:
            slower = [self._effects.latency(service.name, tick) for service in SERVICES]
            own = own * np.array(slower, np.int64)[of.service[row]] // NEUTRAL
        service = of.service[row].astype(np.uint64)
        turn = draw(self._keys[1], owned << np.uint64(5) | service) >> np.uint64(40)
        per = self._roster.instances
        turn -= (
            turn // np.uint64(per) * np.uint64(per)
        )  # the remainder: numpy divides by one number much faster than it takes that
        instance = of.service[row] * per + turn.view(np.int64)
        if not self._roster.steady:
            instance = self._roster.current(tick)[instance]
            if (releases := self._roster.slower(tick)) is not None:
                own = own * releases[instance] // NEUTRAL
        begins, ends = self._times(shape, request, row, first, own)
        last = self._ends(tick, numbers)
        latest = np.maximum.reduceat(ends, first) if count else ends
        shift = (last - latest)[request]

        a, b = draw(self._keys[4], numbers), draw(self._keys[5], numbers)
        pool = {"user": _pick(a, 0, USERS), "product": _pick(a, 16, PRODUCTS), "client": _pick(a, 32, CLIENTS)}
        begins, ends = begins + shift, ends + shift
        job = None if self._habits.long is None else self._jobs(tick, self._habits.long, numbers)
        if job is not None:
            self._enclose(tick, numbers, first, (begins, ends), int(last[-1]))
        if self._habits.skews:
            skew = np.array(self._habits.skews, np.int64)[instance]
            begins, ends = begins + skew, ends + skew
        found = Requests(
            of, numbers, shape, _pick(a, 48, VARIANTS), pool, b, request, row, instance, begins, ends, first,
            self._novelty(tick), asides=self._habits.asides, job=job,
        )  # fmt: skip
        return self._thin(tick, found) if self._thinned else found

    def _jobs(self, tick: int, long: Long, numbers: U64) -> U64 | None:
        """By request, whose trace it is in; None when no long one is under way. The last request of its time is the root
        of all: so the root comes late, as that of a job does."""
        first = long.begins(tick)
        if first is None or not len(numbers):
            return None
        inside = _chance(self._keys[7] ^ 2, numbers) < round(long.share * _WHOLE)
        return np.where(inside, np.uint64(self._root(long, first)), numbers)

    def _enclose(self, tick: int, numbers: U64, first: Integers, times: tuple[Integers, Integers], ended: int) -> None:
        """The root of a long trace lasts from before its first request until after its last; others stay as they are.
        times: begins and ends of all visits, changed here; ended: when the last request of the tick did."""
        long = self._habits.long
        if long is None or (started := long.begins(tick)) is None:
            return
        head = len(numbers) - 1
        if int(numbers[head]) == self._root(long, started):
            begins, ends = times
            begins[first[head]], ends[first[head]] = self.schedule.begins(started) - _PREPARES_NS, ended

    def _root(self, long: Long, started: int) -> int:
        """The number of the last request of a long trace's time."""
        return self.schedule.cumulative[min(started + long.lasts, self.schedule.ticks)] - 1

    def _thin(self, tick: int, found: Requests) -> Requests:
        """Without what nobody hears of."""
        mute, habits, terse = self._roster.mute(tick), self._habits, None
        heard = np.ones(len(found.row), bool)
        if mute is not None:
            heard &= mute[found.tables.service[found.row]] == 0
        if habits.orphans:
            heard &= _chance(self._keys[7], found.span_numbers) >= round(habits.orphans * _WHOLE)
        if habits.debug is not None:
            terse = _chance(self._keys[7] ^ 1, found.number) >= round(habits.debug * _WHOLE)
        return replace(found, heard=None if heard.all() else np.flatnonzero(heard), mute=mute, terse=terse)

    def _ends(self, tick: int, numbers: U64) -> Integers:
        """When each request ends, ascending. Nothing ends in the first millisecond of a tick, where the samples that count
        the tick before lie."""
        bits, room = draw(self._keys[3], numbers), self.schedule.tick_ns - _LEAD_NS
        begins = self.schedule.begins(tick) + _LEAD_NS
        if self.schedule.random:  # a Poisson process, given how many there are
            return (np.sort(bits >> np.uint64(64 - _MOMENT_BITS)).astype(np.int64) * room >> _MOMENT_BITS) + begins
        # One in each n-th part of the tick: even, yet not regular.
        slots, jitter = max(1, len(numbers)), (bits >> np.uint64(48)).astype(np.int64)
        return room * np.arange(len(numbers)) // slots + (room // slots * jitter >> 16) + begins

    def _novelty(self, tick: int) -> Integers | None:
        shares = [0 if self._effects.none else self._effects.novelty(service.name, tick) for service in SERVICES]
        return np.array(shares, np.int64) if any(shares) else None

    def _times(
        self, shape: Integers, request: Integers, row: Integers, first: Integers, own: Integers
    ) -> tuple[Integers, Integers]:
        """(start, end) of each visit in nanoseconds since its request began, level by level of the tree of calls.

        The children of a visit begin after three eighths of its own time, stage by stage; those of one stage begin
        together, and the longest of them decides how long the stage takes.
        """
        of = self._tables
        stages = of.stages[shape]
        stage_first = np.cumsum(stages) - stages
        stage_request = np.repeat(np.arange(len(shape)), stages)
        stage_row = np.arange(len(stage_request)) - np.repeat(stage_first - of.first_stage[shape], stages)
        above = first[stage_request] + of.stage_parent[stage_row]  # the visit that a stage belongs to
        level = of.level[row]
        parent = first[request] + of.parent[row]
        within = stage_first[request] + of.stage[row]
        by_level, stages_by_level = _by_value(level, of.levels), _by_value(level[above], of.levels)
        lag = own * 3 >> 3  # three eighths

        total = own.copy()
        takes = np.zeros(len(stage_row), np.int64)
        for depth in range(of.levels - 1, 0, -1):
            here = by_level[depth]
            if not len(here):
                continue
            np.maximum.at(takes, within[here], total[here])
            done = stages_by_level[depth - 1]
            np.add.at(total, above[done], takes[done])

        before = np.cumsum(takes) - takes
        wait = before - before[stage_first[stage_request] + of.stage_before[stage_row]]
        start = np.zeros(len(row), np.int64)
        for here in by_level[1:]:
            caller = parent[here]
            start[here] = start[caller] + lag[caller] + wait[within[here]]
        if len(later := np.flatnonzero(trace := of.trace[row])):
            # What is caused by a message begins when that was sent and had waited in the queue for a while.
            traces, sent_by = trace[later], of.link[row[later]]
            for number in range(1, int(traces.max()) + 1):
                members = later[traces == number]
                roots = later[(traces == number) & (sent_by >= 0)]
                cause = first[request[roots]] + of.link[row[roots]]
                offset = np.zeros(len(first), np.int64)
                offset[request[roots]] = start[cause] + total[cause] + (own[roots] % 1_000 + 1_000) * _QUEUE_NS
                start[members] += offset[request[members]]
        return start, start + total


def _chance(key: int, numbers: U64) -> Integers:
    """Even draws of 2^32."""
    return (draw(key, numbers) >> _U32).astype(np.int64)


def _by_value(values: Small, end: int) -> list[Integers]:
    """For each value below end, where it stands, in order."""
    ends = np.cumsum(np.bincount(values, minlength=end)).tolist()
    order = np.argsort(values, kind="stable")
    return [order[begin:until] for begin, until in pairwise([0, *ends])]


def _pick(bits: U64, shift: int, n: int) -> Integers:
    """Zipf draws from 0..n-1, by 16 bits of each."""
    return zipf(n)[(bits >> np.uint64(shift) & np.uint64((1 << ZIPF_BITS) - 1)).astype(np.int64)]


@lru_cache(maxsize=1)
def _latency() -> Integers:
    """1024 quantiles of a lognormal with sigma 0.55 and a Pareto tail (alpha 1.6) for the top 1 %, in thousandths.

    Whole numbers from a table: libm may differ in the last bit between machines, a rounded quantile does not.
    """
    normal = NormalDist()
    table = []
    for step in range(1 << _LATENCY_BITS):
        quantile = (step + 0.5) / (1 << _LATENCY_BITS)
        value = exp(0.55 * normal.inv_cdf(min(quantile, 0.99)))
        if quantile > 0.99:
            value *= min(12.0, ((1 - 0.99) / (1 - quantile)) ** (1 / 1.6))
        table.append(round(value * 1000))
    return np.array(table, np.int64)
