"""Who was seen how often: ids in columns, turned back into numbers, and one byte a counted item.

    ids ─ keyed bijection inverted, check words ─▶ (tenant, number) ─▶ slice ─▶ index ─▶ counter

The items of a slice are numbered by the generator; the numbers of the slices that are asked for most are kept, so what comes
in the order of time is fast, and what comes in any other order is right. Memory: a byte for each item seen so far.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runners.audit.source import Source
from runners.ledger.attempt import Batch
from runners.ledger.items import Signal
from runners.ledger.mixing import U64, Identities

Integers = npt.NDArray[np.int64]
Slice = tuple[int, Signal, int]

_FULL = 255
_KEPT_NUMBERS = 2_000_000
"""Of items, in memory at once: at most 32 MB."""


class Located(NamedTuple):
    """Some of the ids that were asked for, all of one slice. which: places among those; indexes: of their items in it."""

    key: Slice
    which: Integers
    indexes: Integers


class _Numbers(NamedTuple):
    """The numbers of a slice in ascending order, and the index of each (None: they were so already); sent: by index, None when all of it was."""

    ascending: U64
    places: Integers | None
    sent: npt.NDArray[np.bool_] | None


class Census:
    """Counters of the items of one ledger."""

    def __init__(self, source: Source, batches: Iterable[Batch]) -> None:
        """batches: those that the ledger knows; no other item was sent."""
        self._source = source
        self._identities = Identities(source.identity)
        self._tenants = len(source.identity.tenants)
        self._parts: dict[Slice, list[int]] = {}
        for batch in batches:
            self._parts.setdefault((batch.tenant, batch.signal, batch.tick), []).append(batch.part)
        self._copies: dict[Slice, npt.NDArray[np.uint8]] = {}
        self._many: dict[Slice, dict[int, int]] = {}
        self._numbers: OrderedDict[Slice, _Numbers] = OrderedDict()
        self._kept = 0

    def named(self, signal: Signal, ids: bytes) -> tuple[Integers, U64]:
        """(tenant, number) of each of these ids, back to back: 16 bytes a record, 8 a span. The tenant is -1 where the id is
        not one of this run."""
        if signal == "logs":
            words = np.frombuffer(ids, ">u8").reshape(-1, 2).astype(np.uint64)
            tenant, number, right = self._identities.of_log(words[:, 0], words[:, 1])
        else:
            tenant, number, right = self._identities.of_span(np.frombuffer(ids, ">u8").astype(np.uint64))
        return np.where(right, tenant, -1), number

    def locate(self, signal: Signal, tenant: Integers, number: U64) -> Iterator[Located]:
        """Slice by slice, those that the ledger says were sent; whoever is in none was not."""
        for owner in range(self._tenants):
            mine = np.flatnonzero(tenant == owner)
            if not len(mine):
                continue
            numbers = number[mine]
            ticks = self._source.ticks_of(owner, signal, numbers)
            if np.any(ticks[1:] < ticks[:-1]):
                order = np.argsort(ticks, kind="stable")
                mine, numbers, ticks = mine[order], numbers[order], ticks[order]
            cuts = np.flatnonzero(np.diff(ticks)) + 1
            for first, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(ticks)], strict=True):
                key = (owner, signal, int(ticks[first]))
                if key not in self._parts:
                    continue
                known = self._numbers_of(key)
                if not len(known.ascending):
                    continue
                at = np.minimum(np.searchsorted(known.ascending, numbers[first:end]), len(known.ascending) - 1)
                right = known.ascending[at] == numbers[first:end]
                index = at if known.places is None else known.places[at]
                if known.sent is not None:
                    right &= known.sent[index]
                if right.all():
                    yield Located(key, mine[first:end], index)
                elif right.any():
                    yield Located(key, mine[first:end][right], index[right])

    def add(self, key: Slice, indexes: Integers) -> None:
        """One more copy of each of these items of a slice."""
        held = self._copies.get(key)
        if held is None:
            held = self._copies[key] = np.zeros(self._source.count(*key), np.uint8)
        seen = np.bincount(indexes, minlength=len(held))
        total = held + seen
        if total.max(initial=0) > _FULL:
            many = self._many.setdefault(key, {})
            for index in np.flatnonzero(total > _FULL).tolist():
                many[index] = many.get(index, int(held[index])) + int(seen[index])
        np.minimum(total, _FULL, out=held, casting="unsafe")

    def slices(self) -> Iterator[Slice]:
        """All of which the ledger has something."""
        yield from self._parts

    def parts(self, key: Slice) -> Iterable[int]:
        """What it has of a slice."""
        return self._parts[key]

    def copies(self, key: Slice) -> Integers:
        """How often each item of the slice was seen."""
        held = self._copies.get(key)
        found = np.zeros(self._source.count(*key), np.int64) if held is None else held.astype(np.int64)
        for index, number in self._many.get(key, {}).items():
            found[index] = number
        return found

    def _numbers_of(self, key: Slice) -> _Numbers:
        found = self._numbers.get(key)
        if found is not None:
            self._numbers.move_to_end(key)
            return found
        numbers = self._source.numbers(*key)
        size = len(numbers)
        order: Integers | None = None
        if np.any(numbers[1:] <= numbers[:-1]):
            order = np.argsort(numbers, kind="stable")
            numbers = numbers[order]
        sent, parts = None, self._parts[key]
        part = self._source.part_of(np.arange(size), size, self._source.ended(*key))
        if size and len(parts) <= int(part[-1]):
            sent = np.isin(part, parts)
        found = self._numbers[key] = _Numbers(numbers, order, sent)
        self._kept += size
        while self._kept > _KEPT_NUMBERS and len(self._numbers) > 1:
            self._kept -= len(self._numbers.popitem(last=False)[1].ascending)
        return found
