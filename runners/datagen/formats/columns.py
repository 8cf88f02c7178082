"""Holes of many records at once: columns of values in, a matrix of ASCII bytes out. Byte for byte as `holes.render`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from runners.datagen.formats.holes import LONGEST_US, Hole, render

Column = NDArray[np.uint64]
Matrix = NDArray[np.uint8]
_NS = np.uint64(1_000_000_000)
_MOST_SECONDS = 1_000
_THREE = np.frombuffer("".join(f"{number:03d}" for number in range(1000)).encode(), np.uint8).reshape(1000, 3)
_THREE_WORDS = _THREE.astype(np.uint64) @ np.array([1, 1 << 8, 1 << 16], np.uint64)
_HEX = np.frombuffer("".join(f"{number:02x}" for number in range(256)).encode(), np.uint8).reshape(256, 2)


def encode(hole: Hole, values: Column, high: Column | None = None) -> Matrix:
    """(n, hole.width) bytes. high: the upper 64 bits, of a trace id only; other values are as `holes.render` takes them."""
    if hole.source == "time":
        return _times(hole, values)
    if hole.source == "duration":
        return _seconds(values)
    if high is not None:
        return np.hstack((_hex(high), _hex(values)))
    return _hex(values)[:, 16 - hole.width :]


def words(matrix: Matrix) -> Iterator[tuple[int, Column]]:
    """(offset in the hole, 8 bytes of each record as a little-endian word); the last word overlaps the one before.

    Raises ValueError for a hole of less than 8 bytes.
    """
    width = matrix.shape[1]
    if width < 8:
        raise ValueError(f"a hole of {width} bytes has no room for a word of 8")
    for at in [*range(0, width - 7, 8), *([width - 8] if width % 8 else [])]:
        yield at, np.ascontiguousarray(matrix[:, at : at + 8]).view("<u8")[:, 0]


def _times(hole: Hole, ns: Column) -> Matrix:
    # The records of a tick lie within a few seconds: the calendar is asked once for each of these.
    which = (ns // _NS).astype(np.int64)
    first, last = (int(which.min()), int(which.max())) if len(which) else (0, 0)
    if last - first < _MOST_SECONDS:
        seconds, which = np.arange(first, last + 1), which - first
    else:
        seconds, which = np.unique(which, return_inverse=True)
    texts = "".join(render(hole, second * 1_000_000_000) for second in seconds.tolist()).encode()
    out = np.frombuffer(texts, np.uint8).reshape(-1, hole.width)[which]
    at, digits = hole.fraction
    micros = ns % _NS // np.uint64(1000)
    if digits:
        out[:, at : at + 3] = _THREE[micros // np.uint64(1000)]
    if digits == 6:
        out[:, at + 3 : at + 6] = _THREE[micros % np.uint64(1000)]
    return out


def _seconds(ns: Column) -> Matrix:
    # As one word: the last character is its highest byte.
    micros = np.minimum(ns // np.uint64(1000), np.uint64(LONGEST_US))
    whole = micros // np.uint64(1_000_000)
    rest = micros - whole * np.uint64(1_000_000)
    millis = rest // np.uint64(1000)
    word: Column = _THREE_WORDS.take(rest - millis * np.uint64(1000)) << np.uint64(40)
    word |= _THREE_WORDS.take(millis) << np.uint64(16)
    word |= whole + np.uint64(ord(".") << 8 | ord("0"))
    found: Matrix = word.view(np.uint8).reshape(-1, 8)
    return found


def _hex(values: Column) -> Matrix:
    octets = np.ascontiguousarray(values, ">u8").view(np.uint8).reshape(-1, 8)
    return _HEX[octets].reshape(-1, 16)
