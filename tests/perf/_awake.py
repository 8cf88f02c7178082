"""Cores that do not fall asleep: a process of idle priority on each, which yields to everybody at once.

A core that has slept begins slowly, on a virtual machine above all: what wakes it a few times a second then costs half as
much again. Beside a system under test no core sleeps.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SPIN = """
import ctypes, os, signal
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() != 1:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def awake() -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()
