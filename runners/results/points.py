"""One series of one run while its points come in: its summary so far and the chunk that is not full yet."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runners.lib.histogram import SUB_BUCKETS, ZERO, Histogram
from runners.results import chunks
from runners.results.rows import Rows, document, identity, number

KINDS = ("gauge", "counter", "histogram")
_BUCKETS = SUB_BUCKETS * 1023  # beyond this a bucket's middle is no finite double


@dataclass
class Track:
    """The state of one series. chunk: number of the open one; stored: is the open chunk in the database already?"""

    name: str
    labels: dict[str, str]
    unit: str
    kind: str
    summary: Histogram = field(default_factory=Histogram)
    chunk: int = 0
    stored: bool = False
    t: list[float] = field(default_factory=list)
    v: list[Any] = field(default_factory=list)
    full: list[tuple[list[float], list[Any]]] = field(default_factory=list)
    touched: bool = False

    @property
    def id(self) -> int:
        return identity(self.name, document(self.labels), self.unit, self.kind)

    def add(self, t: Sequence[float], v: Sequence[Any]) -> int:
        """Take points; returns how many were unusable (not a number, not finite, not a histogram)."""
        if self.kind == "histogram":
            t, v, refused = self._histograms(t, v)
        else:
            t, v, refused = _scalars(t, v)
            self.summary.record_many(v)
        if not t:
            return refused
        self.touched = True
        taken = 0
        while taken < len(t):
            room = chunks.POINTS - len(self.t)
            self.t += t[taken : taken + room]
            self.v += v[taken : taken + room]
            taken += room
            if len(self.t) == chunks.POINTS:
                self.full.append((self.t, self.v))
                self.t, self.v = [], []
        return refused

    def _histograms(self, t: Sequence[float], v: Sequence[Any]) -> tuple[list[float], list[Any], int]:
        times, values = [], []
        for at, value in zip(t, v, strict=False):
            when, part = number(at), histogram(value)
            if when is not None and part is not None:
                self.summary.merge(part)
                times.append(when)
                values.append(value)
        return times, values, max(len(t), len(v)) - len(times)

    def flush(self, run: str, rows: Rows) -> None:
        """Write what changed since the last flush."""
        if not self.touched:
            return
        self.touched = False
        series = self.id
        rows.series[series] = (series, self.name, document(self.labels), self.unit, self.kind)
        rows.metrics.append((run, series, *_summary(self.summary)))
        for t, v in self.full:
            self._chunk(run, series, t, v, rows)
            self.chunk, self.stored = self.chunk + 1, False
        self.full = []
        if self.t:
            self._chunk(run, series, self.t, self.v, rows)
            self.stored = True

    def _chunk(self, run: str, series: int, t: list[float], v: list[Any], rows: Rows) -> None:
        row = (run, series, self.chunk, t[0], t[-1], len(t), chunks.encode(t, v, self.kind))
        (rows.grown_chunks if self.stored else rows.new_chunks).append(row)

    def restore(self, packed: bytes, chunk: int, data: bytes | None) -> None:
        """Go on from what the database holds. chunk: number of the one to fill; data: what it holds already."""
        self.summary = Histogram.from_json(json.loads(packed))
        self.chunk, self.stored = chunk, data is not None
        self.t, self.v = chunks.decode(data) if data is not None else ([], [])


def _scalars(t: Sequence[float], v: Sequence[Any]) -> tuple[Sequence[float], Sequence[float], int]:
    """The usable points; the common case costs one pass in C."""
    try:
        if math.isfinite(sum(v)) and math.isfinite(sum(t)) and len(t) == len(v):
            return t, v, 0
    except (TypeError, OverflowError):
        pass
    good = [(number(at), number(value)) for at, value in zip(t, v, strict=False)]
    usable = [(at, value) for at, value in good if at is not None and value is not None]
    return [at for at, _ in usable], [value for _, value in usable], max(len(t), len(v)) - len(usable)


def histogram(value: Any) -> Histogram | None:
    """The histogram of a point, or None when it is none that can be merged."""
    try:
        found = Histogram.from_json(value)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    ends = (found.total, found.minimum, found.maximum) if found.count else (found.total,)
    sound = all(math.isfinite(end) for end in ends) and found.count >= 0
    return found if sound and all(bucket == ZERO or abs(bucket) < _BUCKETS for bucket in found.buckets) else None


def _summary(summary: Histogram) -> tuple[Any, ...]:
    """n, errors, total, min, mean, p50, p95, p99, max, histogram: columns of test_metrics."""
    quantiles = [summary.quantile(q) for q in (0.5, 0.95, 0.99)] if summary.count else [None] * 3
    low, high = (summary.minimum, summary.maximum) if summary.count else (None, None)
    packed = json.dumps(summary.to_json(), sort_keys=True, separators=(",", ":")).encode()
    return (summary.count, summary.errors, summary.total, low, summary.mean, *quantiles, high, packed)
