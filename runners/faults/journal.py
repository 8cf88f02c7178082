"""The journal of faults: one JSON file each, durable before anything is injected (write, sync, rename, sync folder).

Beside it lie lock files, which are never unlinked: `<run>.wd` (held by the run's watchdog as long as it lives) and
`<fault>.lock` (held by whoever undoes this fault).
"""

from __future__ import annotations

import os
from pathlib import Path

from runners.faults.record import FaultRecord
from runners.lib import files, locks


def path(folder: Path, fault_id: str) -> Path:
    return folder / f"{fault_id}.json"


def lock_path(folder: Path, fault_id: str) -> Path:
    return folder / f"{fault_id}.lock"


def watchdog_path(folder: Path, run: str) -> Path:
    return folder / f"{run}.wd"


def write(folder: Path, record: FaultRecord) -> FaultRecord:
    """Make the record durable; returns it. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A writer that is killed leaves its temporary file; the pid keeps two writers from sharing one.
    files.write_json(path(folder, record.id), record.to_json(), tmp=f".{os.getpid()}.tmp")
    return record


def read(folder: Path, fault_id: str) -> FaultRecord | None:
    """None when there is no such record, or no whole one."""
    document = files.read_json(path(folder, fault_id))
    if not isinstance(document, dict):
        return None
    try:
        return FaultRecord.from_json(document)
    except (KeyError, TypeError):
        return None


def entries(folder: Path, run: str | None = None) -> list[FaultRecord]:
    """All records (of one run), oldest first."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json")]
    except FileNotFoundError:
        return []
    found = [record for name in names if (record := read(folder, name.removesuffix(".json"))) is not None]
    return sorted((record for record in found if run is None or record.run == run), key=lambda item: item.planned_at)


def unreadable(folder: Path) -> list[Path]:
    """Records that nobody can read any more, so nobody knows what they would have to revert."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json")]
    except FileNotFoundError:
        return []
    return [
        folder / name
        for name in sorted(names)
        if read(folder, name.removesuffix(".json")) is None and (folder / name).exists()
    ]


def open_entries(folder: Path, run: str | None = None) -> list[FaultRecord]:
    """Records of which something may still be in force."""
    return [record for record in entries(folder, run) if record.open]


def watched(folder: Path, run: str) -> bool:
    """Does a watchdog of this run live?"""
    return locks.held(watchdog_path(folder, run))
