"""Histogram data points as the series that PromQL knows them by: cumulative buckets, their count and their sum.

One data point becomes several samples of one moment (`name_bucket{le}`, `name_count`, `name_sum`): what Prometheus makes of
a classic histogram, and the OpenTelemetry specification of a native one where a store has none
(https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/). Both stores thus show the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

MOST_BUCKETS = 1024
LEAST_SCALE, MOST_SCALE = -10, 20
"""The OpenTelemetry SDKs' own limits."""


class Shown(NamedTuple):
    """One sample of a histogram. suffix: of the metric's name; le: the bucket's upper bound as a label, None for others."""

    suffix: str
    le: str | None
    value: float


class Unsound(ValueError):
    """The point contradicts itself; the text says how."""


def classic(point: HistogramDataPoint) -> Iterator[Shown]:
    """Raises Unsound."""
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if counts and len(counts) != len(bounds) + 1:
        raise Unsound("a histogram has one bucket more than bounds")
    if any(low >= high for low, high in pairwise(bounds)) or any(map(math.isnan, bounds)):
        raise Unsound("the bounds of a histogram rise")
    if counts and sum(counts) != point.count:
        raise Unsound("the count of a histogram is the sum of its buckets")
    # The last bound may be infinite itself; then there is one bucket of that name all the same.
    yield from _buckets(((bound, total) for bound, total in zip(bounds, accumulate(counts), strict=False)), point.count)
    yield Shown("_count", None, float(point.count))
    if point.HasField("sum"):
        yield Shown("_sum", None, point.sum)


def exponential(point: ExponentialHistogramDataPoint) -> Iterator[Shown]:
    """Raises Unsound. Bucket i of a scale holds (base^i, base^(i+1)], base = 2^(2^-scale)."""
    if not LEAST_SCALE <= point.scale <= MOST_SCALE:
        raise Unsound(f"the scale of a histogram lies between {LEAST_SCALE} and {MOST_SCALE}")
    positive, negative = list(point.positive.bucket_counts), list(point.negative.bucket_counts)
    if sum(positive) + sum(negative) + point.zero_count != point.count:
        raise Unsound("the count of a histogram is the sum of its buckets")
    bounds = [-_bound(point.scale, point.negative.offset + place) for place in reversed(range(len(negative)))]
    counts = list(reversed(negative))
    if point.zero_count or negative:
        bounds.append(point.zero_threshold)
        counts.append(point.zero_count)
    bounds += [_bound(point.scale, point.positive.offset + place + 1) for place in range(len(positive))]
    counts += positive
    yield from _buckets(zip(bounds, accumulate(counts), strict=True), point.count)
    yield Shown("_count", None, float(point.count))
    if point.HasField("sum"):
        yield Shown("_sum", None, point.sum)


def _buckets(cumulative: Iterable[tuple[float, int]], count: int) -> Iterator[Shown]:
    # Bounds that are one double, or beyond all of them, are one bucket: what lies below the last of them.
    totals = {_text(bound): total for bound, total in cumulative if not math.isinf(bound)}
    if len(totals) > MOST_BUCKETS:
        raise Unsound(f"a histogram has at most {MOST_BUCKETS} buckets")
    for le, total in totals.items():
        yield Shown("_bucket", le, float(total))
    yield Shown("_bucket", "+Inf", float(count))


def _bound(scale: int, index: int) -> float:
    """base^index; infinite beyond the doubles."""
    try:
        return math.ldexp(1.0, index << -scale) if scale <= 0 else 2.0 ** (index / (1 << scale))
    except (OverflowError, ValueError):
        return math.inf if index > 0 else 0.0


def _text(bound: float) -> str:
    """Shortest decimal without an exponent, as Prometheus writes it: 0.005, 10, 2500."""
    return f"{Decimal(repr(bound)).normalize():f}"
