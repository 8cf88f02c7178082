"""Chunks and summaries: exact, and the same however the points came."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.lib.histogram import Histogram
from runners.results import chunks
from runners.results.points import Track
from runners.results.rows import Rows, document, identity, merged_fault

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=chunks.POINTS))
def test_scalars_come_back_bit_for_bit(points):
    t, v = [p[0] for p in points], [p[1] for p in points]
    assert chunks.decode(chunks.encode(t, v, "gauge")) == (t, v)


@pytest.mark.parametrize("n", [1, 99, 100])
def test_histograms_come_back_full_or_open(n):
    values = []
    for number in range(n):
        histogram = Histogram()
        histogram.record(number + 0.5, error=number % 3 == 0)
        values.append(histogram.to_json())
    t = [float(number) for number in range(n)]
    data = chunks.encode(t, [chunks.entry(at, value) for at, value in zip(t, values, strict=True)], "histogram")
    assert chunks.decode(data) == (t, values)
    times, lines = chunks.reopened(data)
    assert chunks.encode(times, lines, "histogram") == data


def test_an_unknown_format_is_refused():
    for data in (b"", b"\x09abc", b"\x01abc"):
        with pytest.raises(ValueError):
            chunks.decode(data)


def tables(track_maker, parts):
    """What the tables hold after flushing each part: the last row of every key wins."""
    track, chunks_, metric = track_maker(), {}, None
    for t, v in parts:
        track.add(t, v)
        rows = Rows()
        track.flush("run", rows)
        for row in rows.new_chunks:
            assert row[2] not in chunks_, "a new chunk must be new"
            chunks_[row[2]] = row
        for row in rows.grown_chunks:
            assert row[2] in chunks_, "a chunk that grows must be there"
            chunks_[row[2]] = row
        metric = rows.metrics[-1] if rows.metrics else metric
    return chunks_, metric


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=350), st.lists(st.integers(0, 350), max_size=6))
def test_scalars_make_the_same_rows_however_they_are_cut(values, cuts):
    t = [float(number) for number in range(len(values))]
    edges = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    parts = [(t[a:b], values[a:b]) for a, b in itertools.pairwise(edges)]

    def maker():
        return Track("m", {}, "1", "gauge")

    assert tables(maker, parts) == tables(maker, [(t, values)])


@given(st.lists(st.lists(st.floats(1e-6, 100), max_size=3), min_size=1, max_size=230), st.integers(1, 120))
def test_histograms_make_the_same_rows_however_they_are_cut(seconds, size):
    values = []
    for second in seconds:
        histogram = Histogram()
        histogram.record_many(second)
        values.append(json.loads(json.dumps(histogram.to_json())))
    t = [float(number) for number in range(len(values))]
    parts = [(t[at : at + size], values[at : at + size]) for at in range(0, len(t), size)]

    def maker():
        return Track("m", {}, "s", "histogram")

    assert tables(maker, parts) == tables(maker, [(t, values)])


def test_unusable_points_are_counted_and_left_out():
    track, rows = Track("m", {}, "1", "gauge"), Rows()
    assert track.add([1.0, 2.0, 3.0, 4.0, 5.0], ["x", float("nan"), 10**400, 7, True]) == 0
    assert track.add([1.0, 2.0], [1.0]) == 1
    assert track.flush("run", rows) == 3
    assert chunks.decode(rows.new_chunks[0][-1]) == ([4.0, 5.0, 1.0], [7.0, 1.0, 1.0])


def test_names_have_the_same_number_everywhere():
    assert identity("load", "search.logs") == identity("load", "search.logs") != identity("loads", "earch.logs")
    assert 0 <= identity("") < 1 << 63


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda i: st.lists(i) | st.dictionaries(st.text(), i),
        max_leaves=8,
    )
)
def test_any_document_can_be_stored(value):
    text = document(value)
    text.encode("utf-8")
    assert "\\u0000" not in text or "\\\\u0000" in text
    json.loads(text, parse_constant=pytest.fail)


@given(
    st.permutations(
        [
            {"reverted_at": 5.0, "reverted_by": "watchdog"},
            {"reverted_at": 3.0, "reverted_by": "runner"},
            {"fault": "kill", "injected_at": 1.0},
        ]
    )
)
def test_what_is_known_of_a_fault_does_not_depend_on_the_order(told):
    known = {}
    for columns in told:
        known = merged_fault(known, columns)
    assert known == {"reverted_at": 3.0, "reverted_by": "runner", "fault": "kill", "injected_at": 1.0}
