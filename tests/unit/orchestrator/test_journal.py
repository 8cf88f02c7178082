"""The journal: contiguous, whole lines, repaired ends, honest on a full disk."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.events import body
from runners.orchestrator import journal as module
from runners.orchestrator.journal import DiskFull, Journal
from runners.orchestrator.tail import Tail


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]


def test_events_get_a_head_and_numbers_without_gaps(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run-1", 'a "stage"')
    journal.append([body("log", message="ä"), body("phase", name="steady")])
    journal.append([body("log", message="x")], sync=True)
    found = lines(tmp_path)
    assert [event["seq"] for event in found] == [0, 1, 2]
    assert {(event["v"], event["run"], event["stage"]) for event in found} == {(1, "run-1", 'a "stage"')}


@given(cut=st.integers(0, 400), count=st.integers(0, 3), junk=st.binary(max_size=40))
def test_whatever_a_kill_left_behind_the_last_whole_line_stays_and_seq_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int, count: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    first = Journal(folder, "r")
    first.append([body("log", message="m" * number) for number in range(count)] or [body("log")])
    first.close()
    path = folder / "events.jsonl"
    data = path.read_bytes()
    whole = data[: max(0, len(data) - cut)]
    path.write_bytes(whole + junk.replace(b"\n", b" "))
    kept = whole[: whole.rfind(b"\n") + 1].count(b"\n")
    again = Journal(folder, "r")
    assert again.seq == kept
    again.append([body("log", message="after")])
    assert [event["seq"] for event in lines(folder)] == list(range(kept + 1))


def test_lines_that_a_power_cut_left_as_zeros_are_cut_off(tmp_path: Path) -> None:
    Journal(tmp_path, "r").append([body("log"), body("log")])
    path = tmp_path / "events.jsonl"
    path.write_bytes(path.read_bytes() + b"\0" * 50 + b"\n" + b"\0" * 30 + b"\n")
    assert Journal(tmp_path, "r").seq == 2
    assert len(lines(tmp_path)) == 2


def test_a_journal_of_one_half_line_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b'{"v":1,"se')
    journal = Journal(tmp_path, "r")
    assert (journal.seq, journal.size, journal.last) == (0, 0, None)


@given(room=st.integers(0, 500), count=st.integers(1, 5))
def test_on_a_full_disk_whole_lines_stay_half_ones_go_and_the_rest_can_follow(
    tmp_path_factory: pytest.TempPathFactory, room: int, count: int
) -> None:
    folder = tmp_path_factory.mktemp("full")
    journal = Journal(folder, "r")
    bodies = [body("log", message="m" * 20, number=number) for number in range(count)]
    left = room
    true_write = os.write

    def write(fd: int, data: bytes) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        done = true_write(fd, bytes(data)[:left])
        left -= done
        return done

    patch = pytest.MonkeyPatch()
    patch.setattr(module.os, "write", write)
    seen = Tail(folder / "events.jsonl")
    try:
        journal.append(bodies)
        written = count
    except DiskFull as full:
        written = full.written
    finally:
        patch.undo()
    early = seen.read()
    assert [event["number"] for event in early] == list(range(written))
    journal.append(bodies[written:]) if bodies[written:] else None
    assert [event["number"] for event in early + seen.read()] == list(range(count)), "a reader sees each once"
    assert [event["seq"] for event in lines(folder)] == list(range(count))


def test_a_reader_never_keeps_a_half_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"seq":0}\n{"seq":1,"x":"ha')
    tail = Tail(path)
    assert [event["seq"] for event in tail.read()] == [0]
    os.truncate(path, 10)
    with path.open("ab") as file:
        file.write(b'{"seq":1,"type":"run.aborted"}\n')
    assert [event["type"] for event in tail.read()] == ["run.aborted"]
