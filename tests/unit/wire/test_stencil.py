"""Joining and scattering: each hole of each item gets its value, whatever the order, the mixture and the widths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from runners.wire.frames import ITEM, Frames, field, varint
from runners.wire.stencil import Sheet, Stencil, Stencils, cut, steps, words

WIDTHS = st.integers(1, 40)


@given(WIDTHS)
def test_words_cover_a_hole_and_nothing_else(width: int) -> None:
    word, starts = steps(width)
    covered = {at + byte for at in starts for byte in range(word)}
    assert covered == set(range(width))


@given(st.data())
def test_what_is_filled_is_what_is_read(data: st.DataObject) -> None:
    widths = data.draw(st.dictionaries(st.sampled_from("abcd"), WIDTHS, min_size=1), "widths")
    table, layouts = Stencils(widths), []
    for number in range(data.draw(st.integers(1, 80), "stencils")):
        names = data.draw(st.lists(st.sampled_from(sorted(widths)), max_size=6))
        gaps = data.draw(st.lists(st.integers(0, 9), min_size=len(names), max_size=len(names)))
        holes: dict[str, tuple[int, ...]] = {}
        at = 0
        for name, gap in zip(names, gaps, strict=True):
            holes[name] = (*holes.get(name, ()), at + gap)
            at += gap + widths[name]
        assert table.add(Stencil(bytes([number]) * (at + 3), holes)) == number
        layouts.append(holes)
    items = data.draw(st.lists(st.integers(0, len(layouts) - 1), min_size=1, max_size=30), "items")
    numbers = np.array(items)
    raw, starts = table.join(numbers)
    sheet, expected = Sheet(table, raw, numbers, starts), bytearray(raw)
    for name, width in widths.items():
        values = [bytes([index, *range(width)])[:width] for index in range(len(items))]
        sheet.fill(name, words(values))
        for item, start, value in zip(items, starts.tolist(), values, strict=True):
            for place in layouts[item].get(name, ()):
                expected[start + place : start + place + width] = value
    assert raw == expected


def test_sentinels_are_found_wherever_they_occur() -> None:
    stencil = cut(b"..AAAA..BB..AAAA", {"a": b"AAAA", "b": b"BB", "none": b"CC"})
    assert stencil.holes == {"a": (2, 12), "b": (8,)}


def test_sentinels_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        cut(b"..AAAA..", {"a": b"AAAA", "b": b"AA"})


@given(st.integers(0, 2**35 - 1))
def test_varints_are_canonical(value: int) -> None:
    message = Span(dropped_attributes_count=value & 0xFFFFFFFF)
    if value & 0xFFFFFFFF:
        assert message.SerializeToString()[1:] == varint(value & 0xFFFFFFFF)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.integers(1, 20_000), min_size=4, max_size=4),
    st.integers(1, 5),
)
def test_items_stand_in_the_frames_of_their_resources(
    items: list[tuple[int, int]], sizes: list[int], requests: int
) -> None:
    table = Stencils({})
    spans = [Span(name="x" * size) for size in sizes]
    for span in spans:
        table.add(Stencil(field(ITEM, span.SerializeToString()), {}))
    heads = [ResourceSpans() for _ in range(3)]
    for number, head in enumerate(heads):
        head.resource.attributes.add(key="r" * 50 * number)
    scope, tail = ScopeSpans(), ResourceSpans(schema_url="s")
    scope.scope.name = "scope"
    frames = Frames(
        table, [each.SerializeToString() for each in heads], scope.SerializeToString(), tail.SerializeToString()
    )
    requests = min(requests, len(items))
    parts = [index * requests // len(items) for index in range(len(items))]
    kinds, owners = np.array(items).T
    sheet, ends = frames.lay(kinds.copy(), owners.copy(), np.array(parts), requests)
    begin = 0
    for part, end in enumerate(ends):
        expected = TracesData()
        groups: dict[int, ScopeSpans] = {}
        for (kind, owner), own in zip(items, parts, strict=True):
            if own != part:
                continue
            if owner not in groups:
                entry = expected.resource_spans.add(resource=heads[owner].resource, schema_url="s")
                groups[owner] = entry.scope_spans.add(scope=scope.scope)
            groups[owner].spans.append(spans[kind])
        assert bytes(sheet.raw[begin:end]) == expected.SerializeToString()
        begin = end
    assert begin == len(sheet.raw)
