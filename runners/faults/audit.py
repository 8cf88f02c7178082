"""The audit trail of chaos: who did what, when, to which target, with which result. Append-only, one JSON line each."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runners.lib.home import Environment, Home


def actor() -> str:
    """The person behind this process, as far as the system knows."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    before = os.environ.get("SUDO_USER")
    return f"{before} as {name}" if before else name


def home_of(environment: Environment) -> Home:
    """env/<name> lies two folders below the home."""
    return Home(environment.root.parent.parent)


def append(environment: Environment, action: str, result: str, **fields: Any) -> None:
    """One line in one write, so that writers never mix. A full disk must not keep a fault from being reverted."""
    line = {"ts": round(time.time(), 6), "who": actor(), "pid": os.getpid(), "action": action, "result": result}
    line |= {"environment": environment.name} | fields
    path = home_of(environment).chaos_audit
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, (json.dumps(line, ensure_ascii=False) + "\n").encode())
        finally:
            os.close(fd)
    except OSError:
        if action == "inject":
            raise  # nothing is injected without a trace


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """All whole lines, oldest first."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # a line torn by a full disk
