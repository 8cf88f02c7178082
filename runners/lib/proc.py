"""Processes as the kernel shows them: identity, descendants, sweeps by environment, signals without pid reuse."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

RUN_MARK = "TESTBED_RUN_ID"
WATCHDOG_MARK = "TESTBED_WATCHDOG"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Stat:
    """state: one letter of proc(5); start: clock ticks since boot, which with the pid names one process."""

    state: str
    parent: int
    start: int

    @property
    def alive(self) -> bool:
        """A zombie keeps pid and start time but is dead."""
        return self.state not in "ZX"


def stat(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Stat(fields[0], int(fields[1]), int(fields[19]))


def age_s(pid: int) -> float | None:
    """Seconds since the process was forked; None when there is no such process."""
    found = stat(pid)
    if found is None:
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - found.start / os.sysconf("SC_CLK_TCK")


def environ(pid: int) -> list[bytes]:
    """The environment the process was started with, as NAME=value; empty when it may not or can no longer be read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def boot_id() -> str:
    """Changes with every boot (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def prctl(option: int, value: int) -> None:
    """prctl(2); raises OSError."""
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def pids() -> list[int]:
    """All processes that this one can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def kill(pid: int, number: int) -> None:
    """Signal a process; that it is gone is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_exact(pid: int, start: int, number: int) -> bool:
    """Signal this very process: open its pidfd first, compare the start time, then signal. False when it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        found = stat(pid)
        if found is None or found.start != start:
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


def descendants(root: int) -> list[int]:
    """All living descendants but watchdogs: a process marked TESTBED_WATCHDOG is skipped with its whole subtree."""
    children: dict[int, list[tuple[int, Stat]]] = {}
    for pid in pids():
        if found := stat(pid):
            children.setdefault(found.parent, []).append((pid, found))
    living, todo = [], [root]
    while todo:
        for pid, found in children.get(todo.pop(), []):
            if any(item.startswith(WATCHDOG_MARK.encode() + b"=") for item in environ(pid)):
                continue
            todo.append(pid)
            if found.alive:
                living.append(pid)
    return living


def carriers(mark: str, value: str) -> list[int]:
    """Living processes, but not this one, that were started with `mark=value` in their environment."""
    want = f"{mark}={value}".encode()
    return [
        pid
        for pid in pids()
        if pid != os.getpid() and want in environ(pid) and (found := stat(pid)) is not None and found.alive
    ]


def sweep(mark: str, value: str) -> int:
    """SIGKILL all carriers until two looks in a row find nobody; returns how many signals that took."""
    clean = killed = 0
    while clean < 2:
        found = carriers(mark, value)
        for pid in found:
            kill(pid, signal.SIGKILL)
        killed += len(found)
        clean = 0 if found else clean + 1
        if found:
            time.sleep(0.005)  # a dying process needs a moment to leave /proc
    return killed
