"""The schedule: exactly how many requests of a tenant end in each tick, in integers, from the load curve."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

from runners.datagen.anomaly import NEUTRAL, Effects
from runners.datagen.arrivals import poisson
from runners.datagen.rhythm import MONDAY_S, busy, local_week_s
from runners.datagen.scenario import Load, ScenarioFile
from runners.ledger.identity import derive
from runners.lib.errors import FileError

MOST_TICKS = 3_000_000
"""A month of seconds. What a schedule knows of each is held in memory."""
_MICRO = 1_000_000


@dataclass(frozen=True)
class Schedule:
    """cumulative[k]: requests that ended before tick k began; it has one entry more than there are ticks.

    effects: what anomalies do to the tenant meanwhile; those on its rate are in `cumulative` already. random: do requests
    come as a Poisson process within a tick, too?
    """

    start_ns: int
    tick_ns: int
    cumulative: tuple[int, ...]
    effects: Effects = field(default=Effects((), "", 1), compare=False)
    random: bool = False

    @property
    def ticks(self) -> int:
        return len(self.cumulative) - 1

    @property
    def total(self) -> int:
        return self.cumulative[-1]

    @property
    def end_ns(self) -> int:
        return self.begins(self.ticks)

    def begins(self, tick: int) -> int:
        """Unix nanoseconds at which the tick begins; its batches are due when the next one does."""
        return self.start_ns + tick * self.tick_ns

    def requests(self, tick: int) -> range:
        """Numbers of the requests that end in this tick."""
        return range(self.cumulative[tick], self.cumulative[tick + 1])

    def tick_of(self, request: int) -> int | None:
        """The tick in which the request with this number ends; None when it is not in the plan."""
        if not 0 <= request < self.total:
            return None
        return bisect_right(self.cumulative, request) - 1


def schedule(
    file: ScenarioFile, tenant: int, start_ns: int, duration_s: float | None = None, seed: int = 0
) -> Schedule:
    """The schedule of one tenant. Rates become whole requests by carrying the remainder, so none is lost to rounding; or
    by chance, where the scenario says so: seed decides. Raises FileError for a run of too many ticks."""
    tick_ns = round(file.tick * 1e9)
    ticks = max(1, math.ceil(round((duration_s or file.duration) / file.tick, 6)))
    if ticks > MOST_TICKS:
        raise FileError(
            f"{ticks:,} ticks are more than one run may have ({MOST_TICKS:,})",
            remedy=f"have a shorter run, or a tick of {math.ceil(ticks * file.tick / MOST_TICKS)}s or longer",
        )
    weights = sum(item.weight for item in file.tenants)
    mine = file.tenants[tenant]
    per_tick = file.load.rate * file.tick * mine.weight / weights
    effects = Effects([one.anomaly for one in file.anomalies], mine.id, tick_ns)
    random, key = file.load.arrivals == "random", derive(seed, "arrivals", mine.id)
    carried, cumulative = 0, [0]
    for tick in range(ticks):
        micro = round(per_tick * _factor(file.load, tick * file.tick) * _MICRO)
        if mine.rhythm != "flat":
            micro = micro * busy(mine.rhythm, _week_s(file, tenant, start_ns, tick * tick_ns)) // NEUTRAL
        if not effects.none:
            micro = micro * effects.rate(tick) // NEUTRAL
        if random:
            micro = poisson(micro, derive(key, tick)) * _MICRO
        carried += micro
        cumulative.append(carried // _MICRO)
    return Schedule(start_ns, tick_ns, tuple(cumulative), effects, random)


def _week_s(file: ScenarioFile, tenant: int, start_ns: int, after_ns: int) -> int:
    """What the tenant's clocks show, as a second of the week, that long after the start."""
    begins, speed = file.clock.begins, round(file.clock.speed * 1000)
    start_s = start_ns // 1_000_000_000 if begins is None else MONDAY_S + begins
    return local_week_s(start_s + after_ns * speed // 1_000_000_000_000, file.tenants[tenant].zone)


def _factor(load: Load, at_s: float) -> float:
    factor = 1 + load.wave.amplitude * math.sin(2 * math.pi * at_s / load.wave.period)
    for spike in load.spikes:
        if spike.at <= at_s < spike.at + spike.lasts:
            factor *= spike.factor
    return factor
