"""Undoing a fault, by whoever it falls to: its runner, its watchdog, or the next command when both are dead."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from runners.faults import audit, journal
from runners.faults.kinds import kind_of
from runners.faults.record import FaultRecord
from runners.faults.supervisor import SupervisorError
from runners.lib import locks
from runners.lib.home import Environment, Home

SETTLE_S = 0.25
MAX_TRIES = 12
_PATIENCE_S = 1.5
_POLL_S = 0.025


def settle(folder: Path, record: FaultRecord, by: str) -> FaultRecord:
    """Revert and verify one fault under its lock; returns the record as it then stands, REVERTED or FAILED.

    folder: the journal. by: `runner`, `watchdog` or `recover`. Two clean checks with a gap between them are needed,
    because an operation that its dead sender had already handed over can still land after the first revert; where that
    can take longer, it is waited for.
    """
    fd = locks.open_lock(journal.lock_path(folder, record.id))
    try:
        locks.wait_lock(fd)
        current = journal.read(folder, record.id) or record
        if not current.open:
            return current
        return _settle(folder, current, by)
    finally:
        os.close(fd)


def _settle(folder: Path, record: FaultRecord, by: str) -> FaultRecord:
    fault, before = kind_of(record), (record.state, record.reason)
    clean, attempts, clean_at, problem, answered = 0, 0, 0.0, "the target did not come back", False
    if record.landing_s and record.injected_at is None:
        with suppress(SupervisorError):  # who does not answer carries nothing out either
            _poll(lambda: fault.landed(record), record.landing_s)
    why = fault.gone(record)
    while why is None and clean < 2 and attempts < MAX_TRIES:
        attempts += 1
        try:
            fault.revert(record)
            answered = True
            # A service that is being started needs a moment.
            found = _poll(lambda: fault.verify(record), _PATIENCE_S)
        except SupervisorError as error:
            found, problem, answered = False, str(error), answered or not error.unanswered
        except OSError as error:
            found, problem, answered = False, str(error), True
        if found:
            clean_at = clean_at if clean else time.time()
            clean += 1
        else:
            clean = 0
            why = fault.gone(record)
        if clean < 2 and why is None:
            time.sleep(SETTLE_S)
    if why is not None:
        record = record.with_(state="REVERTED", reason=f"nothing to undo: {why}", reverted_at=time.time())
    elif clean >= 2:
        record = record.with_(state="REVERTED", reason=None, reverted_at=clean_at)
    else:
        record = record.with_(state="FAILED", reason=problem, unanswered=not answered)
    record = journal.write(folder, record.with_(by=by, attempts=record.attempts + attempts))
    if (record.state, record.reason) != before:  # whoever tries again and again says so once
        audit.append(
            Environment(folder.parent.parent), "revert", record.state, run=record.run, fault=record.fault,
            target=record.target, id=record.id, by=by, reason=record.reason,
        )  # fmt: skip
    return record


def _poll(holds: Callable[[], bool], patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_S)
    return True


def recover(environment: Environment, *, failed: bool = False) -> list[FaultRecord]:
    """Settle the faults of one environment whose watchdog is proven dead (its lock is free). failed: retry those too; those
    that nobody answered for are retried in any case."""
    folder, settled = environment.journal, []
    for record in journal.open_entries(folder):
        if not (failed or record.undoable) or journal.watched(folder, record.run):
            continue
        settled.append(settle(folder, record, "recover"))
    return settled


def recover_orphans(home: Home) -> list[FaultRecord]:
    """`recover` for every environment of a home. Costs a directory scan when there is nothing to do."""
    try:
        names = os.listdir(home.root / "env")
    except FileNotFoundError:
        return []
    return [record for name in sorted(names) for record in recover(home.env(name))]
