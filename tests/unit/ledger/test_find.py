from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.ledger.find import find_ledger
from runners.lib.errors import NotReady

OLD, NEW, STAGE = "01990000-0000-7000-8000-00000000000a", "01991111-0000-7000-8000-00000000000b", "01991111-0001-7000-8000-00000000000c"  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for run, campaign in ((OLD, OLD), (STAGE, NEW)):
        ledger = tmp_path / run / "artifacts" / "ledger"
        ledger.mkdir(parents=True)
        (ledger / "header.json").write_text("{}")
        (tmp_path / run / "spec.json").write_text(json.dumps({"id": run, "campaign_run": campaign}))
    (tmp_path / NEW).mkdir()
    (tmp_path / "01992222-0000-7000-8000-00000000000d").mkdir()  # newer, but it wrote nothing
    return tmp_path


def folder(runs: Path, run: str) -> Path:
    return runs / run / "artifacts" / "ledger"


@pytest.mark.parametrize(
    ("reference", "run"),
    [("last", STAGE), ("last~0", STAGE), ("last~1", OLD), (NEW, STAGE), (STAGE, STAGE), ("01991111-0000", STAGE), ("019900", OLD)],
)  # fmt: skip
def test_a_run_is_named_by_itself_its_campaign_or_a_prefix(runs: Path, reference: str, run: str) -> None:
    assert find_ledger(runs, reference) == folder(runs, run)


def test_a_folder_is_taken_as_it_is(runs: Path) -> None:
    assert find_ledger(Path("/nowhere"), str(folder(runs, OLD))) == folder(runs, OLD)
    assert find_ledger(Path("/nowhere"), str(runs / OLD)) == folder(runs, OLD)


@pytest.mark.parametrize(
    ("reference", "message"),
    [("last~2", "2 runs have a ledger"), ("019", "too short"), ("01aaaaaa", "no run"), ("01992222", "no run")],
)
def test_what_is_not_there_is_said(runs: Path, reference: str, message: str) -> None:
    with pytest.raises(NotReady, match=message):
        find_ledger(runs, reference)


def test_a_path_without_a_ledger_is_said_to_be_what_it_is(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "abc").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "torn" / "artifacts" / "ledger").mkdir(parents=True)
    (tmp_path / "torn" / "artifacts" / "ledger" / "attempts.bin").touch()
    monkeypatch.chdir(tmp_path)
    for reference, message in (
        ("/", "the folder / holds no ledger"),
        (".", "holds no ledger"),
        ("abc", "the folder abc holds no ledger"),
        ("notes.txt", "notes.txt is a file"),
        ("./nowhere", "there is no folder nowhere"),
        ("torn", "ledger in torn/artifacts/ledger has no header.json"),
        ("a/" * 5000, "there is no folder"),
        ("a" * 5000, "no run"),
    ):
        with pytest.raises(NotReady, match=message) as caught:
            find_ledger(runs, reference)
        assert caught.value.remedy and caught.value.exit_code == 2


def test_a_run_is_found_where_a_folder_of_that_name_is_no_ledger(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "019900").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_ledger(runs, "019900") == folder(runs, OLD)


def test_two_ledgers_of_one_campaign_must_be_told_apart(runs: Path) -> None:
    (runs / OLD / "spec.json").write_text(json.dumps({"id": OLD, "campaign_run": NEW}))
    with pytest.raises(NotReady, match="names 2 ledgers"):
        find_ledger(runs, "last")
