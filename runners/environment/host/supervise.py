"""supervisord, in the foreground, that notices a child's death at once: `python -m runners.environment.host.supervise -c FILE`.

supervisord sleeps in poll() for up to a second, which Python resumes after SIGCHLD (PEP 475), and its loop looks for
processes to start *before* it reaps: a killed service would come back up to two seconds late, and that would be read as
the service's recovery time. Here the signal ends the sleep, and the next turn of the loop does not sleep.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from supervisor import supervisord
from supervisor.options import ServerOptions

from runners.environment.host.launch import PARENT


class WakingPoller:
    """The poller of supervisord's options, ended early by any signal."""

    def __init__(self, poller: Any) -> None:
        self._poller = poller
        self._wake, tail = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(tail, warn_on_full_buffer=False)
        self._signalled = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        self._poller.register_readable(self._wake)
        readable, writable = self._poller.poll(0 if self._signalled else timeout)
        self._signalled = self._wake in readable
        if self._signalled:
            os.read(self._wake, 4096)
            readable.remove(self._wake)
        return readable, writable


def main() -> None:
    """As `supervisord -n`; its environment is what its services inherit."""
    os.umask(0o077)
    os.environ[PARENT] = str(os.getpid())
    options = ServerOptions()
    options.realize(sys.argv[1:], doc=supervisord.__doc__)
    options.first = True
    options.test = False
    options.poller = WakingPoller(options.poller)
    supervisord.go(options)  # ends when asked to shut down


if __name__ == "__main__":
    main()
