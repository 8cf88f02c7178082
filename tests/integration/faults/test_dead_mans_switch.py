"""No fault outlives its injector: whoever is killed, whenever, the services end as an onlooker found them before."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runners.faults import journal, recover, tree
from runners.lib import proc
from tests.supervised import Supervised

KINDS = ("kill", "stop", "pause", "restart")
MOMENTS = ("pre", "mid", "post")
INJECTOR = Path(__file__).with_name("injector.py")
BAR_S = 15.0


class Running:
    """An injector in its own process, caught at the moment asked for."""

    def __init__(self, stand: Supervised, fault: str, moment: str, target: str = "ingest", ttl_s: float = 60) -> None:
        root = str(Path(__file__).resolve().parents[3])
        self.process = subprocess.Popen(
            [sys.executable, INJECTOR, str(stand.home.root), fault, target, str(ttl_s), moment],
            stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": root},
        )  # fmt: skip
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 30)[0], "the injector said nothing"
        assert self.process.stdout.readline().strip(), "the injector ended"
        (self.record,) = journal.open_entries(stand.journal)
        (self.watchdog,) = proc.carriers(proc.WATCHDOG_MARK, self.record.run)
        self.stand = stand

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def now(self) -> str:
        found = journal.read(self.stand.journal, self.record.id)
        assert found is not None
        return found.state


@contextmanager
def running(stand: Supervised, fault: str, moment: str, **more: object) -> Iterator[Running]:
    found = Running(stand, fault, moment, **more)  # type: ignore[arg-type]
    try:
        yield found
    finally:
        found.kill()
        assert found.process.stdout is not None
        found.process.stdout.close()
        wait(lambda: not proc.carriers(proc.WATCHDOG_MARK, found.record.run), 40)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", KINDS)
def test_the_injector_is_killed(stand: Supervised, fault: str, moment: str) -> None:
    before = stand.snapshot()
    with running(stand, fault, moment) as trial:
        trial.kill()
        wait(lambda: trial.now() == "REVERTED", BAR_S)
        stand.wait_clean(before, 1.0)
        found = journal.read(stand.journal, trial.record.id)
        assert found is not None and found.by == "watchdog"
        wait(lambda: not journal.watched(stand.journal, found.run))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", KINDS)
def test_injector_and_watchdog_are_killed_then_any_command_recovers(stand: Supervised, fault: str, moment: str) -> None:
    before = stand.snapshot()
    with running(stand, fault, moment) as trial:
        proc.kill(trial.watchdog, signal.SIGKILL)
        trial.kill()
        wait(lambda: not journal.watched(stand.journal, trial.record.run))
        begun = time.monotonic()
        settled = recover.recover_orphans(stand.home)
        assert [(item.id, item.state, item.by) for item in settled] == [(trial.record.id, "REVERTED", "recover")]
        assert time.monotonic() - begun < BAR_S
        stand.wait_clean(before, 1.0)
        assert recover.recover_orphans(stand.home) == []


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_hung_injector_is_killed_when_the_time_to_live_ends(stand: Supervised, fault: str) -> None:
    before = stand.snapshot()
    with running(stand, fault, "post", ttl_s=2) as trial:
        os.kill(trial.process.pid, signal.SIGSTOP)
        assert stand.snapshot() != before
        wait(lambda: trial.now() == "REVERTED", BAR_S)
        assert trial.process.wait(5) == -signal.SIGKILL
        found = journal.read(stand.journal, trial.record.id)
        assert found is not None and found.reverted_at is not None
        assert 0 <= found.reverted_at - found.deadline < 2.0
        stand.wait_clean(before, 1.0)


@pytest.mark.parametrize("fault", ["kill", "stop", "pause"])
def test_the_target_is_restarted_during_the_fault(stand: Supervised, fault: str) -> None:
    before = stand.snapshot()
    with running(stand, fault, "post") as trial:
        main = stand.main_pid("ingest")
        if main is not None:
            os.kill(main, signal.SIGKILL)  # its supervisor starts another one, which nobody paused
            wait(lambda: stand.main_pid("ingest") not in (None, main))
        trial.kill()
        wait(lambda: trial.now() == "REVERTED", BAR_S)
        stand.wait_clean(before, 2.0)


def test_a_child_of_a_dead_main_process_is_continued_too(stand: Supervised) -> None:
    with running(stand, "pause", "post") as trial:
        kept = trial.record.guards.processes
        assert len(kept) == 3
        trial.kill()
        wait(lambda: trial.now() == "REVERTED", BAR_S)
        assert not tree.stopped(kept)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_terminating_the_watchdog_politely_does_nothing(stand: Supervised, fault: str) -> None:
    with running(stand, fault, "post") as trial:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(trial.watchdog, number)
        trial.kill()
        wait(lambda: trial.now() == "REVERTED", BAR_S)


def test_the_watchdog_cannot_be_taken_for_the_run_and_keeps_nothing_open(stand: Supervised) -> None:
    with running(stand, "pause", "post") as trial:
        names = {item.split(b"=")[0] for item in proc.environ(trial.watchdog)}
        assert b"TESTBED_RUN_ID" not in names and b"TESTBED_EVENTS_FD" not in names
        assert os.getsid(trial.watchdog) == trial.watchdog
        lock = str(journal.watchdog_path(stand.journal, trial.record.run))
        wait(lambda: open_files(trial.watchdog) == sorted(["/dev/null"] * 3 + ["anon_inode:[pidfd]", lock]))


def open_files(pid: int) -> list[str]:
    """The journal's folder is open only while it is read."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.append(str(Path(f"/proc/{pid}/fd/{fd}").readlink()))
    return sorted(found)


def wait(condition, patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
