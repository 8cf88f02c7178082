"""From a runner's bytes to event bodies."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.events import MAX_LINE, body
from runners.orchestrator.pipes import Lines, event_of, output_of


def read_all(data: bytes, chunk: int = 1 << 16) -> tuple[list[bytes], Lines]:
    reader, writer = os.pipe2(os.O_NONBLOCK)
    lines = Lines(reader)
    found: list[bytes] = []
    try:
        for start in range(0, len(data), chunk):
            os.write(writer, data[start : start + chunk])
            found += lines.read()
        os.close(writer)
        found += lines.read()
    finally:
        os.close(reader)
    return found, lines


@given(
    parts=st.lists(st.binary(max_size=50).map(lambda item: item.replace(b"\n", b"")), max_size=8),
    chunk=st.integers(1, 40),
)
def test_lines_are_the_same_however_they_arrive(parts: list[bytes], chunk: int) -> None:
    found, lines = read_all(b"".join(part + b"\n" for part in parts), chunk)
    assert found == parts
    assert lines.ended
    assert not lines.torn


def test_a_half_line_at_the_end_is_dropped_and_told() -> None:
    found, lines = read_all(b"whole\nha")
    assert (found, lines.torn) == ([b"whole"], True)


def test_an_endless_line_is_cut_once_and_what_follows_it_is_read() -> None:
    found, _ = read_all(b"x" * (3 * MAX_LINE) + b"\nnext\n")
    assert len(found) == 2
    assert found[1] == b"next"
    complaint = event_of(found[0])
    assert complaint is not None
    assert json.loads(complaint[0])["message"] == "event too long, cut"


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'"x"', b"{}", b'{"type":"log"}', b'{"type":7,"ts":1,"mono_ns":1}', b"\xff\xfe{}", b"nonsense",
     b'{"type":"metric.points","ts":1,"mono_ns":1,"v":[NaN]}'],
)  # fmt: skip
def test_a_line_that_is_no_event_becomes_a_warning(line: bytes) -> None:
    found = event_of(line)
    assert found is not None
    event = json.loads(found[0])
    assert (event["type"], event["level"], event["message"]) == ("log", "warn", "not an event")


def test_a_runner_cannot_forge_what_the_shim_writes() -> None:
    forged = body("log", seq=77, run="other", stage="other", v=9, message="m")
    found = event_of(forged)
    assert found is not None
    assert not {"seq", "run", "stage", "v"} & set(json.loads(found[0]))


def test_plain_output_is_kept_as_text() -> None:
    text = output_of("grüße\xff".encode("latin-1"))
    assert text is not None
    assert json.loads(text)["text"].startswith("gr")
    assert output_of(b"") is None
