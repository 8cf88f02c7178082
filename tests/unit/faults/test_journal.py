"""The journal: what is written is read back, and what is not whole is no record."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.faults import journal
from runners.faults.record import Access, FaultRecord, Guards, Identity, Operation
from runners.lib import locks

identities = st.builds(Identity, st.integers(1, 2**22), st.integers(0, 2**40))
operations = st.tuples(st.builds(Operation, st.text(), st.text(), st.text()))
records = st.builds(
    FaultRecord,
    id=st.uuids().map(str),
    run=st.sampled_from(["run-a", "run-b"]),
    state=st.sampled_from(["PLANNED", "ACTIVE", "REVERTED", "FAILED"]),
    inject=operations,
    revert=operations,
    guards=st.builds(Guards, st.text(), st.text(), identities, identities, st.lists(identities, max_size=3).map(tuple)),
    access=st.builds(
        Access, st.text(), st.text(), st.text(), st.text(), st.fixed_dictionaries({"port": st.integers()})
    ),
    v=st.just(1),
)


def record(**changes: object) -> FaultRecord:
    made = FaultRecord(
        id="f", run="run-a", environment="local", fault="kill", target="ingest", state="PLANNED", ttl_s=20,
        planned_at=1, deadline=21, deadline_boot=21, inject=(), revert=(Operation("supervisor", "start"),),
        guards=Guards("boot", "env", Identity(1, 1), Identity(2, 2), (Identity(2, 2),)),
        access=Access("unix:///s", "u", "/p", "ingest", {}),
    )  # fmt: skip
    return made.with_(**changes)


@given(records)
def test_a_record_survives_the_trip(made: FaultRecord) -> None:
    text = json.dumps(made.to_json())
    again = FaultRecord.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text and type(again.guards.main) is Identity


def test_entries_are_those_of_the_run_oldest_first(tmp_path: Path) -> None:
    for number, run in ((3, "run-a"), (1, "run-a"), (2, "run-b")):
        journal.write(tmp_path, record(id=f"f{number}", run=run, planned_at=number))
    assert [item.id for item in journal.entries(tmp_path)] == ["f1", "f2", "f3"]
    assert [item.id for item in journal.entries(tmp_path, "run-a")] == ["f1", "f3"]
    assert journal.entries(tmp_path / "absent") == []


def test_open_are_all_but_the_reverted(tmp_path: Path) -> None:
    for state in ("PLANNED", "ACTIVE", "REVERTED", "FAILED"):
        journal.write(tmp_path, record(id=state, state=state))
    assert {item.id for item in journal.open_entries(tmp_path)} == {"PLANNED", "ACTIVE", "FAILED"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "f"}', '"x"'])
def test_what_is_not_whole_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text)
    assert journal.entries(tmp_path) == []


def test_a_half_written_record_leaves_the_former_one(tmp_path: Path) -> None:
    journal.write(tmp_path, record())
    (tmp_path / f"f.json.{os.getpid()}.tmp").write_text('{"id": "f", "sta')
    assert [item.state for item in journal.entries(tmp_path)] == ["PLANNED"]


def test_the_folder_is_private(tmp_path: Path) -> None:
    journal.write(tmp_path / "chaos" / "journal", record())
    assert (tmp_path / "chaos" / "journal").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "chaos" / "journal" / "f.json").stat().st_mode & 0o777 == 0o600


def test_a_run_is_watched_as_long_as_the_lock_is_held(tmp_path: Path) -> None:
    assert not journal.watched(tmp_path, "run-a")
    fd = locks.open_lock(journal.watchdog_path(tmp_path, "run-a"))
    assert not journal.watched(tmp_path, "run-a")
    assert locks.try_lock(fd) and journal.watched(tmp_path, "run-a")
    os.close(fd)
    assert not journal.watched(tmp_path, "run-a")


def test_operations_read_as_sentences() -> None:
    assert Operation("signal", "SIGKILL").describe("ingest") == "send SIGKILL to the main process of ingest"
    assert Operation("supervisor", "start").describe("redis") == "ask the supervisor to start redis unless it runs"
