"""Requests of Prometheus remote write straight from the columns: of what an instance reports, one template for all time.

Values are doubles, and milliseconds have six bytes as a varint from 1971 to 2109: all holes are of fixed width.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runners.datagen.metering import SHARD, Part
from runners.datagen.model import filler
from runners.datagen.model.buckets import BOUNDS, BUCKETS, OFFSET, SCALE
from runners.datagen.model.reports import Report
from runners.datagen.model.requests import Integers
from runners.datagen.model.series import Series
from runners.datagen.stretch import Shards, Stretch, double, find, stretch, words
from runners.ledger.items import Attributes, Histogram, Resource, Sample
from runners.ledger.shown import BOUND, shown
from runners.wire.frames import varint
from runners.wire.remote_write import encode_write

_MS = 1_000_000
_WIDTH = 6
_TIME = 0x155_5555_5555
"""Milliseconds; as a varint as wide as those of our days."""
_VALUE = double("written")
_PLAIN, _COUNT, _SUM = -1, -2, -3


@dataclass(frozen=True, eq=False)
class _Template:
    """value, time: (samples,) offsets; shards: of the fillers, which data shows as they were last time; histogram: (samples,) which of the stretch's histograms
    a sample is of; place: (samples,) how many of its buckets it counts but one, or one of the marks."""

    of: Stretch
    data: bytearray
    value: Integers
    time: Integers
    shards: Shards
    histogram: Integers
    place: Integers


class WriteEncoder:
    """Of one tenant."""

    def __init__(self, tenant: str, fleet: Sequence[Resource]) -> None:
        self._tenant, self._fleet = tenant, fleet
        self._templates: dict[tuple[int, int, int], _Template] = {}

    def body(self, parts: Sequence[Part]) -> bytes:
        """One request: of each report the points a to b."""
        return b"".join([self._series(*part) for part in parts])

    def _series(self, report: Report, a: int, b: int) -> bytearray:
        template = self._templates.get((report.ordinal, a, b))
        if template is None:
            made = _cut(self._tenant, self._fleet[report.ordinal], report.readings.series, stretch(report, a, b))
            template = self._templates[report.ordinal, a, b] = made
        if template.of.shards:
            template.shards.show(report, template.of.fillers)
        raw = bytearray(template.data)
        words(raw)[template.value] = _values(report, template).view(np.uint64)
        stamp, single = varint(report.time // _MS), np.frombuffer(raw, np.uint8)
        assert len(stamp) == _WIDTH
        for step, byte in enumerate(stamp):
            single[template.time + step] = byte
        return raw


def _values(report: Report, template: _Template) -> npt.NDArray[np.float64]:
    """(samples,) in the order of the template."""
    of = template.of
    bits = np.concatenate((report.values[of.samples], report.filling[of.fillers]))
    whole = np.concatenate((report.readings.whole[of.samples], np.ones(of.shards, bool)))
    plain = np.where(whole, bits.view(np.int64).astype(np.float64), bits.view(np.float64))
    if not len(of.histograms):
        return plain
    at, which, place = report.ordinal, template.histogram, template.place
    summed = np.cumsum(report.tally.cells[at, of.of], axis=1)
    found = np.empty(len(place))
    found[place == _PLAIN] = plain
    found[place >= 0] = summed[which[place >= 0], place[place >= 0]]
    found[place == _COUNT] = report.tally.counts[at, of.of][which[place == _COUNT]]
    found[place == _SUM] = (report.tally.took[at, of.of] / 1e9)[which[place == _SUM]]
    return found


def _cut(tenant: str, resource: Resource, series: Sequence[Series], of: Stretch) -> _Template:
    told = list(_samples(resource, series, of))
    # One by one: the shards are all of one name yet, and samples of one series would be told together.
    data = bytearray().join(encode_write(tenant, [sample]) for sample, _, _ in told)
    stamps = find(data, b"\x10" + varint(_TIME), len(told)) + 1
    return _Template(
        of, data, find(data, struct.pack("<d", _VALUE), len(told)), stamps,
        Shards(data, find(data, SHARD.encode(), of.shards)),
        np.array([number for _, number, _ in told], np.int64), np.array([place for _, _, place in told], np.int64),
    )  # fmt: skip


def _samples(resource: Resource, series: Sequence[Series], of: Stretch) -> Iterator[tuple[Sample, int, int]]:
    """Sentinels as samples, with the histogram and the place of each."""
    histograms = 0
    for one in series[of.a : of.b]:
        if one.shown == 1:
            yield _sample(resource, one.name, one.attributes), 0, _PLAIN
            continue
        classic = one.instrument == "histogram"
        empty = Histogram(
            0, resource, one.name, one.unit, 0, 0, 0, 0.0, (0,) * (len(BOUNDS) + 1 if classic else BUCKETS),
            BOUNDS if classic else (), None if classic else SCALE, 0 if classic else OFFSET, 0, 0.0, one.attributes,
        )  # fmt: skip
        for place, piece in enumerate(shown(empty)):
            attributes = one.attributes if piece.le is None else {**one.attributes, BOUND: piece.le}
            mark = _SUM if piece.suffix == "_sum" else _COUNT if piece.le in (None, "+Inf") else place
            yield _sample(resource, one.name + piece.suffix, attributes), histograms, mark
        histograms += 1
    for _ in range(of.shards):
        yield _sample(resource, filler.NAME, {filler.SHARD: SHARD}), 0, _PLAIN


def _sample(resource: Resource, name: str, attributes: Attributes) -> Sample:
    return Sample(0, resource, name, "", "gauge", 0, _TIME * _MS, _VALUE, attributes)
