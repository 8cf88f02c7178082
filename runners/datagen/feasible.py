"""What no machine can make, or nobody can have meant: said before a run begins, with the line that asks for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from runners.datagen.clock import MOST_TICKS, schedule
from runners.datagen.scenario import Scenario

MOST_REQUESTS = 200_000
"""In one tick of one tenant; all columns of so many take about a gigabyte."""
MOST_TOTAL = 1 << 37
"""Requests of a tenant: their numbers have so many bits."""
_QUICK_TICKS = 100_000


def check_early(scenario: Scenario, seed: int, duration_s: float | None, start_ns: int) -> None:
    """What can be told at once of both. Raises FileError."""
    check_length(scenario, duration_s)
    ticks = (duration_s or scenario.file.duration) / scenario.file.tick
    if ticks * len(scenario.tenants) <= _QUICK_TICKS:
        for tenant in range(len(scenario.tenants)):
            check_rate(scenario, tenant, schedule(scenario.file, tenant, start_ns, duration_s, seed).cumulative)


def check_length(scenario: Scenario, duration_s: float | None) -> None:
    """Raises FileError when the run has more ticks than can be planned. duration_s: instead of the scenario's own."""
    lasts_s, tick_s = duration_s or scenario.file.duration, scenario.file.tick
    if (ticks := lasts_s / tick_s) > MOST_TICKS:
        raise scenario.document.error(
            f"a run of {lasts_s:,.0f} s has {ticks:,.0f} ticks of {tick_s:g} s; {MOST_TICKS:,} can be planned",
            ("duration",) if duration_s is None else ("tick",), f"have a shorter run, or a tick of {math.ceil(lasts_s / MOST_TICKS)}s or longer",
        )  # fmt: skip


def check_rate(scenario: Scenario, tenant: int, cumulative: Sequence[int]) -> None:
    """Raises FileError when a tick has more requests than can be made at once. cumulative: of the tenant's schedule."""
    most, tick = max(
        ((after - before, tick) for tick, (before, after) in enumerate(pairwise(cumulative))), default=(0, 0)
    )
    if most <= MOST_REQUESTS and cumulative[-1] <= MOST_TOTAL:
        return
    tick_s, name = scenario.file.tick, scenario.tenants[tenant]
    asked = "volume" if scenario.file.load.requests is None else "requests"
    shorter = tick_s * MOST_REQUESTS / max(1, most)
    remedy = f"ask for less, or write tick: {math.floor(shorter * 10) / 10:g}s" if shorter >= 0.1 else "ask for less"
    raise scenario.document.error(
        f"tenant '{name}' would make {most:,} requests in the tick at {tick * tick_s:g} s; {MOST_REQUESTS:,} can be made at once",
        ("load", asked), remedy,
    )  # fmt: skip
