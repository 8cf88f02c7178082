"""Times as a format writes them, for a column of records, straight as the words that fill a hole.

The calendar is asked once for each second that occurs. The digits below the second are added to the zeros that stand in
its text: ASCII digits follow one another, so a digit's value added to the byte of "0" is that digit's byte.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from runners.datagen.formats.holes import Hole, render
from runners.datagen.model.requests import Integers
from runners.ledger.mixing import U64
from runners.wire.stencil import pick, steps, words

_NS, _US = 1_000_000_000, 1_000
_MOST_SECONDS = 1_000


def time_words(hole: Hole, ns: Integers) -> U64:
    """(k, n) words of the times (Unix nanoseconds), as `holes.render` writes them."""
    second = ns // _NS
    first, last = int(second.min()), int(second.max())
    if last - first < _MOST_SECONDS:
        seconds, which = np.arange(first, last + 1), second - first
    else:
        seconds, which = np.unique(second, return_inverse=True)
    found: U64 = pick(words([render(hole, each * _NS).encode() for each in seconds.tolist()]), which)
    at, digits = hole.fraction
    if digits:
        micros = ns % _NS // _US
        for place, group in ((at, micros // 1000), (at + 3, micros % 1000))[: digits // 3]:
            for row, table in _groups(hole.width, place):
                found[row] += table[group]
    return found


@lru_cache(maxsize=32)
def _groups(width: int, place: int) -> tuple[tuple[int, U64], ...]:
    """For each word of a hole that shows three digits at `place`, or some of them: what to add to it, by their value."""
    _, starts = steps(width)
    found = []
    for row, start in enumerate(starts):
        table = np.zeros(1000, np.uint64)
        for digit, power in enumerate((100, 10, 1)):
            byte = place + digit - start
            if 0 <= byte < 8:
                table += (np.arange(1000, dtype=np.uint64) // np.uint64(power) % np.uint64(10)) << np.uint64(8 * byte)
        if table.any():
            found.append((row, table))
    return tuple(found)
