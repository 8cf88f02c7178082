"""A stretch of what an instance reports: points a to b of it. Requests have so many items at most, so that the points of an
instance may be cut; where, is the same at every report."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runners.datagen.model import filler
from runners.datagen.model.reports import Report
from runners.datagen.model.requests import Integers
from runners.ledger.identity import derive
from runners.ledger.mixing import U64

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Indexes into the series of the instance. histograms: the points that are some, in order; of: the class of spans of
    each; exponential: is it such a one; samples: the other points; started: all that have a start time; fillers: the
    slots, which come after all series."""

    a: int
    b: int
    histograms: Integers
    of: Integers
    exponential: Flags
    samples: Integers
    started: Integers
    fillers: slice

    @property
    def shards(self) -> int:
        """Number of fillers."""
        return int(self.fillers.stop) - int(self.fillers.start)


def stretch(report: Report, a: int, b: int) -> Stretch:
    """That of any report of the instance."""
    readings = report.readings
    size = len(readings.series)
    series = np.arange(a, min(b, size))
    histograms = readings.histograms[(readings.histograms >= a) & (readings.histograms < b)]
    plain = np.ones(len(series), bool)
    plain[histograms - a] = False
    kinds = [readings.series[index].instrument == "exponential" for index in histograms.tolist()]
    return Stretch(
        a, b, histograms, readings.of[histograms], np.array(kinds, bool), series[plain],
        series[~readings.gauges[series]], slice(max(a, size) - size, max(b, size) - size),
    )  # fmt: skip


class Shards:
    """The names of fillers' shards in the bytes of a template, which stay as they are until a shard is replaced."""

    def __init__(self, data: bytearray, places: Integers) -> None:
        """places: where each name begins."""
        self._words, self._places = words(data), places
        self._shown = np.full(len(places), -1)

    def show(self, report: Report, fillers: slice) -> None:
        """Those that are alive now."""
        alive = report.generations[fillers]
        if len(changed := np.flatnonzero(alive != self._shown)):
            for shift, texts in filler.words(changed + fillers.start, alive[changed]):
                self._words[self._places[changed] + shift] = texts
            self._shown[changed] = alive[changed]


def words(raw: bytearray) -> U64:
    """Every byte begins a word."""
    return np.ndarray((len(raw) - 7,), "<u8", raw, strides=(1,))


def number(name: str) -> int:
    """A sentinel of eight bytes: 62 bits, so that it is a positive integer and, as a double, an ordinary number."""
    return derive("metering", name) >> 2 | 1 << 61


def double(name: str) -> float:
    """The same bytes as a double."""
    found: float = struct.unpack("<d", struct.pack("<Q", number(name)))[0]
    return found


def find(data: bytes | bytearray, sentinel: int | bytes, expected: int) -> Integers:
    """Where it stands, in order; it is known how often."""
    raw = struct.pack("<Q", sentinel) if isinstance(sentinel, int) else sentinel
    found = [match.start() for match in re.finditer(re.escape(raw), data)]
    assert len(found) == expected, (len(found), expected)
    return np.array(found, np.int64)
