"""The lease of an environment, as far as provisioning needs it: nobody provisions what a run drives, nor the reverse.

The lock is the truth. A run writes its id into the file; an operation (up, down, restart) writes its name and pid.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from runners.lib import locks
from runners.lib.errors import Leased
from runners.lib.home import Environment, Home

SIZE = 512
PATIENCE_S = 2.0  # a process that was just killed may hold its locks for some milliseconds more


def holder(home: Home, environment: Environment) -> dict[str, Any] | None:
    """What the holder wrote, None when the lease is free. A run that died without an end counts as the holder: it will
    be brought back. A query that disturbs nobody."""
    content = _content(environment)
    if locks.held(environment.lease):
        return content
    run = content.get("run")
    return content if run and (home.live / str(run)).exists() else None


@contextlib.contextmanager
def operation(home: Home, environment: Environment, name: str, *, force: bool = False) -> Iterator[None]:
    """Hold the lease for an operation. Raises Leased, naming the holder. force: go on without it where a run holds it;
    two operations on one folder would undo each other."""
    environment.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = locks.open_lock(environment.lease)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (taken := locks.try_lock(fd)):
            if _content(environment).get("run") or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        # Queried on the content alone: locks.held sees our own lock too.
        run = _content(environment).get("run")
        other = run if run and (not taken or (home.live / str(run)).exists()) else None
        if (not taken or other) and not (force and other):
            raise _leased(environment, _content(environment), can_be_forced=name != "up")
        if taken and not other:
            os.pwrite(fd, json.dumps({"operation": name, "pid": os.getpid()}).encode().ljust(SIZE), 0)
        try:
            yield
        finally:
            if taken and not other:
                os.pwrite(fd, b"{}".ljust(SIZE), 0)
    finally:
        os.close(fd)


def _leased(environment: Environment, content: dict[str, Any], *, can_be_forced: bool) -> Leased:
    if run := content.get("run"):
        forced = "; --force does it all the same" if can_be_forced else ""
        return Leased(
            f"environment '{environment.name}' is leased by run {run}",
            remedy=f"wait for it, or cancel it with 'testbed cancel {str(run)[:13]}'{forced}",
        )
    what = (
        f"'testbed {content['operation']}' (process {content.get('pid')})"
        if content.get("operation")
        else "another process"
    )
    return Leased(f"environment '{environment.name}' is in use by {what}", remedy="wait until it has ended")


def _content(environment: Environment) -> dict[str, Any]:
    try:
        found = json.loads(environment.lease.read_bytes()[:SIZE] or b"{}")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
