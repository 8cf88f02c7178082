"""How long each visit of a request takes by itself, and when it therefore begins and ends."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import exp
from statistics import NormalDist

import numpy as np

from runners.datagen.model.requests import Integers
from runners.datagen.model.tables import Small, Tables
from runners.ledger.mixing import U64

_QUEUE_NS = 1_800
_LATENCY_BITS = 10


def own_times(of: Tables, row: Integers, chance: U64) -> Integers:
    """(V,) what each visit takes without its calls, in nanoseconds. chance: its draw."""
    latency = _latency()[(chance & np.uint64((1 << _LATENCY_BITS) - 1)).astype(np.int64)]
    return of.own_us[row] * np.where(of.fixed[row] > 0, 1000, latency)  # µs · thousandths = ns


def visit_times(
    of: Tables, shape: Integers, request: Integers, row: Integers, first: Integers, *, own: Integers
) -> tuple[Integers, Integers]:
    """(start, end) of each visit in nanoseconds since its request began, level by level of the tree of calls.

    The children of a visit begin after three eighths of its own time, stage by stage; those of one stage begin
    together, and the longest of them decides how long the stage takes.
    """
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


def _by_value(values: Small, end: int) -> list[Integers]:
    """For each value below end, where it stands, in order."""
    ends = np.cumsum(np.bincount(values, minlength=end)).tolist()
    order = np.argsort(values, kind="stable")
    return [order[begin:until] for begin, until in pairwise([0, *ends])]


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
