"""Cancel a playbook so that nothing of it is left.

ansible-runner's own cancel is SIGKILL to one process group, but Ansible's workers are sessions of their own: they and
their commands live on. SIGINT lets ansible-playbook end them itself, in well under a second; what is left after the
grace is killed wherever it is, found by the job's mark in its environment.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from runners.lib import proc

MARK = "TESTBED_JOB_ID"
GRACE_S = 10.0


class Ladder:
    """The cancel callback of one job: asked several times a second, says whether the library may kill."""

    def __init__(
        self,
        job: str,
        wanted: Callable[[], int],
        *,
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """wanted: how often somebody has asked for the cancel; the second time means at once."""
        self._job, self._wanted, self._grace_s, self._clock = job, wanted, grace_s, clock
        self._asked: float | None = None

    @property
    def cancelled(self) -> bool:
        return self._asked is not None

    def poll(self) -> bool:
        """False until the grace after the request is over; the first call after the request sends SIGINT."""
        wanted = self._wanted()
        if not self.cancelled and not wanted:
            return False
        if self._asked is None:
            self._asked = self._clock()
            for pid in proc.carriers(MARK, self._job):
                if (found := proc.stat(pid)) is not None and found.parent == os.getpid():
                    proc.kill_exact(pid, found.start, signal.SIGINT)
            return False
        return wanted > 1 or self._clock() - self._asked > self._grace_s

    def sweep(self) -> int:
        """Kill all that still carries the job's mark; returns how many signals that took."""
        return proc.sweep(MARK, self._job)
