"""The fast way of filling holes writes what the slow one does, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.datagen.formats.columns import encode, words
from runners.datagen.formats.holes import HOLES, LONGEST_US, TRACE, Hole, render

TIMES = st.lists(st.integers(0, 4_102_444_800_000_000_000), min_size=1, max_size=40)
BITS = st.integers(0, (1 << 64) - 1)


def u64(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


@pytest.mark.parametrize("hole", [hole for hole in HOLES if hole.source == "time"], ids=lambda hole: hole.name)
@given(TIMES)
def test_times(hole: Hole, values: list[int]) -> None:
    assert [bytes(row).decode() for row in encode(hole, u64(values))] == [render(hole, value) for value in values]


@pytest.mark.parametrize(
    "hole", [hole for hole in HOLES if hole.source in ("span", "order")], ids=lambda hole: hole.name
)
@given(st.lists(BITS, min_size=1, max_size=40))
def test_numbers_in_hex(hole: Hole, values: list[int]) -> None:
    cut = [value & (1 << 4 * hole.width) - 1 for value in values]
    assert [bytes(row).decode() for row in encode(hole, u64(cut))] == [render(hole, value) for value in cut]


@given(st.lists(st.tuples(BITS, BITS), min_size=1, max_size=40))
def test_trace_ids(values: list[tuple[int, int]]) -> None:
    found = encode(TRACE, u64([low for _, low in values]), u64([high for high, _ in values]))
    assert [bytes(row).decode() for row in found] == [render(TRACE, high << 64 | low) for high, low in values]


@given(st.lists(st.integers(0, 2 * LONGEST_US * 1000), min_size=1, max_size=40))
def test_durations(values: list[int]) -> None:
    (hole,) = (hole for hole in HOLES if hole.source == "duration")
    assert [bytes(row).decode() for row in encode(hole, u64(values))] == [render(hole, value) for value in values]


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
def test_words_put_together_are_the_text(hole: Hole) -> None:
    values = u64([7, 1_795_671_748_123_456_789 % (1 << 4 * min(hole.width, 15))])
    matrix = encode(hole, values, values if hole is TRACE else None)
    out = bytearray(hole.width * 2)
    view = np.ndarray((len(out) - 7,), "<u8", out, strides=(1,))
    for at, column in words(matrix):
        view[np.array([at, hole.width + at])] = column
    assert bytes(out) == matrix.tobytes()
