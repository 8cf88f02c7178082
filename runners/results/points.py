"""One series of one run while its points come in: its summary so far and the chunk that is not full yet."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runners.lib.histogram import SUB_BUCKETS, ZERO, Histogram
from runners.results import chunks
from runners.results.rows import Rows, document, identity, number

KINDS = ("gauge", "counter", "histogram")
_BUCKETS = SUB_BUCKETS * 1023  # beyond this a bucket's middle is no finite double


@dataclass
class Track:
    """The state of one series. chunk: number of the open one; stored: is it in the database already?

    New points only gather; `flush` looks at them together, which is several times cheaper than one by one. Of a
    histogram series `v` holds each point's JSON, so that an open chunk is written again without encoding it again.
    """

    name: str
    labels: dict[str, str]
    unit: str
    kind: str
    summary: Histogram = field(default_factory=Histogram)
    chunk: int = 0
    stored: bool = False
    t: list[float] = field(default_factory=list)
    v: list[Any] = field(default_factory=list)
    new_t: list[Any] = field(default_factory=list)
    new_v: list[Any] = field(default_factory=list)

    @cached_property
    def id(self) -> int:
        return identity(self.name, document(self.labels), self.unit, self.kind)

    def add(self, t: Sequence[Any], v: Sequence[Any]) -> int:
        """Take points; returns how many have no partner. Raises TypeError when these are no sequences."""
        both = min(len(t), len(v))
        self.new_t += t[:both]
        self.new_v += v[:both]
        return max(len(t), len(v)) - both

    def flush(self, run: str, rows: Rows) -> int:
        """Write what is new; returns how many points were unusable (no number, not finite, no histogram)."""
        if not self.new_t:
            return 0
        gathered = len(self.new_t)
        t, v = self._histograms() if self.kind == "histogram" else self._scalars()
        self.new_t, self.new_v = [], []
        if t:
            self._write(run, rows, t, v)
        return gathered - len(t)

    def _scalars(self) -> tuple[list[float], list[float]]:
        """The usable points; the common case costs one pass in C."""
        t, v = self.new_t, self.new_v
        try:
            sound = math.isfinite(sum(v)) and math.isfinite(sum(t))
        except (TypeError, OverflowError):
            sound = False
        if not sound:
            pairs = [(_real(at), _real(value)) for at, value in zip(t, v, strict=True)]
            usable = [(at, value) for at, value in pairs if at is not None and value is not None]
            t, v = [at for at, _ in usable], [value for _, value in usable]
        self.summary.record_many(v)
        return t, v

    def _histograms(self) -> tuple[list[float], list[bytes]]:
        times, values = [], []
        for at, value in zip(self.new_t, self.new_v, strict=True):
            when, part = number(at), histogram(value)
            if when is not None and part is not None:
                self.summary.merge(part)
                times.append(when)
                values.append(chunks.entry(when, value))
        return times, values

    def _write(self, run: str, rows: Rows, t: list[float], v: list[Any]) -> None:
        series = self.id
        rows.series[series] = (series, self.name, document(self.labels), self.unit, self.kind)
        rows.metrics.append((run, series, *_summary(self.summary)))
        t, v = self.t + t, self.v + v
        for begin in range(0, len(t), chunks.POINTS):
            self.t, self.v = t[begin : begin + chunks.POINTS], v[begin : begin + chunks.POINTS]
            data = chunks.encode(self.t, self.v, self.kind)
            row = (run, series, self.chunk, self.t[0], self.t[-1], len(self.t), data)
            (rows.grown_chunks if self.stored else rows.new_chunks).append(row)
            full = len(self.t) == chunks.POINTS
            self.chunk, self.stored = self.chunk + full, not full
        if not self.stored:
            self.t, self.v = [], []

    def restore(self, packed: bytes, chunk: int, data: bytes | None) -> None:
        """Go on from what the database holds. chunk: number of the one to fill; data: what it holds already."""
        self.summary = Histogram.from_json(json.loads(packed))
        self.chunk, self.stored = chunk, data is not None
        self.t, self.v = ([], []) if data is None else chunks.reopened(data)


def _real(value: Any) -> float | None:
    """As `number`, but a boolean counts as 0 or 1, as it does where all values are usable."""
    return number(int(value) if isinstance(value, bool) else value)


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
