"""Start coordinators and shims. Test and start are one step: the child inherits the lock that its starter took.

The starter closes its own copy, never unlocks: one open file description, one lock. There is no gap and no second
start, because between fork and exec the child already holds it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from runners.events import EVENTS_FD
from runners.lib import locks, proc
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.orchestrator.crashpoints import point
from runners.orchestrator.journal import EVENTS

MOST_STARTS = 5
_HERE = Path(__file__).resolve().parent
_MARKS = (proc.RUN_MARK, proc.WATCHDOG_MARK, EVENTS_FD, "TESTBED_RUN_DIR")


def start_coordinator(home: Home, run: str) -> bool:
    """Start the coordinator of an unfinished run unless one lives. Five starts without a new event end the run."""
    folder = home.run(run)
    if not folder.is_dir():
        return False  # a mark without its folder must not break every command
    lock = locks.open_lock(folder / "coord.lock")
    try:
        if not locks.try_lock(lock) or not (home.live / run).exists():
            return False
        if _exhausted(home, run):
            from runners.orchestrator.abandon import abandon

            abandon(home, run)
            return False
        # Without the marks: the sweep of a run that happens to start this one must not see it.
        env = {key: value for key, value in os.environ.items() if key not in _MARKS}
        with (folder / "coord.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, str(_HERE / "start_coordinator.py"), str(home.root), run, str(lock)],
                pass_fds=[lock], start_new_session=True, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=env,
            )  # fmt: skip
        child.returncode = 0  # nobody waits for it here
        return True
    finally:
        os.close(lock)


def _exhausted(home: Home, run: str) -> bool:
    """Note this start; True when the last five brought no event. Only who holds coord.lock may ask."""
    path = home.run(run) / "coord.starts"
    try:
        before = [int(line) for line in path.read_text().split()]
    except (OSError, ValueError):
        before = []
    now = _progress(home, run)
    if len(before) >= MOST_STARTS and all(found == now for found in before[-MOST_STARTS:]):
        return True
    try:
        with path.open("a") as file:
            file.write(f"{now}\n")
    except OSError:
        pass  # a full disk: the coordinator waits there by itself
    return False


def _progress(home: Home, run: str) -> int:
    """Grows with every event but the coordinator's own greeting."""
    folder = home.run(run)
    try:
        lines = (folder / EVENTS).read_bytes().splitlines()
    except OSError:
        lines = []
    total = sum(b'"type":"coordinator.started"' not in line for line in lines)
    document = read_json(folder / "spec.json")
    stages = document.get("stages", []) if isinstance(document, dict) else []
    for stage in stages:
        for attempt in stage.get("runs", []):
            try:
                total += (home.run(attempt) / EVENTS).stat().st_size
            except OSError:
                continue
    return total


def start_shim(folder: Path, run: str) -> None:
    """Start the shim of a stage run whose folder and spec.json exist and whose lock is free."""
    lock = locks.open_lock(folder / "shim.lock")
    try:
        if not locks.try_lock(lock):
            raise RuntimeError(f"somebody holds {folder / 'shim.lock'}")
        point("start:locked")  # before the fork: the shim is visible from its first instant
        with (folder / "shim.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-S", "-E", str(_HERE / "start_shim.py"), str(folder), str(lock)],
                pass_fds=[lock], start_new_session=True, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, proc.RUN_MARK: run},
            )  # fmt: skip
        point("start:spawned")
        child.returncode = 0
    finally:
        os.close(lock)


def signal_shim(folder: Path, number: int) -> bool:
    """Signal the shim of a stage run; only once pid.json exists, because then its handlers do."""
    return _signal(read_json(folder / "pid.json"), number)


def signal_coordinator(folder: Path, number: int) -> bool:
    """Signal the coordinator that last wrote its pid.json in a campaign's run folder."""
    return _signal(read_json(folder / "pid.json"), number)


def _signal(identity: object, number: int) -> bool:
    if not isinstance(identity, dict) or identity.get("boot") != proc.boot_id():
        return False
    return proc.kill_exact(int(identity["pid"]), int(identity["start"]), number)


def request_cancel(folder: Path, grace: float, reason: str | None = None) -> None:
    """Leave a request beside the run: it works also on a run whose process is dead, hung or not yet up."""
    from runners.lib.files import write_json

    document = {"grace": grace, "at": time.time()} | ({"reason": reason} if reason else {})
    write_json(folder / "cancel", document, sync=False, tmp=f".{os.getpid()}.{time.monotonic_ns()}")


def send_order(folder: Path, command: str, args: dict[str, object] | None = None) -> bool:
    """Give the runner of a stage an order through its shim's control socket; answered by a `control` event."""
    import socket

    try:
        folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        message = json.dumps({"cmd": command} | ({"args": args} if args else {})).encode()
        sender.sendto(message, f"/proc/self/fd/{folder_fd}/control.sock")
        return True
    except OSError:
        return False
    finally:
        sender.close()
        os.close(folder_fd)
