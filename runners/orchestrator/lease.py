"""Who drives an environment: a lock beside its state, whose content, written in place, names the run.

The lock is truth; the content tells people, and tells a successor whose run it was.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.lib import locks
from runners.lib.home import Environment, Home

_SIZE = 512


def holder(environment: Environment) -> dict[str, Any] | None:
    """The content `{run, pid, …}` while somebody holds the lease, else None. A query."""
    return _content(environment.lease) if locks.held(environment.lease) else None


def orphan(home: Home, environment: Environment) -> str | None:
    """A run that is not finished and whose coordinator died holding the lease: it must be brought back, not robbed."""
    run = _content(environment.lease).get("run")
    return run if run and (home.live / run).exists() else None


def _content(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes()[:_SIZE] or b"{}")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Busy:
    """Somebody else has it. run: None when the holder is no run. final: waiting is useless, it lives."""

    run: str | None
    pid: int | None
    final: bool

    def __str__(self) -> str:
        return f"run {self.run}" if self.run else f"process {self.pid}" if self.pid else "another process"


class Lease:
    """A lease that is held; `release` clears the content and closes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        os.pwrite(self._fd, b"{}".ljust(_SIZE), 0)
        os.close(self._fd)


def take(home: Home, environment: Environment, run: str) -> Lease | Busy:
    """One attempt. The descriptor is never inherited; the content is one write of 512 bytes in place."""
    environment.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = locks.open_lock(environment.lease)
    if not locks.try_lock(fd):
        os.close(fd)
        found = _content(environment.lease)
        other = found.get("run")
        # Of my own run or of a dead one: a predecessor, or its half-forked child, is still dying.
        lives = other not in (None, run) and locks.held(home.run(str(other)) / "coord.lock")
        return Busy(other, found.get("pid"), final=lives)
    other = _content(environment.lease).get("run")
    if other not in (None, run) and (home.live / str(other)).exists():
        os.close(fd)  # free, but its owner is not finished
        return Busy(other, None, final=True)
    text = json.dumps({"run": run, "pid": os.getpid()}).encode()
    os.pwrite(fd, text.ljust(_SIZE), 0)
    return Lease(fd)
