"""Named moments at which a fault drill may kill a process of the orchestrator, once."""

from __future__ import annotations

import os
import signal

CRASH = "TESTBED_CRASH"
CRASH_MARK = "TESTBED_CRASH_MARK"

NAMES = (
    "start:said", "start:locked", "start:spawned",
    "shim:before", "shim:marked", "shim:spawned", "shim:drain", "shim:synced", "shim:exited",
    "repair:begin", "repair:swept", "repair:appended",
    "end:before", "end:after",
    "close:said", "close:lease", "close:stored", "close:exit",
    "store:before", "store:committed",
)  # fmt: skip


def point(name: str) -> None:
    """SIGKILL oneself if TESTBED_CRASH names this moment and the file TESTBED_CRASH_MARK does not exist yet."""
    if os.environ.get(CRASH) != name:
        return
    try:
        os.close(os.open(os.environ[CRASH_MARK], os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
