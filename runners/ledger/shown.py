"""A histogram's data point as the series in which a store shows it: cumulative buckets, their count and their sum.

What Prometheus makes of a classic histogram, and the OpenTelemetry specification of an exponential one where a store has
no native ones (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/). One item is then
several samples of one moment: it is there when all of them are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from runners.ledger.items import Histogram

SUFFIXES = ("_bucket", "_count", "_sum")
BOUND = "le"
"""The label, and attribute, of a bucket's upper bound."""


class Shown(NamedTuple):
    """suffix: of the metric's name; le: the bucket's upper bound, None for count and sum."""

    suffix: str
    le: str | None
    value: float


def shown(point: Histogram) -> tuple[Shown, ...]:
    """In a fixed order: buckets by bound, `+Inf` last, count, sum."""
    buckets = zip(bounds_of(point), accumulate(_cells(point)), strict=True)
    return (
        *(Shown("_bucket", le, float(total)) for le, total in buckets), Shown("_bucket", "+Inf", float(point.total)),
        Shown("_count", None, float(point.total)), Shown("_sum", None, point.sum),
    )  # fmt: skip


def shown_at(point: Histogram, place: int) -> Shown:
    """The one of `shown` at this place."""
    names = bounds_of(point)
    if place < len(names):
        return Shown("_bucket", names[place], float(sum(_cells(point)[: place + 1])))
    rest = (Shown("_bucket", "+Inf", float(point.total)), Shown("_count", None, float(point.total)))
    return (*rest, Shown("_sum", None, point.sum))[place - len(names)]


def _cells(point: Histogram) -> tuple[int, ...]:
    """What was counted up to each finite bound."""
    if point.scale is None:
        return point.counts[: len(point.bounds)]
    return (point.zero, *point.counts) if point.zero else point.counts


def series_of(point: Histogram) -> int:
    """How many series it is shown in."""
    return len(bounds_of(point)) + 3


def bounds_of(point: Histogram) -> tuple[str, ...]:
    """The finite upper bounds, as labels."""
    if point.scale is None:
        return _texts(point.bounds)
    names = _exponential(point.scale, point.offset, len(point.counts))
    return (_text(point.zero_threshold), *names) if point.zero else names


def piece(point: Histogram, suffix: str, le: object) -> int | None:
    """Which of `shown` a stored sample claims to be."""
    names = bounds_of(point)
    if suffix == "_bucket":
        return len(names) if le == "+Inf" else names.index(le) if isinstance(le, str) and le in names else None
    return {"_count": len(names) + 1, "_sum": len(names) + 2}.get(suffix) if le is None else None


def split(name: str, attributes: Mapping[str, object]) -> tuple[str, str, object, dict[str, object]] | None:
    """(the histogram's name, suffix, le, its attributes) of a stored sample that may be a piece of one."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            own = dict(attributes)
            return name.removesuffix(suffix), suffix, own.pop(BOUND, None), own
    return None


@lru_cache(maxsize=256)
def _texts(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(map(_text, bounds))


@lru_cache(maxsize=256)
def _exponential(scale: int, offset: int, size: int) -> tuple[str, ...]:
    return tuple(_text(_bound(scale, offset + place + 1)) for place in range(size))


def _bound(scale: int, index: int) -> float:
    return math.ldexp(1.0, index << -scale) if scale <= 0 else 2.0 ** (index / (1 << scale))


def _text(bound: float) -> str:
    """Shortest decimal without an exponent, as Prometheus writes it: 0.005, 10, 2500."""
    return f"{Decimal(repr(bound)).normalize():f}"
