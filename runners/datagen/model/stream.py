"""The one simulated stream of requests of a tenant.

Request number n is a pure function of (seed, tenant, n) and of the schedule, so any part of the stream can be made
alone and in any order. All requests of a tick are computed at once, in columns; arithmetic is on integers: the same bytes
on every machine.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache

import numpy as np

from runners.datagen.anomaly import NEUTRAL, Effects
from runners.datagen.clock import Schedule
from runners.datagen.model.fields import CLIENTS, PRODUCTS, USERS, VARIANTS, pick
from runners.datagen.model.long_traces import LongTraces
from runners.datagen.model.outcomes import Outcomes
from runners.datagen.model.requests import Integers, Requests
from runners.datagen.model.roster import Roster
from runners.datagen.model.shapes import MAX_VISITS
from runners.datagen.model.tables import tables
from runners.datagen.model.telling import Habits, count_logs, thinned
from runners.datagen.model.timing import own_times, visit_times
from runners.datagen.model.weather import Weather
from runners.datagen.shop import SERVICES
from runners.ledger.identity import derive
from runners.ledger.mixing import U64, draw

NONE = Effects((), "", 1)
"""No anomaly."""

_LEAD_NS = 1_000_000
_MOMENT_BITS = 26  # times a tick of a minute, in nanoseconds, is less than 2^63
_KEPT_TICKS = 6


class Stream:
    """All requests of one tenant."""

    def __init__(
        self, seed: int, tenant: str, schedule: Schedule, *, errors: float, roster: Roster, effects: Effects = NONE,
        habits: Habits | None = None,
    ) -> None:  # fmt: skip
        """errors: share of requests that fail, bursts included; effects: of anomalies."""
        self.schedule = schedule
        self._keys = keys = [derive(seed, "requests", tenant, use) for use in range(8)]
        self._roster, self._tables, self._effects = roster, tables(), effects
        self._habits = habits or Habits()
        self._thinned = effects.may_be_silent or self._habits.thin
        self._logs_of = lru_cache(maxsize=4096)(lambda tick: count_logs(self.tick(tick)))
        weather = Weather(seed, tenant, len(SERVICES))
        self._outcomes = Outcomes(keys[0], keys[6], weather, errors=errors, effects=effects)
        long = self._habits.long
        self._long = None if long is None else LongTraces(long, schedule, keys[7] ^ 2)
        self._ticks: OrderedDict[int, Requests] = OrderedDict()
        self._shaped = -1, np.zeros(0, np.int64)

    def shapes(self, tick: int) -> Integers:
        """(R,) the shape of each request of a tick: cheap, for counting."""
        kept = self._shaped  # whoever counts a tick makes it next
        if kept[0] != tick:
            kept = self._shaped = tick, self._outcomes.shapes(tick, self._numbers(tick))
        return kept[1]

    def spans(self, tick: int) -> int:
        """Number of spans of a tick."""
        if self._thinned:
            found = self.tick(tick)
            return len(found.start[found.told])
        return int(self._tables.visits[self.shapes(tick)].sum())

    def logs(self, tick: int) -> int:
        """Number of log records of a tick."""
        return self._logs_of(tick) if self._thinned else int(self._tables.logs[self.shapes(tick)].sum())

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
        own = own_times(of, row, chance)
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
        begins, ends = visit_times(of, shape, request, row, first, own=own)
        last = self._ends(tick, numbers)
        latest = np.maximum.reduceat(ends, first) if count else ends
        shift = (last - latest)[request]

        a, b = draw(self._keys[4], numbers), draw(self._keys[5], numbers)
        pool = {"user": pick(a, 0, USERS), "product": pick(a, 16, PRODUCTS), "client": pick(a, 32, CLIENTS)}
        begins, ends = begins + shift, ends + shift
        job = None if self._long is None else self._long.jobs(tick, numbers)
        if self._long is not None and job is not None:
            self._long.enclose(tick, numbers, first, (begins, ends), int(last[-1]))
        if self._habits.skews:
            skew = np.array(self._habits.skews, np.int64)[instance]
            begins, ends = begins + skew, ends + skew
        found = Requests(
            of, numbers, shape, pick(a, 48, VARIANTS), pool, b, request, row, instance, begins, ends, first,
            self._novelty(tick), asides=self._habits.asides, job=job,
        )  # fmt: skip
        return thinned(found, self._habits, self._roster.mute(tick), self._keys[7]) if self._thinned else found

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
