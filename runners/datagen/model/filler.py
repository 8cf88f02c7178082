"""Series that are there for their number: exactly as many as a scenario asks for, replaced as fast as it says.

They are gauges of cache shards. A shard is a slot with a generation: when a slot's lifetime is over, its next generation
is a new series and the old one is never written again. Slots change one after the other, evenly over a lifetime.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

NAME, UNIT, SHARD = "app.cache.entries", "{entry}", "app.cache.shard"
LOW, HIGH = 200, 9_000
_SHARD = re.compile(r"([0-9]{5})-([0-9]{5})")

Integers = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


class Filler(NamedTuple):
    """slots: of one instance; lifetime: ticks until a slot's series is replaced, 0 for never."""

    slots: int = 0
    lifetime: int = 0

    def generations(self, tick: int) -> Integers:
        """(slots,) which generation of each is alive at a tick."""
        slot = np.arange(self.slots, dtype=np.int64)
        if not self.lifetime:
            return slot * 0
        return (tick + slot * self.lifetime // max(1, self.slots)) // self.lifetime

    def distinct(self, first: int, last: int) -> int:
        """Series that were written between two ticks with a report, both included. Every generation is: none lives shorter
        than the time between two reports."""
        return int((self.generations(last) - self.generations(first) + 1).sum())

    def distinct_of(self, told: Sequence[int]) -> int:
        """Series that were written at these ticks, in their order."""
        found, last = 0, None
        for tick in told if self.slots else ():
            now = self.generations(tick)
            found += self.slots if last is None else int((now != last).sum())
            last = now
        return found

    def slot_of(self, shard: object, tick: int) -> int | None:
        """The slot that a shard's name means at a tick; None when it is another's."""
        match = _SHARD.fullmatch(shard) if isinstance(shard, str) else None
        if match is None or (slot := int(match[1])) >= self.slots:
            return None
        return slot if int(self.generations(tick)[slot]) == int(match[2]) else None


def words(slots: Integers, generations: Integers) -> list[tuple[int, U64]]:
    """(offset, words): the names in two words of eight bytes, the second overlapping."""
    digits = np.empty((len(slots), 11), np.uint8)
    for first, numbers in ((0, slots), (6, generations)):
        for place in range(5):
            digits[:, first + place] = numbers // 10 ** (4 - place) % 10 + ord("0")
    digits[:, 5] = ord("-")
    return [(at, np.ascontiguousarray(digits[:, at : at + 8]).view("<u8")[:, 0]) for at in (0, 3)]


def shard(slot: int, generation: int) -> str:
    """Its name: as wide for all."""
    return f"{slot:05d}-{generation:05d}"
