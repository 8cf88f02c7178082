"""What sinks said when they did not take a request is kept beside the rows, in bounds, and nothing fails because of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.ledger.header import Header
from runners.ledger.refusals import MOST_TEXTS, REFUSALS, Refusal, Refusals, read_refusals
from runners.ledger.writer import LedgerWriter

HEADER = Header("run", "local", "test", "x", "0" * 64, 0, 0, 1.0, ("acme",), "0")


def test_equal_words_are_counted_together_and_others_apart(tmp_path: Path) -> None:
    found = Refusals(tmp_path)
    for at, said in (
        (10.0, (0, "logs", 413, "too large")),
        (11.0, (0, "logs", 413, "too large")),
        (12.0, (0, "logs", 400, "too large")),
        (9.0, (1, "logs", 413, "too large")),
        (9.5, (0, "traces", 413, "too large")),
        (30.0, (0, "logs", 413, "too large")),
        (31.0, (0, "logs", 413, "")),
    ):
        found.add(*said, at)  # type: ignore[arg-type]
    found.flush()
    read = read_refusals(tmp_path)
    assert read[0] == Refusal(0, "logs", 413, "too large", 3, 10.0, 30.0)
    assert set(read[1:]) == {
        Refusal(0, "logs", 400, "too large", 1, 12.0, 12.0),
        Refusal(1, "logs", 413, "too large", 1, 9.0, 9.0),
        Refusal(0, "traces", 413, "too large", 1, 9.5, 9.5),
        Refusal(0, "logs", 413, "", 1, 31.0, 31.0),
    }


def test_a_sink_that_says_something_else_each_time_fills_no_disk(tmp_path: Path) -> None:
    found = Refusals(tmp_path)
    for number in range(1000):
        found.add(0, "logs", 400, f"line {number} is too old", float(number))
        found.add(0, "logs", 400, "x" * 100_000, float(number))
    found.flush()
    read = read_refusals(tmp_path)
    assert len(read) == MOST_TEXTS + 1 and sum(one.attempts for one in read) == 2000
    (rest,) = (one for one in read if not one.text)
    assert (rest.attempts, rest.last) == (1000 - (MOST_TEXTS - 1), 999.0)
    assert (tmp_path / REFUSALS).stat().st_size < 10_000


@pytest.mark.parametrize("text", ["a\nb\r\n  c", "a\x1b[31m b", "\ud800 a", "\x00"])
def test_words_stay_in_one_line_and_do_nothing_to_a_terminal(tmp_path: Path, text: str) -> None:
    found = Refusals(tmp_path)
    found.add(0, "logs", 400, text, 1.0)
    (read,) = read_refusals(tmp_path)
    assert read.text.isprintable() and read.text.replace("\ufffd", "").strip() in ("a b c", "a[31m b", "a", "")


def test_a_new_text_is_on_the_disk_at_once_and_counts_within_a_second(tmp_path: Path) -> None:
    now = 0.0
    found = Refusals(tmp_path, clock=lambda: now)

    def counted() -> dict[str, int]:
        return {one.text: one.attempts for one in read_refusals(tmp_path)}

    found.add(0, "logs", 413, "too large", 1.0)
    assert counted() == {"too large": 1}
    found.add(0, "logs", 413, "too large", 2.0)
    assert counted() == {"too large": 1}
    found.add(0, "logs", 413, "another", 3.0)
    assert counted() == {"too large": 2, "another": 1}
    now = 1.1
    found.add(0, "logs", 413, "another", 4.0)
    assert counted() == {"too large": 2, "another": 2}


def test_a_resumed_run_goes_on_counting_and_shards_are_counted_in(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    for ledger in (LedgerWriter(folder, HEADER, b""), LedgerWriter(folder / "shard-1", HEADER, b"")):
        ledger.note(0, "logs", 413, "too large")
        ledger.close()
    again = LedgerWriter.reopen(folder)
    again.note(0, "logs", 413, "too large")
    for _ in range(2):  # the second is told when the ledger is closed
        again.note(0, "logs", 503, "")
    again.close()
    assert [(one.status, one.text, one.attempts) for one in read_refusals(folder)] == [
        (413, "too large", 3),
        (503, "", 2),
    ]


def test_what_shards_were_told_is_one_from_the_first_to_the_last(tmp_path: Path) -> None:
    for number, at in enumerate((20.0, 10.0, 30.0)):
        (folder := tmp_path / f"shard-{number}").mkdir()
        Refusals(folder).add(0, "logs", 413, "too large", at)
    assert read_refusals(tmp_path) == [Refusal(0, "logs", 413, "too large", 3, 10.0, 30.0)]


@pytest.mark.parametrize(
    "there", ["", "no json", "[]", '{"sink": 0}', '{"sink": 0, "signal": "smells", "status": 1, "text": "", "attempts": 1, "first": 0, "last": 0}',
        '{"sink": Infinity, "signal": "logs", "status": 1, "text": "", "attempts": 1, "first": 0, "last": 0}',
        '{"sink": 0, "signal": "logs", "status": 1, "text": "", "attempts": 1, "first": 0, "last": 1e300}', "[" * 100_000]
)  # fmt: skip
def test_what_cannot_be_read_says_nothing(tmp_path: Path, there: str) -> None:
    assert read_refusals(tmp_path) == []
    (tmp_path / REFUSALS).write_text(there)
    assert read_refusals(tmp_path) == []


def test_a_sink_of_many_statuses_fills_no_disk(tmp_path: Path) -> None:
    found = Refusals(tmp_path)
    for number in range(2_400):
        found.add(0, "logs", 200 + number % 800, f"line {number} " + "x" * 1000, float(number))
    found.flush()
    read = read_refusals(tmp_path)
    assert sum(one.attempts for one in read) == 2_400
    assert (tmp_path / REFUSALS).stat().st_size < 500_000


def test_words_are_kept_whatever_the_users_locale_is(tmp_path: Path) -> None:
    code = "import sys, pathlib; from runners.ledger.refusals import Refusals; Refusals(pathlib.Path(sys.argv[1])).add(0, 'logs', 400, 'zu gro\\xdf \\ufffd', 1.0)"
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=os.environ | plain)
    assert [one.text for one in read_refusals(tmp_path)] == ["zu groß \ufffd"]


def test_a_disk_that_is_full_keeps_no_half_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Refusals(tmp_path)
    found.add(0, "logs", 400, "first", 1.0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fchmod", full)
    found.add(0, "logs", 400, "second", 2.0)
    assert [path.name for path in tmp_path.iterdir()] == [REFUSALS]
    assert [one.text for one in read_refusals(tmp_path)] == ["first"]
    monkeypatch.undo()
    found.flush()
    assert {one.text for one in read_refusals(tmp_path)} == {"first", "second"}


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    found = Refusals(tmp_path / "gone")
    found.add(0, "logs", 413, "too large", 1.0)
    found.flush()
    assert not (tmp_path / "gone").exists()
