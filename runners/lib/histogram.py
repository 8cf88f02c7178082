"""Mergeable log-linear histogram: 64 buckets an octave, so a value is off by at most 1/128 (0.8 %).

The same layout idea as HdrHistogram (Tene) and OpenTelemetry's exponential histogram at scale 6; kept sparse, so it
travels in an event line and merges by addition. Values are any positive numbers in any unit; zero has its own bucket.
"""

from __future__ import annotations

import functools
import math
import operator
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SUB_BUCKETS = 64
ZERO = -(1 << 20)
_EXPONENT_BIAS = 1023 * SUB_BUCKETS
_SMALLEST = 2.0**-1022  # below lie the subnormal numbers: too small to tell from zero here


def bucket_of(value: float) -> int:
    """Index of the bucket that holds `value`."""
    if value < _SMALLEST:
        return ZERO
    mantissa, exponent = math.frexp(value)  # value = mantissa * 2**exponent, mantissa in [0.5, 1)
    return (exponent - 1) * SUB_BUCKETS + int((mantissa * 2 - 1) * SUB_BUCKETS)


def middle_of(bucket: int) -> float:
    """The value in the middle of a bucket."""
    if bucket == ZERO:
        return 0.0
    octave, step = divmod(bucket, SUB_BUCKETS)
    return math.ldexp(1 + (step + 0.5) / SUB_BUCKETS, octave)


@dataclass
class Histogram:
    """Counts by bucket, with exact count, sum, minimum and maximum; `errors` counts operations that failed."""

    buckets: dict[int, int] = field(default_factory=dict)
    count: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    errors: int = 0

    def record(self, value: float, *, error: bool = False) -> None:
        index = bucket_of(value)
        self.buckets[index] = self.buckets.get(index, 0) + 1
        self.count += 1
        self.total += value
        self.minimum, self.maximum = min(self.minimum, value), max(self.maximum, value)
        self.errors += error

    def record_many(self, values: Sequence[float]) -> None:
        """As `record` of each finite value in turn, about five times faster.

        The six highest mantissa bits of an IEEE 754 double are the step within its octave, so a shift gives the bucket.
        The sum is added one by one, not by `sum` (compensated since Python 3.12): it must not depend on how a
        stream was cut.
        """
        if not values:
            return
        packed = struct.unpack(f"<{len(values)}q", struct.pack(f"<{len(values)}d", *values))
        for bits, n in Counter([value >> 46 for value in packed]).items():
            index = bits - _EXPONENT_BIAS if bits >= SUB_BUCKETS else ZERO
            self.buckets[index] = self.buckets.get(index, 0) + n
        self.count += len(values)
        self.total = functools.reduce(operator.add, values, self.total)
        self.minimum = min(self.minimum, float(min(values)))
        self.maximum = max(self.maximum, float(max(values)))

    def merge(self, other: Histogram) -> None:
        for index, n in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + n
        self.count += other.count
        self.total += other.total
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        self.errors += other.errors

    def quantile(self, q: float) -> float | None:
        """The value below which the share `q` (0..1) lies, nearest rank; None when empty."""
        if not self.count:
            return None
        rank, seen = max(1, math.ceil(q * self.count)), 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                return min(max(middle_of(index), self.minimum), self.maximum)
        return self.maximum

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def to_json(self) -> dict[str, Any]:
        """`{n, e, sum, min, max, b: {bucket: count}}`: the value of a point of a series of kind histogram."""
        if not self.count:
            return {"n": 0, "e": 0, "sum": 0.0, "b": {}}
        return {
            "n": self.count,
            "e": self.errors,
            "sum": self.total,
            "min": self.minimum,
            "max": self.maximum,
            "b": {str(index): n for index, n in self.buckets.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Histogram:
        return cls(
            {int(index): int(n) for index, n in document["b"].items()},
            int(document["n"]),
            float(document["sum"]),
            float(document.get("min", math.inf)),
            float(document.get("max", -math.inf)),
            int(document.get("e", 0)),
        )

    @classmethod
    def merged(cls, parts: Iterable[Histogram]) -> Histogram:
        result = cls()
        for part in parts:
            result.merge(part)
        return result
