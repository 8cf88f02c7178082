"""Export requests of spans and log records straight from the columns: all requests of a tenant's tick in one pass.

What an item says is defined once, by `model.spans.span` and `model.logs.log`: a stencil is what they make of sentinels,
serialised by the plain encoder. The bytes are those that the plain encoder would write for the same items.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise

import numpy as np
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from runners.datagen.formats.columns import encode
from runners.datagen.formats.holes import HOLES
from runners.datagen.formats.mix import USUAL, Mix
from runners.datagen.model.bodies import ASIDE, MANNERS, spoken, written
from runners.datagen.model.clocks import time_words
from runners.datagen.model.fields import VARIANTS, placeholders, pools, variants
from runners.datagen.model.logs import LogIds, Records, Said, log
from runners.datagen.model.requests import Integers, Requests
from runners.datagen.model.shapes import MAX_VISITS
from runners.datagen.model.spans import SpanIds, span
from runners.datagen.model.tables import tables
from runners.ledger.identity import Identity, derive
from runners.ledger.items import LogRecord, Resource
from runners.ledger.mixing import U64, Identities, hex_words
from runners.wire.frames import ITEM, Frames, changes, field
from runners.wire.otlp import SCHEMA_URL, SCOPE, log_message, resource_message, span_message
from runners.wire.stencil import Sheet, Stencil, Stencils, Words, columns, cut, pick, words

Body = memoryview
_PASS = 12_000


def _bytes(name: str, width: int) -> bytes:
    return b"".join(derive("sentinel", name, part).to_bytes(8, "big") for part in range(-(-width // 8)))[:width]


def _text(name: str, width: int) -> str:
    return _bytes(name, width).hex().upper()[:width]


_NUMBERS = {name: derive("sentinel", name) >> 1 for name in ("start", "end", "time")}
_TOOK = 98_765.432_101_234_5
_IDS = {"trace": 16, "span": 8, "parent": 8, "cause_trace": 16, "cause_span": 8}
_ITEM_ID = 32
SENTINELS: Mapping[str, bytes] = (
    {name: struct.pack("<Q", value) for name, value in _NUMBERS.items()}
    | {"took": struct.pack("<d", _TOOK), "item": _text("item", _ITEM_ID).encode()}
    | {name: _bytes(name, width) for name, width in _IDS.items()}
    | {name: text.encode() for name, text in placeholders().items()}
    | {f"line.{hole.name}": _text(f"line.{hole.name}", hole.width).encode() for hole in HOLES}
)
"""By hole: numbers and ids as they lie in protobuf's fixed64, double and bytes; texts of the fields, and (`line.`) what a format of log lines leaves open."""


class _Fields(dict[str, str]):
    """The sentinels of the fields, with one variant's texts. told: has anything of the variant been used?"""

    def __init__(self, variant: int) -> None:
        self._baked = variants()[variant]
        super().__init__({**self._baked, **placeholders()})
        self.told = False

    def __getitem__(self, name: str) -> str:
        self.told |= name in self._baked
        return super().__getitem__(name)


Made = tuple[Stencil, bool]


class Variants:
    """Stencils by (kind, variant), made when they are first needed: a short run pays for what it uses."""

    def __init__(self, table: Stencils, kinds: int, make: Callable[[int, int], Made]) -> None:
        """make: (stencil of a kind and variant, has it anything of the variant)."""
        self._table, self._make = table, make
        self._numbers = np.full((kinds, VARIANTS), -1)

    def numbers(self, kind: Integers, variant: Integers) -> Integers:
        key = kind * VARIANTS + variant
        found = self._numbers.ravel().take(key)
        if found.min(initial=0) < 0:
            # Not np.unique: it loads a part of numpy that costs as much as the stencils of the first request.
            for each in sorted(set(key[found < 0].tolist())):
                self._add(*divmod(each, VARIANTS))
            found = self._numbers.ravel().take(key)
        return found

    def _add(self, kind: int, variant: int) -> None:
        if self._numbers[kind, variant] >= 0:
            return
        stencil, varied = self._make(kind, variant)
        number = self._table.add(stencil)
        if varied:
            self._numbers[kind, variant] = number
        else:
            self._numbers[kind] = number  # all variants say the same


class Encoder:
    """Of one run. fleets: the resources of each tenant; mix: weights of the formats of logs among the services."""

    def __init__(self, identity: Identity, fleets: Sequence[Sequence[Resource]], mix: Mix = USUAL) -> None:
        widths = {name: len(sentinel) for name, sentinel in SENTINELS.items()}
        self._ids = Identities(identity)
        of = tables()
        self._spans, self._logs = Stencils(widths), Stencils(widths)
        self._of_spans = Variants(self._spans, len(of.kinds), _span)
        self._of_logs = Variants(self._logs, MANNERS * len(of.line_of), partial(_log, mix=mix))
        scope, tail = (
            ScopeLogs(scope=SCOPE).SerializeToString(),
            ResourceLogs(schema_url=SCHEMA_URL).SerializeToString(),
        )
        heads = [[_resource(resource_message(resource)) for resource in fleet] for fleet in fleets]
        self._span_frames = [Frames(self._spans, each, scope, tail) for each in heads]
        self._log_frames = [Frames(self._logs, each, scope, tail) for each in heads]
        self._pools = {name: words([text.encode() for text in texts]) for name, texts in pools().items()}

    def complete(self) -> None:
        """Make every stencil now, which a long run does little by little."""
        of = tables()
        for made, counts in ((self._of_spans, of.variants), (self._of_logs, of.line_variants)):
            kind = np.repeat(np.arange(len(counts)), counts)
            made.numbers(kind, np.arange(len(kind)) - np.repeat(np.cumsum(counts) - counts, counts))

    def traces(self, tenant: int, of: Requests, parts: Integers) -> Iterator[Body]:
        """parts: the request of each span that is told, as `Frames.lay` wants it. One body for each request, made as they
        are asked for."""
        told = of.told
        row, owner, instance = of.row[told], of.request[told], of.instance[told]
        kind = of.tables.kind[row]
        if of.job is not None:
            kind = np.where(inside := of.nested[told], of.tables.nested[kind], kind)
        numbers = self._of_spans.numbers(kind, of.variant[owner] & of.tables.variants[kind] - 1)
        trace = pick(self._ids.trace(tenant, of.base), of.request)
        later = np.flatnonzero(of.tables.trace[of.row])
        trace[:, later] = self._ids.trace(tenant, of.trace_numbers[later])
        span = self._ids.span(tenant, of.span_numbers)
        first = of.first[owner]
        parent, cause = (first + np.maximum(column[row], 0) for column in (of.tables.parent, of.tables.link))
        own_trace, own_span = trace[:, told], span[:, told]
        if of.job is not None:
            parent = np.where(inside, span.shape[1] + owner, parent)
            span = np.concatenate((span, self._ids.span(tenant, of.job * np.uint64(MAX_VISITS))), axis=1)
        start, end = of.start[told].view(np.uint64), of.end[told].view(np.uint64)
        fields = self.fields(of)
        for own in passes(parts):
            part = parts[own] - parts[own.start]
            sheet, ends = self._span_frames[tenant].lay(numbers[own], instance[own], part, int(part[-1]) + 1)
            sheet.fill("trace", own_trace[:, own], everywhere=True)
            sheet.fill("span", own_span[:, own], everywhere=True)
            sheet.fill("parent", span, parent[own])
            if len(later):
                sheet.fill("cause_trace", trace, cause[own])
                sheet.fill("cause_span", span, cause[own])
            sheet.fill("start", start[own], everywhere=True)
            sheet.fill("end", end[own], everywhere=True)
            request = owner[own]
            for name, values in fields.items():
                sheet.fill(name, values, request)
            yield from _cut(sheet.raw, ends)

    def logs(self, tenant: int, of: Requests, told: Records, parts: Integers) -> Iterator[Body]:
        """parts: (L,) the request of each record. One body for each request, made as they are asked for."""
        fields, requests = self.fields(of), self._ids.trace(tenant, of.base)
        for own in passes(parts):
            some, part = told.part(own), parts[own] - parts[own.start]
            owner = of.request[some.visit]
            line = some.line % len(of.tables.line_of)
            numbers = self._of_logs.numbers(some.line, of.variant[owner] & of.tables.line_variants[line] - 1)
            sheet, ends = self._log_frames[tenant].lay(numbers, of.instance[some.visit], part, int(part[-1]) + 1)
            trace = pick(requests, owner)
            later = np.flatnonzero(of.tables.trace[of.row[some.visit]])
            trace[:, later] = self._ids.trace(tenant, of.trace_numbers[some.visit[later]])
            span = self._ids.span(tenant, of.span_numbers[some.visit])
            sheet.fill("trace", trace, everywhere=True)
            sheet.fill("span", span, everywhere=True)
            sheet.fill("item", self._ids.log(tenant, some.number), everywhere=True)
            sheet.fill("time", some.time.view(np.uint64), everywhere=True)
            took = (of.end[some.visit] - of.start[some.visit]) / 1e6
            sheet.fill("took", took.view(np.uint64), everywhere=True)
            for name, values in fields.items():
                sheet.fill(name, values, owner)
            fill_lines(sheet, of, some, trace, span)
            yield from _cut(sheet.raw, ends)

    def fields(self, of: Requests) -> dict[str, Words]:
        """(k, R) words of the fields of each request."""
        found: dict[str, Words] = {name: pick(pool, of.pool[name]) for name, pool in self._pools.items()}
        order: U64 = of.order.byteswap()[None, :]
        return found | {"order": hex_words(order)}


def fill_lines(sheet: Sheet, of: Requests, told: Records, trace: Words, span: Words) -> None:
    """What the formats left open in the bodies. trace, span: (2, L) and (1, L) words of the ids."""
    for hole in HOLES:
        for items, places in sheet.places(name := f"line.{hole.name}"):
            if hole.source in ("trace", "span"):
                values: Words = hex_words(pick(trace if hole.source == "trace" else span, items))
            elif hole.source == "time":
                values = time_words(hole, told.time[items])
            else:
                visit = told.visit[items]
                values = columns(encode(hole, (of.end[visit] - of.start[visit]).view(np.uint64)))
            sheet.put(name, places, values)


def passes(parts: Integers) -> Iterator[slice]:
    """Items that are laid out together: whole requests. A pass costs some hundred calls of numpy, whatever is in it, and
    many more items than these leave no room in a core's caches. parts: (n,) the request of each item, never falling."""
    opens = changes(parts)
    each = -(-len(opens) // -(-len(parts) // _PASS))
    for begin, end in pairwise([*opens[::each].tolist(), len(parts)]):
        yield slice(begin, end)


@cache
def _span(kind: int, variant: int) -> Made:
    visit, fields = tables().kinds[kind], _Fields(variant)
    cause = (SENTINELS["cause_trace"], SENTINELS["cause_span"]) if visit.link >= 0 else ()
    parent = SENTINELS["parent"] if visit.parent >= 0 else b""
    ids = SpanIds(SENTINELS["trace"], SENTINELS["span"], parent, *cause)
    made = span_message(
        span(visit, fields, ids, number=0, resource=_NOBODY, start=_NUMBERS["start"], end=_NUMBERS["end"])
    )
    return cut(field(ITEM, made.SerializeToString(deterministic=True)), SENTINELS), fields.told


def record(line: int, variant: int, mix: Mix = USUAL) -> tuple[LogRecord, bool]:
    """(a record with sentinels, has it anything of the variant)."""
    manner, line = divmod(line, len(tables().line_of))
    (visit, text), fields = tables().line_of[line], _Fields(variant)
    if manner == ASIDE:
        text, fields.told = spoken(visit, text, variant, manner), True
    ids = LogIds(SENTINELS["trace"], SENTINELS["span"], SENTINELS["item"].decode())
    wrote = written(visit, text, fields, manner=manner, mix=mix)
    body = bytearray(wrote.text)
    for hole, at in wrote.holes:
        body[at : at + hole.width] = SENTINELS[f"line.{hole.name}"]
    said = Said(body.decode(), _NUMBERS["time"], _TOOK)
    return log(visit, text, fields, ids, said, number=0, resource=_NOBODY), fields.told


@cache
def _log(line: int, variant: int, mix: Mix = USUAL) -> Made:
    one, told = record(line, variant, mix)
    return cut(field(ITEM, log_message(one).SerializeToString(deterministic=True)), SENTINELS), told


_NOBODY = Resource("", "", {})


def _resource(message: ResourceMessage) -> bytes:
    return ResourceLogs(resource=message).SerializeToString()


def _cut(raw: bytearray, ends: Sequence[int]) -> list[Body]:
    whole = memoryview(raw).toreadonly()
    return [whole[start:end] for start, end in zip((0, *ends), ends, strict=False)]
