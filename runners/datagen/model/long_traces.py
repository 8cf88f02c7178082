"""Long traces: what a job sets off for a while is all one trace, below the request that ends last."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from runners.datagen.clock import Schedule
from runners.datagen.model.requests import Integers
from runners.ledger.mixing import CHANCES, U64, chance

_PREPARES_NS = 30 * 10**9


class Long(NamedTuple):
    """Every so many ticks, for so many, that share of the requests is one trace."""

    every: int
    lasts: int
    share: float

    def begins(self, tick: int) -> int | None:
        """The first tick of the trace that is under way in this one."""
        first = tick // self.every * self.every
        return first if tick - first < self.lasts else None


class LongTraces:
    """Those of one tenant."""

    def __init__(self, long: Long, schedule: Schedule, key: int) -> None:
        """key: of the draws."""
        self._long, self._schedule, self._key = long, schedule, key

    def jobs(self, tick: int, numbers: U64) -> U64 | None:
        """By request, whose trace it is in; None when no long one is under way. The last request of its time is the root
        of all: so the root comes late, as that of a job does."""
        first = self._long.begins(tick)
        if first is None or not len(numbers):
            return None
        inside = chance(self._key, numbers) < round(self._long.share * CHANCES)
        return np.where(inside, np.uint64(self._root(first)), numbers)

    def enclose(self, tick: int, numbers: U64, first: Integers, times: tuple[Integers, Integers], ended: int) -> None:
        """The root of a long trace lasts from before its first request until after its last; others stay as they are.
        times: begins and ends of all visits, changed here; ended: when the last request of the tick did."""
        if (started := self._long.begins(tick)) is None:
            return
        head = len(numbers) - 1
        if int(numbers[head]) == self._root(started):
            begins, ends = times
            begins[first[head]], ends[first[head]] = self._schedule.begins(started) - _PREPARES_NS, ended

    def _root(self, started: int) -> int:
        """The number of the last request of a long trace's time."""
        return self._schedule.cumulative[min(started + self._long.lasts, self._schedule.ticks)] - 1
