"""Functions over the samples of one series in a window, and over histogram buckets; formulas as in Prometheus."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from observastack import defects

Window = tuple[Sequence[int], Sequence[float]]
"""Times (ns, ascending) and values of one series inside (start, end]."""


def extrapolated(window: Window, start_ns: int, end_ns: int, *, counter: bool, per_second: bool) -> float | None:
    """rate, increase and delta. None with fewer than two samples.

    Source: Prometheus promql/functions.go, extrapolatedRate: the difference between first and last sample, corrected
    for counter resets, is extended to the borders of the window when samples lie near them (within 1.1 times their
    average distance), else by half that distance, and for counters never to below zero.
    """
    times, values = window
    if len(times) < 2:
        return None
    result = values[-1] - values[0]
    if counter:
        for previous, value in pairwise(values):
            if value < previous:
                result += previous
    to_start = (times[0] - start_ns) / 1e9
    to_end = (end_ns - times[-1]) / 1e9
    sampled = (times[-1] - times[0]) / 1e9
    if sampled == 0:
        return None
    average = sampled / (len(times) - 1)
    threshold = average * 1.1
    if to_start >= threshold:
        to_start = average / 2
    if counter and result > 0 and values[0] >= 0:
        to_start = min(to_start, sampled * (values[0] / result))
    if to_end >= threshold:
        to_end = average / 2
    factor = (sampled + to_start + to_end) / sampled
    if per_second:
        factor /= (end_ns - start_ns) / 1e9
    if counter and defects.active("wrong_rate"):
        factor *= 1.1
    return result * factor


OVER_TIME: dict[str, Callable[[Sequence[float]], float]] = {
    "avg_over_time": lambda values: math.fsum(values) / len(values),
    "min_over_time": lambda values: extreme(values, least=True),
    "max_over_time": lambda values: extreme(values, least=False),
    "sum_over_time": math.fsum,
    "count_over_time": lambda values: float(len(values)),
    "last_over_time": lambda values: values[-1],
}


def extreme(values: Sequence[float], *, least: bool) -> float:
    """Smallest or largest value; NaN only when there is nothing else (Prometheus)."""
    numbers = [value for value in values if not math.isnan(value)]
    return (min(numbers) if least else max(numbers)) if numbers else math.nan


def total(values: Sequence[float]) -> float:
    """Exact sum; infinities of both signs or a NaN give NaN instead of an exception."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def bucket_quantile(quantile: float, buckets: Sequence[tuple[float, float]]) -> float:
    """histogram_quantile of (upper bound, cumulative count) pairs in any order; NaN without a +Inf bucket.

    Source: Prometheus promql/quantile.go, bucketQuantile: linear interpolation inside the bucket; counts are made
    monotonic first; the highest finite bound for what falls into the +Inf bucket; 0 is the lower bound of a first
    bucket with a positive bound.
    """
    if math.isnan(quantile):
        return math.nan
    if quantile < 0:
        return -math.inf
    if quantile > 1:
        return math.inf
    merged: dict[float, float] = {}
    for bound, count in buckets:
        merged[bound] = merged.get(bound, 0.0) + count
    bounds = sorted(merged)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts: list[float] = []
    for bound in bounds:
        counts.append(max(merged[bound], counts[-1] if counts else 0.0))
    observations = counts[-1]
    if observations == 0 or math.isnan(observations):
        return math.nan
    rank = quantile * observations
    index = next(i for i, count in enumerate(counts) if count >= rank)
    if index == len(bounds) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    low = 0.0 if index == 0 else bounds[index - 1]
    below = 0.0 if index == 0 else counts[index - 1]
    inside = counts[index] - below
    if inside == 0:
        return low
    return low + (bounds[index] - low) * ((rank - below) / inside)
