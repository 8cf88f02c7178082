"""One service of an environment that runs: restart it, read its log; and what its target can do."""

from __future__ import annotations

import time
import xmlrpc.client
from pathlib import Path
from typing import Any

from runners.environment import lease
from runners.environment.host.readiness import bring_up
from runners.environment.host.supervisor import Control, Unreachable
from runners.environment.provisioner import folder_of
from runners.lib.errors import FileError, NotReady
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.lib.text import did_you_mean


def restart(home: Home, name: str, service: str, *, force: bool = False, patience_s: float = 60.0) -> dict[str, Any]:
    """Stop and start one service and wait until it is healthy; returns `{service, pid, seconds}`.

    Raises FileError (no such service), Leased (unless `force`), NotReady.
    """
    environment = folder_of(home, name)
    recorded = read_json(environment.state)
    if recorded is None or recorded.get("kind") != "local" or recorded.get("state") == "absent":
        raise NotReady(f"environment '{name}' has no processes here", remedy=f"provision it with: testbed up {name}")
    entries = {item["name"]: item for item in recorded["services"]}
    absent = {item["name"]: item["reason"] for item in recorded.get("absent") or []}
    if service in absent:
        raise NotReady(
            f"environment '{name}' has no {service}: {absent[service]}",
            remedy=f"then provision it with: testbed up {name}",
        )
    if service not in entries:
        raise FileError(
            f"no service '{service}' in environment '{name}'",
            file=environment.state, remedy=did_you_mean(service, entries),
        )  # fmt: skip
    program = entries[service]["program"]
    with lease.operation(home, environment, "restart", force=force):
        began = time.monotonic()
        try:
            control = Control(recorded["supervisor"], timeout_s=30 + float(entries[service].get("patience_s", 0)))
            control.stop(program)
            result = bring_up([entries[service]], recorded["supervisor"], start=True, patience_s=patience_s)[service]
            pid = control.processes()[program].pid
        except (Unreachable, KeyError, xmlrpc.client.Fault) as error:
            raise NotReady(
                f"the processes of '{name}' cannot be controlled: {error}", remedy=f"run: testbed up {name}"
            ) from None
    if result.reason is not None:
        raise NotReady(f"{service} did not come back: {result.reason}", remedy=f"look at: testbed logs {service}")
    return {"service": service, "pid": pid, "seconds": round(time.monotonic() - began, 3)}


def log_file(home: Home, name: str, service: str) -> Path:
    """Where the service's output goes. Raises FileError with the nearest name when there is no such log."""
    environment = folder_of(home, name)
    known = {path.stem: path for path in environment.logs.glob("*.log")}
    if service not in known:
        remedy = did_you_mean(service, known) if known else f"provision it with: testbed up {name}"
        raise FileError(
            f"environment '{name}' has no log of '{service}'", file=environment.logs / f"{service}.log", remedy=remedy
        )
    return known[service]


def verify(home: Home, name: str) -> dict[str, Any]:
    """Probe every canonical operation of the environment's target once. Raises NotReady, FileError."""
    from runners.target import open_target
    from runners.target import verify as probe_operations

    with open_target(folder_of(home, name)) as target:
        return probe_operations(target).to_json()
