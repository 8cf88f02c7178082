"""A fault whose target no longer exists is closed: there is nothing to undo."""

import os
import signal
import time
from pathlib import Path

from runners.faults import journal, recover, services
from runners.faults.injection import Injector
from runners.lib import proc
from tests.supervised import supervised


def test_the_supervisor_dies_during_the_fault(tmp_path: Path) -> None:
    with supervised(tmp_path) as stand:
        injector = Injector(services.load(stand.environment), "run-gone")
        records = [injector.inject("stop", "redis", 60), injector.inject("pause", "ingest", 60)]
        os.kill(stand.pid, signal.SIGKILL)
        os.waitpid(stand.pid, 0)
        proc.sweep("TESTBED_ENV_ID", stand.env_id)  # as PDEATHSIG does for the services of a real environment
        for pid in proc.carriers(proc.WATCHDOG_MARK, "run-gone"):
            proc.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while journal.watched(stand.journal, "run-gone"):
            assert time.monotonic() < deadline
        settled = {item.id: item for item in recover.recover_orphans(stand.home)}
        assert set(settled) == {record.id for record in records}
        for record in settled.values():
            assert record.state == "REVERTED" and record.reason is not None and "nothing to undo" in record.reason


def test_the_machine_was_booted_since(tmp_path: Path) -> None:
    with supervised(tmp_path) as stand:
        injector = Injector(services.load(stand.environment), "run-boot")
        record = injector.inject("pause", "ingest", 60)
        guards = type(record.guards)(**{**vars(record.guards), "boot_id": "another boot"})
        for pid in proc.carriers(proc.WATCHDOG_MARK, "run-boot"):
            proc.kill(pid, signal.SIGKILL)
        settled = recover.settle(stand.journal, journal.write(stand.journal, record.with_(guards=guards)), "recover")
        assert settled.state == "REVERTED" and settled.reason == "nothing to undo: the machine was booted since"
        assert stand.snapshot()["ingest"]["stopped"] == 3  # pids of another boot are not ours to signal
