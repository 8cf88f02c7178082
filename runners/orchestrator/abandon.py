"""End a run whose coordinator cannot work: five starts brought no event. Its state becomes `error`, its log stays."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from runners.events import body
from runners.lib import locks
from runners.lib.files import read_json, write_json
from runners.lib.home import Home
from runners.orchestrator import lease
from runners.orchestrator.attempt import Attempt, last_line
from runners.orchestrator.journal import DiskFull, Journal
from runners.orchestrator.starting import signal_shim
from runners.orchestrator.verdicts import exit_code

_STAGE_PATIENCE_S = 10.0


def abandon(home: Home, run: str) -> None:
    """Kill what is left of the stages, settle faults, end the journal, write exit.json, free the lease, drop the mark.

    The caller holds coord.lock. An end that the journal has already announced is kept.
    """
    folder = home.run(run)
    document = read_json(folder / "spec.json")
    spec: dict[str, Any] = document if isinstance(document, dict) else {}
    for stage in spec.get("stages", []):
        for attempt in stage.get("runs", []):
            _end_stage(home.run(attempt))
    environment = home.env(str(spec.get("environment", "local")))
    if environment.journal.is_dir():
        from runners.faults import recover

        recover.recover(environment)
    reason = f"its coordinator failed five times: {last_line(folder / 'coord.log')}"
    state, verdict = "error", "invalid"
    journal = Journal(folder, run)
    seq = journal.seq
    if journal.last and journal.last["type"] == "run.finished":
        state, verdict, reason = (journal.last[key] for key in ("state", "verdict", "reason"))
    else:
        with suppress(DiskFull):
            journal.append([body("run.finished", state=state, verdict=verdict, reason=reason)], sync=True)
            seq = journal.seq
    journal.close()
    if not (folder / "exit.json").exists():
        end = {"state": state, "verdict": verdict, "reason": reason, "exit_code": exit_code(state, verdict)}
        write_json(folder / "exit.json", end | {"seq": seq, "stored": False, "problem": None, "at": time.time()})
    _free_lease(home, environment.name, run)
    (home.live / run).unlink(missing_ok=True)


def _end_stage(folder: Path) -> None:
    """Its shim is killed (the runner dies with it), what it left is swept, its end is written by who finds it lost."""
    attempt = Attempt(folder, str((read_json(folder / "spec.json") or {}).get("stage", "")))
    end = time.monotonic() + _STAGE_PATIENCE_S
    while attempt.standing(foreign_boot=False) == "live" and time.monotonic() < end:
        signal_shim(folder, signal.SIGKILL)
        time.sleep(0.02)
    if attempt.standing(foreign_boot=False) == "dead":
        attempt.repair()
    attempt.release()


def _free_lease(home: Home, name: str, run: str) -> None:
    environment = home.env(name)
    if lease.orphan(home, environment) != run:
        return
    fd = locks.open_lock(environment.lease)
    try:
        if locks.try_lock(fd):
            os.pwrite(fd, b"{}".ljust(512), 0)
    finally:
        os.close(fd)
