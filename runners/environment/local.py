"""The kind `local`: services are processes on this machine, under supervisord."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runners.environment.host import rolling
from runners.environment.host.listeners import is_foreign
from runners.environment.host.readiness import probe_all
from runners.environment.host.supervisor import ALIVE, STARTING, STOPPED, Control, Process, Unreachable
from runners.environment.state import Seen, Unit
from runners.lib import proc
from runners.lib.errors import FileError, NotReady
from runners.lib.home import Environment
from runners.lib.text import did_you_mean

_POLL_S = 0.2
_TAIL_BYTES = 4 << 20


def look(recorded: Mapping[str, Any]) -> Seen:
    """Ask supervisord for the processes and every service for its health."""
    services = recorded.get("services") or []
    try:
        processes = Control(recorded["supervisor"]).processes()
    except Unreachable:
        return Seen(None, probe_all(services))
    units = {
        service["name"]: unit(process)
        for service in services
        if (process := processes.get(service.get("program", service["name"]))) is not None
    }
    ports = {service["name"]: int(service["port"]) for service in services}
    return Seen(
        units,
        {name: reason or doubt(units.get(name), ports[name]) for name, reason in probe_all(services).items()},
    )


def doubt(unit: Unit | None, port: int) -> str | None:
    """A service is healthy when its own process listens, whoever answers on its port: that may be another program, while
    supervisord starts the service again and again. None when it is its own."""
    if unit is None or unit.pid is None:
        return "its process does not run; another program answers on its port"
    if not is_foreign(port, unit.pid):
        return None
    there = proc.stat(unit.pid)
    # One that ended since supervisord was asked has no sockets; its successor may be who answered.
    return "another program answers on its port" if there is not None and there.alive else None


def unit(process: Process) -> Unit:
    """A program of supervisord as what carries a service."""
    pid = process.pid or None
    found = proc.stat(pid) if pid else None
    paused = found is not None and found.state in "Tt"
    if process.code == STARTING:
        return Unit("starting", pid, paused=paused)
    if process.code in ALIVE:
        return Unit("running", pid, paused=paused)
    return Unit("stopped" if process.code == STOPPED else "failed", pid)


def restart(recorded: Mapping[str, Any], entry: Mapping[str, Any], patience_s: float) -> dict[str, Any]:
    """Stop and start one service and wait until it is healthy; returns `{pid}`. Raises NotReady."""
    try:
        return {"pid": rolling.restart(entry, recorded["supervisor"], patience_s=patience_s)["pid"]}
    except rolling.NotControlled as error:
        raise NotReady(str(error), remedy=f"run: testbed up {recorded['environment']}") from None
    except rolling.NotBack as error:
        raise NotReady(str(error), remedy=f"look at: testbed logs {entry['name']}") from None


def log(
    environment: Environment, _recorded: Mapping[str, Any], service: str, count: int, *, follow: bool
) -> Iterator[str]:
    """The last lines of the service's log file; with `follow` whatever is added, until the file goes away.

    Raises FileError with the nearest name when there is no such log.
    """
    known = {path.stem: path for path in environment.logs.glob("*.log")}
    if service not in known:
        remedy = did_you_mean(service, known) if known else f"provision it with: testbed up {environment.name}"
        raise FileError(
            f"environment '{environment.name}' has no log of '{service}'", file=environment.logs / f"{service}.log", remedy=remedy
        )  # fmt: skip
    lines, offset = last_lines(known[service], count)
    return _lines(lines, known[service], offset if follow else None)


def _lines(first: list[str], path: Path, offset: int | None) -> Iterator[str]:
    yield from first
    if offset is not None:
        yield from grown(path, offset)


def last_lines(path: Path, count: int, *, limit: int = _TAIL_BYTES) -> tuple[list[str], int]:
    """The last lines of a file (of its last 4 MiB) and the offset where they end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - limit))
        found = file.read(size - file.tell()).decode("utf-8", "replace").splitlines()
    return found[-count:] if count > 0 else [], size


def grown(path: Path, offset: int, *, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Whole lines as they are written; ends when the file goes away."""
    rest = b""
    while True:
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(offset if offset <= size else 0)
                data = file.read()
                offset = file.tell()
        except FileNotFoundError:
            return
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
        if not data:
            wait(_POLL_S)
