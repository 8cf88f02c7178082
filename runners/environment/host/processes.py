"""All processes of an environment, and their end: found by TESTBED_ENV_ID, with whatever descends from them.

Descendants count too: PostgreSQL's back ends write their title over the environment that /proc shows.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from runners.lib import proc

ENV_MARK = "TESTBED_ENV_ID"
IPC_RMID = 0


def members(mark: str, value: str) -> dict[int, int]:
    """pid → start time of every living process that carries the mark, or descends from one that does; never oneself."""
    stats = {pid: found for pid in proc.pids() if (found := proc.stat(pid)) is not None}
    children: dict[int, list[int]] = {}
    for pid, found in stats.items():
        children.setdefault(found.parent, []).append(pid)
    todo, seen = proc.carriers(mark, value), set[int]()
    while todo:
        pid = todo.pop()
        if pid not in seen:
            seen.add(pid)
            todo += children.get(pid, [])
    seen -= {os.getpid(), os.getppid()}
    return {pid: stats[pid].start for pid in seen if pid in stats and stats[pid].alive}


def alive(processes: dict[int, int]) -> dict[int, int]:
    """Those of them that still live; a zombie is dead, a reused pid is another process."""
    return {
        pid: start
        for pid, start in processes.items()
        if (found := proc.stat(pid)) is not None and found.alive and found.start == start
    }


def end_all(mark: str, value: str, *, patience_s: float = 10.0) -> int:
    """SIGKILL every member until two looks in a row find nobody; returns how many there were. Raises TimeoutError."""
    deadline, killed, clean = time.monotonic() + patience_s, set[tuple[int, int]](), 0
    victims: dict[int, int] = {}
    while clean < 2:
        victims = alive(victims) | members(mark, value)
        for pid, start in victims.items():
            proc.kill_exact(pid, start, signal.SIGKILL)
        killed |= set(victims.items())
        clean = 0 if victims else clean + 1
        if victims:
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {sorted(victims)} do not die")
            time.sleep(0.01)
    return len(killed)


def end_supervisor(pid: int, start: int, *, patience_s: float) -> bool:
    """Ask supervisord (this very process) to stop its services in order and end; False when it did not in time."""
    if not proc.kill_exact(pid, start, signal.SIGTERM):
        return True
    deadline = time.monotonic() + patience_s
    while alive({pid: start}):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end_environment(state: Mapping[str, Any], *, patience_s: float) -> dict[str, Any]:
    """End every process of the environment that state.json describes: in order if supervisord lives, and surely.

    Returns `{changed, killed}`; killed counts those that did not go by themselves.
    """
    env_id, supervisor = state.get("env_id"), state.get("supervisor") or {}
    if not env_id:
        return {"changed": False, "killed": 0}
    there = members(ENV_MARK, env_id)
    if there and supervisor.get("pid"):
        end_supervisor(int(supervisor["pid"]), int(supervisor["start"]), patience_s=patience_s)
    return {"changed": bool(there), "killed": end_all(ENV_MARK, env_id)}


def shared_memory_of(cluster: Path) -> int | None:
    """The System V segment id that a PostgreSQL data directory names in postmaster.pid (line 7: key and id)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return int(lines[6].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def segments_of(cluster: Path) -> set[int]:
    """Every segment of a data directory: also of a server that died before it could write its pid file.

    PostgreSQL derives the key from the directory's inode (PGSharedMemoryCreate), as the 32 bits that a key has.
    """
    named = shared_memory_of(cluster)
    found = set() if named is None else {named}
    try:
        folder = cluster.stat()
    except OSError:
        return found
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[0]) & 0xFFFFFFFF == folder.st_ino & 0xFFFFFFFF and int(fields[7]) == folder.st_uid:
            found.add(int(fields[1]))
    return found


def in_use(segments: Collection[int]) -> bool:
    """Is a process attached to one of these? One that is not there any more is used by nobody (a reboot takes them all)."""
    return any(attached for _, attached in _there(segments))


def remove_shared_memory(segments: Collection[int]) -> list[int]:
    """Remove the segments that nobody is attached to any more; a server that was killed leaves one behind."""
    return [
        segment
        for segment, attached in _there(segments)
        if attached == 0 and ctypes.CDLL(None).shmctl(segment, IPC_RMID, None) == 0
    ]


def _there(segments: Collection[int]) -> list[tuple[int, int]]:
    """(segment, number of processes attached to it) of those that exist."""
    found = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return [(int(fields[1]), int(fields[6])) for fields in found if int(fields[1]) in segments]
