"""Push requests of Loki straight from the columns: all requests of a tenant's tick in one pass.

An entry is made of five pieces. Two are stencils, of the line and of what the record says about itself; one says what its
instance does. The other two have no fixed width, nanoseconds as a varint and how long something took as a decimal text,
and stand between them. The bytes are those that the plain encoder would write for the same records.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property, partial
from itertools import accumulate, pairwise

import numpy as np

from runners.datagen.encode import SENTINELS, Body, Encoder, Made, Variants, fill_lines, record
from runners.datagen.formats.mix import USUAL, Mix
from runners.datagen.model.bodies import ASIDE, MANNERS, spoken
from runners.datagen.model.fields import VARIANTS
from runners.datagen.model.logs import Records
from runners.datagen.model.requests import Integers, Requests
from runners.datagen.model.tables import tables
from runners.datagen.topology import DEBUG, ERROR, INFO, WARN
from runners.ledger.identity import Identity
from runners.ledger.items import Resource
from runners.ledger.mixing import Identities, hex_words
from runners.ledger.pushed import LEVEL, own_metadata
from runners.wire.frames import changes, field, lengths, varint, widths
from runners.wire.loki import ENTRIES, LABELS, LINE, STREAMS, pair, resource_of, selector_of
from runners.wire.stencil import Sheet, Stencils, cut, pick

_SECOND = 1_000_000_000
_SECONDS_BYTES = 5
_STAMP_BYTES = 14
_INDEX_BITS = 32
_PIECES = 5
_TOOK = "app_duration_ms"
"""The first of a record's own metadata: they are told in the order of their names."""
_HEX = {"trace_hex": SENTINELS["trace"].hex().encode(), "span_hex": SENTINELS["span"].hex().encode()}


class PushEncoder:
    """Of one run. encoder: fills what records have in common in all formats; fleets: the resources of each tenant; mix:
    weights of the formats of logs among the services."""

    def __init__(
        self, encoder: Encoder, identity: Identity, fleets: Sequence[Sequence[Resource]], mix: Mix = USUAL
    ) -> None:
        self._encoder, self._ids, of = encoder, Identities(identity), tables()
        self._table = Stencils({name: len(sentinel) for name, sentinel in {**SENTINELS, **_HEX}.items()})
        self._lines = Variants(self._table, MANNERS * len(of.line_of), partial(_line, mix=mix))
        self._owns = Variants(self._table, MANNERS * len(of.line_of), partial(_own, mix=mix))
        levels = sorted(text.lower() for _, text in (DEBUG, INFO, WARN, ERROR))
        self._level = np.array([levels.index(line.severity[1].lower()) for _, line in of.line_of], np.int64)
        self._levels = levels
        self._fleets = [_Fleet(fleet, levels) for fleet in fleets]

    @cached_property
    def _beside(self) -> Integers:
        """(lines, variants) the level of what stands in the place of a line."""
        return np.array(
            [
                [
                    self._levels.index(spoken(visit, line, variant, ASIDE).severity[1].lower())
                    for variant in range(VARIANTS)
                ]
                for visit, line in tables().line_of
            ],
            np.int64,
        )

    def logs(self, tenant: int, of: Requests, told: Records, parts: Integers) -> list[Body]:
        """parts: (L,) the request of each record, never falling. One body for each request."""
        fleet, size = self._fleets[tenant], len(told.visit)
        owner, instance, line = of.request[told.visit], of.instance[told.visit], told.line % len(of.tables.line_of)
        variant = of.variant[owner] % of.tables.line_variants[line]
        lines, owns = self._lines.numbers(told.line, variant), self._owns.numbers(told.line, variant)
        tooks = [_took(repr(ms)) for ms in ((of.end[told.visit] - of.start[told.visit]) / 1e6).tolist()]
        stamps, stamp_sizes = _stamps(told.time)
        own_sizes = self._table.sizes(owns)
        content = stamp_sizes + self._table.sizes(lines) + fleet.sizes[instance] + own_sizes
        content += np.fromiter(map(len, tooks), np.int64, size)
        head_sizes = 1 + widths(content)

        level = self._level[line]
        if of.asides:
            level = np.where(told.line >= ASIDE * len(of.tables.line_of), self._beside[line, variant], level)
        order, opens, streams = _grouped(parts, fleet.streams[instance, level], fleet.selectors)
        counts = lengths(opens, size)
        sizes = (head_sizes + content)[order]
        heads = [
            STREAMS + varint(len(fleet.selectors[stream]) + inner) + fleet.selectors[stream]
            for stream, inner in zip(streams.tolist(), np.add.reduceat(sizes, opens).tolist(), strict=True)
        ]
        before = np.array([*accumulate(map(len, heads))], np.int64)
        begins = np.cumsum(sizes) - sizes + np.repeat(before, counts)

        flat: list[bytes] = [b""] * (_PIECES * size)
        index = order.tolist()
        opened = [_entry_head(length) + stamp for length, stamp in zip(content.tolist(), stamps, strict=True)]
        flat[0::_PIECES] = map(opened.__getitem__, index)
        flat[1::_PIECES] = self._table.pieces(lines[order])
        flat[2::_PIECES] = map(fleet.told.__getitem__, instance[order].tolist())
        flat[3::_PIECES] = map(tooks.__getitem__, index)
        flat[4::_PIECES] = self._table.pieces(owns[order])
        pieces: list[bytes] = []
        for head, (first, last) in zip(heads, pairwise([*opens.tolist(), size]), strict=True):
            pieces.append(head)
            pieces += flat[_PIECES * first : _PIECES * last]
        raw = bytearray().join(pieces)

        starts = np.empty(2 * size, np.int64)
        starts[order] = begins + (head_sizes + stamp_sizes)[order]
        starts[size + order] = begins + sizes - own_sizes[order]
        self._fill(Sheet(self._table, raw, np.concatenate((lines, owns)), starts), tenant, of, told)
        whole = memoryview(raw).toreadonly()
        last = np.flatnonzero(lengths(parts[order[opens]], int(parts[-1]) + 1))
        ends = (begins + sizes)[(opens + counts - 1)[last]].tolist()
        return [whole[start:end] for start, end in pairwise([0, *ends])]

    def _fill(self, sheet: Sheet, tenant: int, of: Requests, told: Records) -> None:
        """The lines come first in the sheet, then, in the same order, what the records say of themselves."""
        owner, twice = of.request[told.visit], np.tile(np.arange(len(told.visit)), 2)
        trace = pick(self._ids.trace(tenant, of.base), owner)
        later = np.flatnonzero(of.tables.trace[of.row[told.visit]])
        trace[:, later] = self._ids.trace(tenant, of.trace_numbers[told.visit[later]])
        span = self._ids.span(tenant, of.span_numbers)[:, told.visit]
        sheet.fill("trace_hex", hex_words(trace), twice)
        sheet.fill("span_hex", hex_words(span), twice)
        sheet.fill("item", self._ids.log(tenant, told.number), twice)
        for name, values in self._encoder.fields(of).items():
            sheet.fill(name, values, owner[twice])
        fill_lines(sheet, of, told, trace, span)


class _Fleet:
    """told: the part of the metadata that each instance says, serialised; sizes: its bytes; selectors: the field `labels` of
    each stream; streams: (instances, levels) the number of the stream."""

    def __init__(self, fleet: Sequence[Resource], levels: Sequence[str]) -> None:
        self.told: list[bytes] = []
        self.selectors: list[bytes] = []
        numbers: dict[bytes, int] = {}
        rows = []
        for resource in fleet:
            stream, _, told = resource_of(resource)
            self.told.append(told)
            row = []
            for level in levels:
                selector = field(LABELS, selector_of((*stream.items(), (LEVEL, level))).encode())
                if selector not in numbers:
                    numbers[selector] = len(self.selectors)
                    self.selectors.append(selector)
                row.append(numbers[selector])
            rows.append(row)
        self.sizes = np.array([len(told) for told in self.told], np.int64)
        self.streams = np.array(rows, np.int64)


def _grouped(parts: Integers, streams: Integers, known: Sequence[bytes]) -> tuple[Integers, Integers, Integers]:
    """(order, where a stream begins in it, which one that is): in each request streams in the order of their first records,
    the records of each in theirs."""
    index = np.arange(len(parts))
    key = parts * len(known) + streams
    first = np.zeros((int(parts[-1]) + 1) * len(known), np.int64)
    first[key[::-1]] = index[::-1]  # of several records the first one is assigned last
    order = np.sort(first[key] << _INDEX_BITS | index)
    opens = changes(order >> _INDEX_BITS)
    order &= (1 << _INDEX_BITS) - 1
    return order, opens, streams[order[opens]]


@cache
def _entry_head(length: int) -> bytes:
    return ENTRIES + varint(length)


def _stamps(time: Integers) -> tuple[list[bytes], Integers]:
    """(the field `timestamp` of each, its bytes): {1: seconds, 2: nanoseconds unless 0}."""
    seconds, nanos = np.divmod(time, _SECOND)
    assert int(seconds.min()) >> 7 * (_SECONDS_BYTES - 1) and not int(seconds.max()) >> 7 * _SECONDS_BYTES
    wide = np.where(nanos > 0, 1 + widths(nanos), 0)
    table = np.zeros((len(time), _STAMP_BYTES), np.uint8)
    table[:, 0], table[:, 1], table[:, 2] = 0x0A, 1 + _SECONDS_BYTES + wide, 0x08
    for step in range(_SECONDS_BYTES):
        more = 0x80 if step < _SECONDS_BYTES - 1 else 0
        table[:, 3 + step] = seconds >> 7 * step & 0x7F | more
        has = wide > step + 1
        table[has, 9 + step] = nanos[has] >> 7 * step & 0x7F | np.where(wide[has] > step + 2, 0x80, 0)
    table[:, 8] = np.where(wide > 0, 0x10, 0)
    # As texts of numpy they end with their last byte that is not 0: that of a canonical varint never is.
    return table.view(f"S{_STAMP_BYTES}").ravel().tolist(), 3 + _SECONDS_BYTES + wide


@cache
def _took_head(size: int) -> bytes:
    """What stands before a text of so many bytes: one byte is enough for each length."""
    whole = pair(_TOOK, "0" * size)
    assert len(whole) < 0x80
    return whole[: len(whole) - size]


def _took(text: str) -> bytes:
    return _took_head(len(text)) + text.encode()


@cache
def _line(line: int, variant: int, mix: Mix = USUAL) -> Made:
    one, told = record(line, variant, mix)
    return cut(field(LINE, one.body.encode()), SENTINELS), told


@cache
def _own(line: int, variant: int, mix: Mix = USUAL) -> Made:
    one, told = record(line, variant, mix)
    own = own_metadata(one)
    assert next(iter(own)) == _TOOK
    del own[_TOOK]
    return cut(b"".join(pair(name, value) for name, value in own.items()), {**SENTINELS, **_HEX}), told
