"""`testbed results`, `gate` and `report` as a user sees them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.lib.home import Home
from runners.results.reindex import reindex
from runners.results.store import open_store
from tests.runfiles import campaign


def testbed(home: Path, *arguments: str, code: int = 0):
    """Run the command; returns (stdout, stderr)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TESTBED_")}
    done = subprocess.run(
        [sys.executable, "-m", "runners", "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


testbed.__test__ = False


@pytest.fixture
def recorded(tmp_path):
    """A home with a passed and a failed campaign, ingested."""
    home = Home(tmp_path / "home")
    home.create()
    runs = [campaign(home), campaign(home, lost=3, start=1_790_000_100.0)]
    store = open_store(home.results_url)
    reindex(home, store)
    store.close()
    return home.root, runs


def test_lists_are_one_json_document_with_a_cursor(recorded):
    home, (first, second) = recorded
    page = json.loads(testbed(home, "results", "list", "--limit", "1", "--json")[0])
    assert [item["run"] for item in page["items"]] == [second.run]
    rest = json.loads(testbed(home, "results", "list", "--after", page["next"], "--json")[0])
    assert [item["run"] for item in rest["items"]] == [first.run] and rest["next"] is None
    text, _ = testbed(home, "results", "list", "--filter", "verdict == failed")
    assert second.run in text and first.run not in text
    _, error = testbed(home, "results", "list", "--filter", "verdict = failed", code=64)
    assert "write ==" in error


def test_show_by_prefix_and_last(recorded):
    home, (first, second) = recorded
    assert json.loads(testbed(home, "results", "show", "last", "--json")[0])["run"] == second.run
    text, _ = testbed(home, "results", "show", "last~1")
    assert first.run in text and "audit.lost == 0" in text and "crash" in text
    assert "no run" in testbed(home, "results", "show", "abcdef", code=2)[1]
    assert "several runs" in testbed(home, "results", "show", first.run[:7], code=64)[1]


def test_gates_are_computed_from_the_files_and_tell_by_exit_code(recorded):
    home, (first, _) = recorded
    told = json.loads(testbed(home, "gate", first.run, "--json")[0])
    assert told["verdict"] == "passed" and len(told["gates"]) == 3
    text, _ = testbed(home, "gate", "last", code=1)
    assert "audit.lost is 3, wanted == 0" in text
    text, _ = testbed(home, "gate", "last~1", "--expr", "p95(users.serch) < 1s", code=2)
    assert "measured nothing of that name" in text
    (home / "results.db").unlink()
    testbed(home, "gate", "last", code=1)


def test_an_optional_gate_without_an_answer_spoils_nothing_and_one_that_fails_does(recorded):
    home, (first, _) = recorded
    folder = home / "runs" / first.run
    unknown, wrong = "p95(users.serch) < 1s", "audit.lost > 0"

    def with_gates(*gates, optional=()):
        lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        for event in lines:
            if event["type"] == "run.started":
                event["gates"] = ["audit.lost == 0", *gates]
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in lines))
        (folder / "spec.json").write_text(json.dumps({"optional_gates": optional}))

    with_gates(unknown)
    testbed(home, "gate", first.run, code=2)
    with_gates(unknown, optional=[unknown])
    told = json.loads(testbed(home, "gate", first.run, "--json")[0])
    assert told["verdict"] == "passed" and [gate["optional"] for gate in told["gates"]] == [False, True]
    testbed(home, "gate", first.run, "--expr", unknown, code=2)
    with_gates(wrong, optional=[wrong])
    testbed(home, "gate", first.run, code=1)


def test_a_report_is_written_where_it_is_asked_for(recorded, tmp_path):
    home, _ = recorded
    testbed(home, "report", "last", "-o", str(tmp_path / "out"), "--format", "md,junit")
    assert sorted(os.listdir(tmp_path / "out")) == ["junit.xml", "summary.md"]
    assert "unknown report format" in testbed(home, "report", "last", "--format", "pdf", code=64)[1]


def test_a_lost_database_is_rebuilt(recorded):
    home, _ = recorded
    before = testbed(home, "results", "list", "--json")[0]
    for name in os.listdir(home):
        if name.startswith("results.db"):
            (home / name).unlink()
    assert json.loads(testbed(home, "results", "list", "--json")[0]) == {"items": [], "next": None}
    out, progress = testbed(home, "results", "reindex", "--json")
    assert json.loads(out)["runs"] == 2 and "2/2" in progress
    assert testbed(home, "results", "list", "--json")[0] == before


def test_a_broken_database_says_what_to_do_and_does_not_hide_the_files(recorded):
    home, (_, second) = recorded
    (home / "results.db").write_bytes(b"not a database" * 500)
    _, error = testbed(home, "results", "list", code=3)
    assert "results reindex" in error
    out, error = testbed(home, "gate", "last", "--json", code=1)
    assert json.loads(out)["run"] == second.run and "looking at the folders" in error


def test_a_server_that_is_down_is_an_error_in_words(recorded):
    home, _ = recorded
    _, error = testbed(home, "results", "list", "--db", "postgresql+psycopg2://me:secret@127.0.0.1:1/x", code=3)
    assert "cannot be reached" in error and "secret" not in error


def test_where_nothing_ran_a_query_says_so_and_makes_nothing(tmp_path):
    home = tmp_path / "none"
    assert "no runs yet" in testbed(home, "results", "list")[0]
    assert "no runs" in testbed(home, "results", "show", "last", code=2)[1]
    testbed(home, "gate", "last", code=2)
    testbed(home, "results", "reindex", code=2)
    assert not home.exists()
