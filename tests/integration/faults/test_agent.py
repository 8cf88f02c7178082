"""The agent on a host, as its file: it holds a fault for its time to live, and whoever is killed, the fault ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.faults import bundle, journal, recover
from runners.faults.record import FaultRecord
from runners.lib import locks, proc
from tests.integration.faults.test_dead_mans_switch import wait
from tests.supervised import Supervised

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(stand: Supervised, tmp_path: Path) -> Ask:
    """Runs the agent's file with the standard library alone."""
    name, content = bundle.agent()
    (tmp_path / name).write_bytes(content)

    def run(action: str, **options: str) -> dict[str, Any]:
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        done = subprocess.run(
            [sys.executable, "-I", "-S", tmp_path / name, action, "--environment", stand.environment.root, *words],
            capture_output=True, text=True, cwd="/", timeout=60,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (1 if "error" in found else 0), done.stderr
        return found

    return run


def record_of(stand: Supervised, found: dict[str, Any]) -> FaultRecord:
    record = journal.read(stand.journal, found["fault"]["id"])
    assert record is not None
    return record


def ended(stand: Supervised, found: dict[str, Any]) -> FaultRecord:
    """The record once it is closed; its holder and watchdog are gone then."""
    wait(lambda: not record_of(stand, found).open, 30)
    wait(lambda: not locks.held(stand.environment.chaos / "lock"))
    wait(lambda: not journal.watched(stand.journal, found["fault"]["run"]))
    return record_of(stand, found)


@pytest.mark.parametrize(("fault", "ttl"), [("pause", "3s"), ("kill", "30s"), ("restart", "30s")])
def test_a_fault_ends_by_itself_within_its_time_to_live(stand: Supervised, ask: Ask, fault: str, ttl: str) -> None:
    before = stand.snapshot()
    found = ask("inject", fault=fault, target="ingest", ttl=ttl)
    assert found["fault"]["state"] == "ACTIVE" and found["fault"]["effect"]
    record = ended(stand, found)
    assert (record.state, record.by) == ("REVERTED", "runner")
    assert record.reverted_at is not None and record.reverted_at <= record.deadline
    stand.wait_clean(before)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_killed_holder_ends_its_fault_at_once(stand: Supervised, ask: Ask, fault: str) -> None:
    before = stand.snapshot()
    found = ask("inject", fault=fault, target="ingest", ttl="60s")
    assert stand.snapshot() != before
    os.kill(found["fault"]["holder"], signal.SIGKILL)
    assert ended(stand, found).by == "watchdog"
    stand.wait_clean(before)


def test_one_fault_at_a_time_and_revert_ends_it_now(stand: Supervised, ask: Ask) -> None:
    before = stand.snapshot()
    found = ask("inject", fault="pause", target="ingest", ttl="60s")
    assert "another chaos run drives" in ask("inject", fault="kill", target="redis")["error"]
    assert "another chaos run drives" in "".join(ask("preflight")["problems"])
    assert ask("revert", id=found["fault"]["id"][:8])["settled"][0]["state"] == "REVERTED"
    assert ended(stand, found).by == "recover"
    assert ask("revert")["settled"] == []
    stand.wait_clean(before)


def test_the_holder_belongs_to_nobody_who_asked(stand: Supervised, ask: Ask) -> None:
    found = ask("inject", fault="pause", target="ingest", ttl="60s")
    holder = found["fault"]["holder"]
    status = proc.stat(holder)
    assert status is not None and status.parent != os.getpid() and os.getsid(holder) == holder
    names = {item.split(b"=")[0] for item in proc.environ(holder)}
    assert names <= {b"PATH", b"LANG", b"LC_ALL", b"TZ", b""}
    os.kill(holder, signal.SIGTERM)
    assert ended(stand, found).by == "runner"


def test_an_environment_that_goes_takes_the_fault_along(stand: Supervised, ask: Ask) -> None:
    """As teardown does: the fault is settled, then the journal goes."""
    found = ask("inject", fault="pause", target="ingest", ttl="60s")
    record = recover.settle(stand.journal, record_of(stand, found), "recover")
    journal.path(stand.journal, record.id).unlink()
    wait(lambda: not locks.held(stand.environment.chaos / "lock"))
    wait(lambda: not journal.watched(stand.journal, record.run))
    assert not journal.path(stand.journal, record.id).exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fault": "pause", "target": "shy"}, "has not opted in"),
        ({"fault": "pause", "target": "ingest", "ttl": "2h"}, "outside 0..600 s"),
        ({"fault": "pause", "target": "ingest", "ttl": "soon"}, "is not a duration"),
        ({"fault": "pause", "target": "inges"}, "no service 'inges'"),
    ],
)
def test_what_may_not_be_injected_is_refused(
    stand: Supervised, ask: Ask, options: dict[str, str], problem: str
) -> None:
    assert problem in ask("inject", **options)["error"]
    assert journal.open_entries(stand.journal) == []
