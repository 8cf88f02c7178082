"""Undoing a fault, by whoever it falls to: its runner, its watchdog, or the next command when both are dead."""

from __future__ import annotations

import os
import time
from pathlib import Path

from runners.faults import audit, journal
from runners.faults.kinds import Fault, kind_of
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
    because an operation that its dead sender had already handed over can still land after the first revert.
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
    fault = kind_of(record)
    clean, attempts, clean_at, problem = 0, 0, 0.0, "the target did not come back"
    why = fault.gone(record)
    while why is None and clean < 2 and attempts < MAX_TRIES:
        attempts += 1
        try:
            fault.revert(record)
            found = _verified(fault, record, _PATIENCE_S)
        except (SupervisorError, OSError) as error:
            found, problem = False, str(error)
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
        record = record.with_(state="FAILED", reason=problem)
    record = journal.write(folder, record.with_(by=by, attempts=record.attempts + attempts))
    audit.append(
        Environment(folder.parent.parent), "revert", record.state, run=record.run, fault=record.fault,
        target=record.target, id=record.id, by=by, reason=record.reason,
    )  # fmt: skip
    return record


def _verified(fault: Fault, record: FaultRecord, patience_s: float) -> bool:
    """A service that is being started needs a moment: ask until it answers or the patience ends."""
    end = time.monotonic() + patience_s
    while not fault.verify(record):
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_S)
    return True


def recover(environment: Environment, *, failed: bool = False) -> list[FaultRecord]:
    """Settle the faults of one environment whose watchdog is proven dead (its lock is free). failed: retry those too."""
    folder, settled = environment.journal, []
    for record in journal.open_entries(folder):
        if (record.state == "FAILED" and not failed) or journal.watched(folder, record.run):
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
