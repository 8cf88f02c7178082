"""A fault without a run: a detached process that injects it, holds it for its time to live, and reverts it.

What a runner is to a campaign's fault this process is to one that a playbook injects: it holds the chaos lock of the
environment, it has a watchdog of its own, and when it is killed the watchdog reverts at once. Nothing of it hangs on
whoever asked for the fault: its environment is clean, its session its own, its parent gone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from runners.faults import safety, services
from runners.faults.injection import Injector
from runners.faults.kinds import Ineffective, Refused, kind_of
from runners.faults.record import FaultRecord
from runners.faults.watchdog import NoWatchdog
from runners.lib.errors import TestbedError
from runners.lib.home import Environment
from runners.lib.ids import new_run_id

PATIENCE_S = 60.0
RUN_PREFIX = "playbook-"
_POLL_S = 0.05
_ROOT = Path(__file__).resolve().parent.parent.parent
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from runners.faults.hold import main; main(sys.argv[2:])"


class NotHeld(Exception):
    """Nothing was injected, or it is undone again; says why."""


@dataclass(frozen=True)
class Request:
    """root: folder of the environment; asked_by: a person, for the audit log."""

    root: str
    fault: str
    target: str
    ttl_s: float
    asked_by: str


def start(wanted: Request) -> dict[str, Any]:
    """Inject it from a process that outlives this one; returns the record, ACTIVE. Raises NotHeld."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    keep = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "LC_ALL", "TZ")}
    request = json.dumps(asdict(wanted))
    try:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _BOOTSTRAP, str(_ROOT), request, str(theirs)],
            pass_fds=[theirs], start_new_session=True, cwd="/", env=keep,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        theirs = -1
        answer = _read(ours)
        if answer is None:
            process.kill()  # its watchdog undoes what it may have begun
            process.wait()
            raise NotHeld(f"the process that injects gave no answer within {PATIENCE_S:g} s, or ended without one")
        process.returncode = 0  # it outlives us: nobody here waits for it
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)
    if "error" in answer:
        raise NotHeld(str(answer["error"]))
    return answer | {"holder": process.pid}


def _read(fd: int) -> dict[str, Any] | None:
    """One JSON document until the other end closes; None when none came in time."""
    text, deadline = b"", time.monotonic() + PATIENCE_S
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(fd, 65536)
        if not part:
            break
        text += part
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def main(arguments: list[str]) -> None:
    """The process: the request, and the descriptor on which to answer."""
    wanted, reply = Request(**json.loads(arguments[0])), int(arguments[1])
    os.set_inheritable(reply, False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    environment = Environment(Path(wanted.root))
    try:
        with safety.exclusive(environment):
            _hold(environment, wanted, reply)
    except (Refused, Ineffective, NoWatchdog, TestbedError, OSError) as error:
        what = error.what if isinstance(error, TestbedError) else str(error)
        _answer(reply, {"error": what})


def _hold(environment: Environment, wanted: Request, reply: int) -> None:
    notes = {"via": "ansible", "asked_by": wanted.asked_by}
    injector = Injector(services.load(environment), RUN_PREFIX + new_run_id(), notes=notes)
    try:
        record = injector.inject(wanted.fault, wanted.target, wanted.ttl_s)
        _answer(reply, record.to_json())
        _wait(injector, record)
    finally:
        injector.end_all()  # a no-op on what somebody else has reverted, or removed with its environment


def _wait(injector: Injector, record: FaultRecord) -> None:
    """Until it healed, was reverted by somebody else, or has to be reverted."""
    last = record.deadline_boot - min(safety.MARGIN_S, record.ttl_s / 2)
    heals = kind_of(record).heals
    while time.clock_gettime(time.CLOCK_BOOTTIME) < last and injector.in_force(record):
        if heals and injector.healed(record):
            return
        time.sleep(_POLL_S)


def _answer(fd: int, document: dict[str, Any]) -> None:
    """Once: the descriptor is closed afterwards, and whoever asked may be gone already."""
    try:
        os.write(fd, json.dumps(document).encode())
        os.close(fd)
    except OSError:
        pass


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)
