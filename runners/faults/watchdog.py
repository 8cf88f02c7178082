"""The dead-man's switch: a detached process that undoes a run's faults when the run dies or a time to live ends.

Started by the run before it may inject anything; outlives it. It holds `<run>.wd` locked, so that others can ask
whether it lives, and a pidfd of the runner, so that it cannot mistake another process for it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from runners.faults import journal
from runners.faults.record import FaultRecord
from runners.lib import locks, proc

_READY = b"R"
_TICK_MS = 200
AWAY_S = 120.0  # an engine or supervisor that gives no answer is waited for so long
_AGAIN_S = 2.0
_ROOT = Path(__file__).resolve().parent.parent.parent
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from runners.faults.watchdog import main; main(sys.argv[2:])"


class NoWatchdog(Exception):
    """The watchdog did not come up; nothing may be injected."""


def start(folder: Path, run: str) -> int:
    """Called by the runner; returns the watchdog's pid once it is armed. Raises NoWatchdog.

    It gets a clean environment: without TESTBED_RUN_ID the sweep over a run's processes cannot see it, and
    TESTBED_WATCHDOG makes the cancel ladder pass it by.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    keep = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "LC_ALL", "TZ")}
    try:
        process = subprocess.Popen(
            [
                sys.executable, "-S", "-E", "-c", _BOOTSTRAP,
                str(_ROOT), str(folder), run, str(os.getpid()), str(theirs),
            ],
            pass_fds=[theirs], start_new_session=True, cwd="/", env=keep | {proc.WATCHDOG_MARK: run},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        theirs = -1
        if os.read(ours, 1) != _READY:
            process.wait()
            raise NoWatchdog("the watchdog process ended before it was armed")
        process.returncode = 0  # it outlives us: nobody here waits for it
        return process.pid
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def main(arguments: list[str]) -> None:
    """The process: journal folder, run, the runner's pid, the descriptor on which to say that it is armed."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder, run, runner, ready = Path(arguments[0]), arguments[1], int(arguments[2]), int(arguments[3])
    os.set_inheritable(ready, False)
    lock = locks.open_lock(journal.watchdog_path(folder, run))
    if not locks.try_lock(lock):
        sys.exit(1)  # this run has a watchdog
    pidfd = os.pidfd_open(runner)
    _protect()
    os.write(ready, _READY)
    os.close(ready)
    watch(folder, run, pidfd)


def _protect() -> None:
    """Be the last that the kernel kills for memory; only root may ask for that."""
    if os.geteuid() == 0:
        try:
            Path("/proc/self/oom_score_adj").write_text("-900")
        except OSError:
            pass


def watch(folder: Path, run: str, pidfd: int) -> None:
    """Until the runner is dead and all its faults are settled, or given up: by refusal at once, without an answer later."""
    from runners.faults.recover import settle  # heavy (XML-RPC): loaded while the runner still prepares

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    seen, waited_until = -1, 0.0
    records: list[FaultRecord] = []
    while True:
        dead = bool(poll.poll(_TICK_MS))
        changed = _changed(folder)
        if dead or changed != seen:
            records = [record for record in journal.open_entries(folder, run) if record.undoable]
            seen = changed
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        late = [record for record in records if record.deadline_boot <= now]
        if late and not dead:
            # A hung runner that is resumed later must not inject behind our back: it goes first.
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            poll.poll()
            continue
        if dead:
            for record in records:
                settle(folder, record, "watchdog")
            waited_until = waited_until or now + AWAY_S
            if now > waited_until or not any(item.undoable for item in journal.open_entries(folder, run)):
                return
            time.sleep(_AGAIN_S)


def _changed(folder: Path) -> int:
    """When the journal last changed: every write renames a file in it, so an idle tick reads nothing."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
