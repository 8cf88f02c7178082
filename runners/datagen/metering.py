"""Export requests of metrics straight from the columns.

An instance tells the same points in the same order at every report; only times and values differ, and these are eight bytes
each. So what it tells is serialised once, by the plain encoder, from sentinels in place of what varies; a report is a copy
with the columns written into it. What is of no fixed width (the buckets of an exponential histogram are varints; an
exemplar, and a count that is not 0, are there or not) makes the template anew when it changes: counts grow seldom by a byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from runners.datagen.model import filler
from runners.datagen.model.buckets import BOUNDS, BUCKETS, OFFSET, SCALE
from runners.datagen.model.reports import Report
from runners.datagen.model.requests import Integers
from runners.datagen.model.series import Series
from runners.datagen.stretch import Flags, Shards, Stretch, double, find, number, stretch, words
from runners.ledger.identity import Identity
from runners.ledger.items import Exemplar, Histogram, Instrument, Point, Resource, Sample
from runners.ledger.mixing import U64, Identities
from runners.wire.frames import widths as varint_widths
from runners.wire.otlp import encode_metrics

Part = tuple[Report, int, int]
"""Points a to b of a report."""
_CLASSIC = len(BOUNDS) + 1
_START, _TIME, _VALUE, _TOTAL, _CELL, _AT = map(number, ("start", "time", "value", "total", "cell", "at"))
_SUM, _TOOK = double("sum"), double("took")
_TRACE, _SPAN = struct.pack("<QQ", number("trace"), number("more of it")), struct.pack("<Q", number("span"))
SHARD = "~@^#|-|#^@~"
"""In place of a filler's shard, and as wide."""


@dataclass(frozen=True, eq=False)
class _Template:
    """data: a ResourceMetrics, which shows the fillers' shards as they were last time; the rest: where its holes are, in the order of the points. cells: the first bucket of each
    exponential histogram; at, took, trace, span: of exemplars."""

    data: bytearray
    time: Integers
    start: Integers
    value: Integers
    total: Integers
    sum: Integers
    classic: Integers
    cells: Integers
    shards: Shards
    at: Integers
    took: Integers
    trace: Integers
    span: Integers


class _Form(NamedTuple):
    """What of the histograms of a stretch decides where the holes are: has each counted anything, and so an exemplar; bytes
    of each bucket of the exponential ones."""

    counted: Flags
    widths: Integers

    @property
    def key(self) -> bytes:
        return self.counted.tobytes() + self.widths.astype(np.uint8).tobytes()


_NONE = _Form(np.zeros(0, bool), np.zeros((0, BUCKETS), np.int64))


class MetricEncoder:
    """Of one tenant."""

    def __init__(self, identity: Identity, tenant: int, fleet: Sequence[Resource]) -> None:
        self._ids, self._tenant, self._fleet = Identities(identity), tenant, fleet
        self._stretches: dict[tuple[int, int, int], Stretch] = {}
        self._templates: dict[tuple[int, int, int], tuple[bytes, _Template]] = {}

    def body(self, parts: Sequence[Part]) -> bytes:
        """One request: of each report the points a to b."""
        return b"".join([self._group(*part) for part in parts])

    def _group(self, report: Report, a: int, b: int) -> bytearray:
        key = report.ordinal, a, b
        of = self._stretches.get(key)
        if of is None:
            of = self._stretches[key] = stretch(report, a, b)
        if not len(of.histograms):
            template = self._template(report, of, _NONE)
            raw = bytearray(template.data)
            self._fill(words(raw), template, report, of)
            return raw
        at = report.ordinal
        totals = report.tally.counts[at, of.of]
        cells = report.tally.cells[at, of.of]
        few = cells[of.exponential, :BUCKETS]
        form = _Form(totals > 0, varint_widths(few))
        template = self._template(report, of, form)
        raw = bytearray(template.data)
        view = words(raw)
        self._fill(view, template, report, of)
        view[template.total] = totals[form.counted].view(np.uint64)
        view[template.sum] = (report.tally.took[at, of.of] / 1e9).view(np.uint64)
        view[template.classic] = cells[~of.exponential, :_CLASSIC].ravel().view(np.uint64)
        _write(raw, template.cells, few, form.widths)
        if len(template.at):
            self._exemplars(view, template, report, of.of[form.counted])
        return raw

    def _fill(self, view: U64, template: _Template, report: Report, of: Stretch) -> None:
        """What all points have, and the values of those that are no histograms."""
        view[template.time] = report.time
        view[template.start] = report.starts[of.started].view(np.uint64)
        values = report.values[of.samples]
        if of.shards:
            values = np.concatenate((values, report.filling[of.fillers]))
        view[template.value] = values

    def _exemplars(self, view: U64, template: _Template, report: Report, of: Integers) -> None:
        tally, at = report.tally, report.ordinal
        view[template.at] = tally.last_end[at, of].view(np.uint64)
        view[template.took] = (tally.last_took[at, of] / 1e9).view(np.uint64)
        trace = self._ids.trace(self._tenant, tally.last_trace[at, of])
        view[template.trace], view[template.trace + 8] = trace
        view[template.span] = self._ids.span(self._tenant, tally.last_span[at, of])[0]

    def _template(self, report: Report, of: Stretch, form: _Form) -> _Template:
        """The last one of this stretch, as long as the form is the same: an earlier form seldom comes again."""
        key, wanted = (report.ordinal, of.a, of.b), form.key
        found = self._templates.get(key)
        if found is None or found[0] != wanted:
            points = list(_points(self._fleet[report.ordinal], report.readings.series, of, form))
            found = self._templates[key] = wanted, _cut(points, of)
        if of.shards:
            found[1].shards.show(report, of.fillers)
        return found[1]


def _points(resource: Resource, series: Sequence[Series], of: Stretch, form: _Form) -> Iterator[Point]:
    """Sentinels, as the points that they stand for."""
    counted, widths = (iter(each.tolist()) for each in form)
    for one in series[of.a : of.b]:
        if one.shown == 1:
            yield _sample(resource, one)
            continue
        classic, told = one.instrument == "histogram", next(counted)
        cells = (_CELL,) * _CLASSIC if classic else tuple(1 << 7 * (width - 1) for width in next(widths))
        yield Histogram(
            0, resource, one.name, one.unit, _START, _TIME, _TOTAL if told else 0, _SUM, cells,
            BOUNDS if classic else (), None if classic else SCALE, 0 if classic else OFFSET, 0, 0.0, one.attributes,
            (Exemplar(_TOOK, _AT, _TRACE, _SPAN),) if told else (),
        )  # fmt: skip
    for _ in range(of.shards):
        yield _sample(resource, Series(filler.NAME, filler.UNIT, "gauge", {filler.SHARD: SHARD}))


def _sample(resource: Resource, series: Series) -> Sample:
    instrument: Instrument = series.instrument  # type: ignore[assignment]  # histograms are none
    value = _VALUE if series.scale == 1 else double("value")
    start = 0 if series.instrument == "gauge" else _START
    return Sample(0, resource, series.name, series.unit, instrument, start, _TIME, value, series.attributes)


def _cut(points: Sequence[Point], of: Stretch) -> _Template:
    data = bytearray(encode_metrics(points))
    shards = Shards(data, find(data, SHARD.encode(), of.shards))
    histograms = [point for point in points if isinstance(point, Histogram)]
    told = sum(point.total > 0 for point in histograms)
    sums = find(data, struct.pack("<d", _SUM), len(histograms))
    cells = [_cells(data, at + 8) for at in sums[of.exponential].tolist()]
    return _Template(
        data, find(data, _TIME, len(points)), find(data, _START, len(of.started)),
        find(data, _VALUE, len(of.samples) + of.shards),
        find(data, _TOTAL, told), sums,
        find(data, _CELL, int((~of.exponential).sum()) * _CLASSIC), np.array(cells, np.int64),
        shards, find(data, _AT, told), find(data, struct.pack("<d", _TOOK), told),
        find(data, _TRACE, told), find(data, _SPAN, told),
    )  # fmt: skip


def _cells(data: bytearray, at: int) -> int:
    """Where the buckets begin that follow a sum: [6: scale] 8: Buckets { 1: offset, 2: packed counts }."""
    while data[at] != 0x42:
        at = _after(data, at + 1)
    at = _after(data, at + 1)  # the length of Buckets
    assert data[at] == 0x08
    at = _after(data, at + 1)
    assert data[at] == 0x12
    return _after(data, at + 1)


def _after(data: bytearray, at: int) -> int:
    """Behind the varint here."""
    while data[at] > 0x7F:
        at += 1
    return at + 1


def _write(raw: bytearray, at: Integers, values: Integers, widths: Integers) -> None:
    """values, widths: (n, buckets); at: (n,) where the varints of each row begin."""
    if not len(at):
        return
    offsets = (at[:, None] + np.cumsum(widths, axis=1) - widths).ravel()
    flat, wide = values.ravel(), widths.ravel()
    view = np.frombuffer(raw, np.uint8)
    for step in range(int(wide.max())):
        has = np.flatnonzero(wide > step)
        more = (wide[has] > step + 1).astype(np.int64) << 7
        view[offsets[has] + step] = (flat[has] >> 7 * step & 0x7F | more).astype(np.uint8)
