"""The process tree of a service, each member named beyond pid reuse."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from runners.faults.record import Identity
from runners.lib import proc


def identify(pid: int) -> Identity | None:
    """None when there is no such living process."""
    found = proc.stat(pid)
    return Identity(pid, found.start) if found is not None and found.alive else None


def state(process: Identity) -> str | None:
    """The state letter of proc(5); None when this very process is gone or dead."""
    found = proc.stat(process.pid)
    return found.state if found is not None and found.start == process.start and found.alive else None


def alive(process: Identity) -> bool:
    return state(process) is not None


def members(root: Identity) -> list[Identity]:
    """The root, if it lives, and its living descendants, parents first."""
    if not alive(root):
        return []
    found = [identify(pid) for pid in proc.descendants(root.pid)]
    return [root, *(process for process in found if process is not None)]


def stopped(processes: Iterable[Identity]) -> list[Identity]:
    """Those that a SIGSTOP holds."""
    return [process for process in processes if state(process) == "T"]


def send(process: Identity, number: signal.Signals) -> bool:
    """Signal this very process; False when it is gone. Raises PermissionError."""
    return proc.kill_exact(process.pid, process.start, number)


def may_signal(process: Identity) -> bool:
    """Would the kernel let us signal it? Sends nothing."""
    try:
        os.kill(process.pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        return True
    return True
