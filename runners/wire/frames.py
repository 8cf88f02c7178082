"""Frames: the messages around the items of an export request, for many requests at once.

Items of one resource stand together below its ResourceSpans (or ResourceLogs) and one scope; the lengths of these nested
messages depend on what is in them and are computed here, as canonical varints. A group's head is a stencil of its own
for each pair of widths that its two varints have.

    request = group*      group = 0x0a <length> resource 0x12 <length> scope item* schema_url

Field numbers are equal for spans and log records (opentelemetry-proto v1): resource 1, scope_* 2, schema_url 3 in the
group; scope 1, items 2 in the scope. A group thus ends with its schema_url, as protobuf writes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runners.wire.stencil import Integers, Sheet, Stencil, Stencils

GROUP, SCOPE, ITEM = b"\x0a", b"\x12", b"\x12"
_INDEX_BITS = 32
_MOST_BYTES = 5
_LIMITS = np.array([1 << 7 * step for step in range(1, _MOST_BYTES)], np.int64)


def varint(value: int) -> bytes:
    """Canonical base-128 varint (https://protobuf.dev/programming-guides/encoding/#varints)."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def field(tag: bytes, content: bytes) -> bytes:
    """A field of wire type 2."""
    return tag + varint(len(content)) + content


def widths(values: Integers) -> Integers:
    """Bytes of each value's varint; values below 2^35, of any shape."""
    return 1 + _LIMITS.searchsorted(values, "right")


def changes(values: Integers) -> Integers:
    """Where a value differs from the one before it; the first one does."""
    differs = np.empty(len(values), bool)
    differs[:1] = True
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return np.flatnonzero(differs)


def lengths(opens: Integers, size: int) -> Integers:
    """How many there are from each of these places to the next, and from the last one to the end: what numpy's `diff` with
    an end tells for ten times the price."""
    found = np.empty_like(opens)
    np.subtract(opens[1:], opens[:-1], out=found[:-1])
    found[-1:] = size - opens[-1:]
    return found


class Frames:
    """The groups of one set of resources. Its heads and tail are added to the table that holds the items."""

    def __init__(self, table: Stencils, resources: Sequence[bytes], scope: bytes, tail: bytes) -> None:
        """resources: serialised field `resource` of each; scope: serialised field `scope`; tail: what ends a group."""
        self._table, self._resources, self._scope = table, list(resources), scope
        self._tail_size, self._tail = len(tail), table.add(Stencil(tail, {}))
        self._resource_sizes = np.array([len(resource) for resource in resources], np.int64)
        self._heads = np.full((len(resources), _MOST_BYTES + 1, _MOST_BYTES + 1), -1)

    def lay(self, numbers: Integers, resources: Integers, parts: Integers, requests: int) -> tuple[Sheet, list[int]]:
        """(the items in their frames, holes unfilled; where each request ends).

        numbers: (n,) stencil of each item; resources: (n,) its resource; parts: (n,) its request, never falling, each of
        0..requests-1 at least once. In a request resources come in the order of their first items, the items of one
        in theirs.
        """
        size = len(numbers)
        index = np.arange(size)
        if len(self._resources) == 1:
            order, opens = index, changes(parts)
        else:
            key = parts * len(self._resources) + resources
            first = np.zeros(requests * len(self._resources), np.int64)
            first[key[::-1]] = index[::-1]  # of several items the first one is assigned last
            order = np.sort(first[key] << _INDEX_BITS | index)
            opens = changes(order >> _INDEX_BITS)
            order &= (1 << _INDEX_BITS) - 1
        groups = np.arange(len(opens))
        counts = lengths(opens, size)
        owner = resources[order[opens]]

        inner = np.add.reduceat(self._table.sizes(numbers)[order], opens) + len(self._scope)
        inner_width = widths(inner)
        outer = self._resource_sizes[owner] + len(SCOPE) + inner_width + inner + self._tail_size
        outer_width = widths(outer)

        pieces = np.empty(size + 2 * len(opens), np.int64)
        heads = opens + 2 * groups
        items = index + 2 * np.repeat(groups, counts) + 1
        pieces[heads], pieces[heads + counts + 1] = self._head(owner, outer_width, inner_width), self._tail
        pieces[items] = numbers[order]
        raw, begins = self._table.join(pieces)
        starts = np.empty(size, np.int64)
        starts[order] = begins[items]
        sheet = Sheet(self._table, raw, numbers, starts)
        at = begins[heads] + len(GROUP)
        _put(sheet, at, outer, outer_width)
        _put(sheet, at + outer_width + self._resource_sizes[owner] + len(SCOPE), inner, inner_width)
        last = np.flatnonzero(lengths(parts[order[opens]], requests))
        return sheet, (begins[heads[last] + counts[last] + 1] + self._tail_size).tolist()

    def _head(self, owner: Integers, outer: Integers, inner: Integers) -> Integers:
        found = self._heads[owner, outer, inner]
        for group in np.flatnonzero(found < 0).tolist():
            key = int(owner[group]), int(outer[group]), int(inner[group])
            if self._heads[key] < 0:
                data = GROUP + bytes(key[1]) + self._resources[key[0]] + SCOPE + bytes(key[2]) + self._scope
                self._heads[key] = self._table.add(Stencil(data, {}))
            found[group] = self._heads[key]
        return found


def _put(sheet: Sheet, at: Integers, values: Integers, widths: Integers) -> None:
    least, most = int(widths.min()), int(widths.max())
    for step in range(most):
        if step < least:
            here, value, wide = at, values, widths
        else:
            has = np.flatnonzero(widths > step)
            here, value, wide = at[has], values[has], widths[has]
        sheet.poke(here + step, value >> 7 * step & 0x7F | (wide > step + 1).astype(np.int64) << 7)
