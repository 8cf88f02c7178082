"""Stencils: serialised messages with holes, joined in any order and filled all at once.

A stencil is one item of a request (or the head or tail of a group of items) as it was serialised once, by protobuf's own
classes, from sentinels in place of what varies. To encode n items, in any mixture and order, their stencils are joined
(one copy of memory) and each hole is filled in all of them by one assignment of numpy to computed offsets. So the cost
of an item does not depend on how many shapes there are, on the order of the items or on the size of the requests.

A hole has the same width wherever it occurs: numbers and ids of 8 bytes, texts of a fixed width. What varies in length
is baked into stencils of its own, one for each variant; hence all varints are canonical.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.unsignedinteger]
Integers = npt.NDArray[np.int64]
_Units = list[tuple[int, npt.NDArray[Any]]]

_ROOM = 64
_PAIR = 16
_PAIRS = np.dtype(f"V{_PAIR}")


class Stencil(NamedTuple):
    """holes: by name, the offsets at which the hole's bytes begin; a value may be told more than once."""

    data: bytes
    holes: Mapping[str, tuple[int, ...]]


def cut(data: bytes, sentinels: Mapping[str, bytes], prefix: int = 0) -> Stencil:
    """The stencil of serialised bytes in which each sentinel stands for the hole of its name; absent ones are no holes.

    prefix: bytes at the start in which none is looked for. Raises ValueError when sentinels overlap: they were no
    sentinels, and what would be filled is not known.
    """
    holes: dict[str, tuple[int, ...]] = {}
    taken: list[tuple[int, int]] = []
    for name, sentinel in sentinels.items():
        found: list[int] = []
        at = data.find(sentinel, prefix)
        while at >= 0:
            found.append(at)
            taken.append((at, at + len(sentinel)))
            at = data.find(sentinel, at + 1)
        if found:
            holes[name] = tuple(found)
    taken.sort()
    if any(end > start for (_, end), (start, _) in pairwise(taken)):
        raise ValueError("sentinels overlap: a sentinel must occur nowhere by chance")
    return Stencil(data, holes)


def steps(width: int) -> tuple[int, tuple[int, ...]]:
    """(bytes of a word, where the words of a hole begin): words of 8, 4, 2 or 1 bytes cover it, the last overlapping.

    From 16 bytes on every two words lie side by side, so that both are written at once.
    """
    if width >= _PAIR:
        pairs = [*range(0, width - _PAIR + 1, _PAIR)]
        if width % _PAIR:
            pairs.append(width - _PAIR)
        return 8, tuple(at + half for at in pairs for half in (0, 8))
    word = next(size for size in (8, 4, 2, 1) if size <= width)
    starts = [*range(0, width - word + 1, word)]
    if starts[-1] + word < width:
        starts.append(width - word)
    return word, tuple(starts)


def words(texts: Sequence[bytes]) -> Words:
    """(k, n): each of n texts of one width as the k words that fill a hole, little-endian as they lie in memory."""
    return columns(np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), len(texts[0])))


def columns(table: npt.NDArray[np.uint8]) -> Words:
    """As `words`, of the rows of a table of bytes. The words of a row lie together in memory."""
    word, starts = steps(table.shape[1])
    found = np.empty((len(table), len(starts)), f"<u{word}")
    for place, at in enumerate(starts):
        found[:, place] = np.ascontiguousarray(table[:, at : at + word]).view(f"<u{word}")[:, 0]
    return found.T


def pick(values: Words, of: Integers) -> Words:
    """(k, n) words of n items, of which item i has the values at of[i]: what lies together is copied together."""
    return values.T.take(of, axis=0).T


def _units(width: int, values: Words) -> _Units:
    """(offset in the hole, (n,) what is written there at once) of (n,) or (k, n) words."""
    rows = values if values.ndim == 2 else values[None, :]
    _, starts = steps(width)
    if width < _PAIR:
        return list(zip(starts, rows, strict=True))
    pairs = np.ascontiguousarray(rows.T).view(_PAIRS)
    return list(zip(starts[::2], pairs.T, strict=True))


class Stencils:
    """A growing table of stencils. Numbers are given out from 0 in the order of adding."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        """widths: of each hole, in bytes."""
        self.widths = dict(widths)
        self.data: list[bytes] = []
        self._pieces = np.empty(_ROOM, object)  # the same: numpy gathers them faster than a list is asked for each
        self._sizes = np.zeros(_ROOM, np.int64)
        self._offsets: dict[str, list[Integers]] = {name: [] for name in widths}

    def add(self, stencil: Stencil) -> int:
        """Its number. Raises KeyError for a hole that has no width."""
        number = len(self.data)
        self.data.append(stencil.data)
        if number == len(self._sizes):
            self._sizes = np.concatenate((self._sizes, np.zeros(number, np.int64)))
            self._pieces = np.concatenate((self._pieces, np.empty(number, object)))
            self._offsets = {
                name: [np.concatenate((column, np.full(number, -1))) for column in columns]
                for name, columns in self._offsets.items()
            }
        self._pieces[number] = stencil.data
        self._sizes[number] = len(stencil.data)
        for name, places in stencil.holes.items():
            columns = self._offsets[name]
            while len(columns) < len(places):
                columns.append(np.full(len(self._sizes), -1))
            for column, place in zip(columns, places, strict=False):
                column[number] = place
        return number

    def sizes(self, numbers: Integers) -> Integers:
        """Bytes of each of these stencils."""
        return self._sizes.take(numbers)

    def pieces(self, numbers: Integers) -> list[bytes]:
        """The bytes of each of these stencils."""
        found: list[bytes] = self._pieces.take(numbers).tolist()
        return found

    def join(self, numbers: Integers) -> tuple[bytearray, Integers]:
        """(these stencils one after the other, holes unfilled; where each begins)."""
        raw = bytearray().join(self.pieces(numbers))
        sizes = self._sizes.take(numbers)
        return raw, np.cumsum(sizes) - sizes

    def offsets(self, name: str) -> list[Integers]:
        """By occurrence: where the hole begins in each stencil, -1 where it has none."""
        return self._offsets[name]


class Sheet:
    """Items in joined stencils. raw: all bytes; numbers, starts: (n,) the stencil of each item and where it lies there."""

    def __init__(self, table: Stencils, raw: bytearray, numbers: Integers, starts: Integers) -> None:
        """The items may stand in any order and have other pieces between them."""
        self.raw = raw
        self._table, self._numbers, self._starts = table, numbers, starts
        # Every byte begins a word: numpy writes unaligned words, and one assignment fills a hole everywhere.
        self._views: dict[int, npt.NDArray[Any]] = {
            size: np.ndarray((len(raw) - size + 1,), _PAIRS if size == _PAIR else f"<u{size}", raw, strides=(1,))
            for size in (_PAIR, 8, 4, 2, 1)
            if len(raw) >= size
        }

    def fill(self, name: str, values: Words, of: Integers | None = None, *, everywhere: bool = False) -> None:
        """Fill the hole in all items that have it.

        values: (n,) a word as wide as the hole for each item, or (k, n) the k words of a wider one, as `words` makes them;
        with `of` (n,) there are any number of values, and item i has the one at of[i]. everywhere: every item has the hole,
        which then need not be found out.
        """
        units = _units(self._table.widths[name], values)
        for which, places in self._occurrences(name, everywhere=everywhere):
            items = of if which is None else which if of is None else of.take(which)
            self._write(units, places, items)

    def places(self, name: str) -> list[tuple[Integers, Integers]]:
        """By occurrence: (the items that have the hole, in order; where it begins in each)."""
        every = np.arange(len(self._numbers))
        found = self._occurrences(name, everywhere=False)
        return [(every if which is None else which, places) for which, places in found]

    def _occurrences(self, name: str, *, everywhere: bool) -> Iterator[tuple[Integers | None, Integers]]:
        """By occurrence: (the items that have the hole so often, None for all; where it begins in each)."""
        which: Integers | None = None
        for occurrence, column in enumerate(self._table.offsets(name)):
            inside = column.take(self._numbers if which is None else self._numbers.take(which))
            if occurrence or not everywhere:
                # Few items have a hole, and of these fewer have it again.
                has = np.flatnonzero(inside >= 0)
                if not len(has):
                    return
                if len(has) < len(inside):
                    inside, which = inside.take(has), has if which is None else which.take(has)
            yield which, inside + (self._starts if which is None else self._starts.take(which))

    def put(self, name: str, places: Integers, values: Words) -> None:
        """Fill the hole where it begins at these places, as `fill` takes the values."""
        self._write(_units(self._table.widths[name], values), places)

    def _write(self, units: _Units, places: Integers, items: Integers | None = None) -> None:
        for at, values in units:
            view = self._views[values.itemsize]
            view[places + at if at else places] = values if items is None else values.take(items)

    def poke(self, offsets: Integers, values: Integers) -> None:
        """Write single bytes (values below 256) at offsets into the whole."""
        self._views[1][offsets] = values.astype(np.uint8)
