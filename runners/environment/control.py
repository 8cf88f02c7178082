"""One service of an environment that runs: restart it, read its log; and what its target can do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from runners.environment import lease
from runners.environment.kinds import kind_of
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
    if recorded is None or recorded.get("state") == "absent":
        raise NotReady(f"environment '{name}' is not provisioned", remedy=f"provision it with: testbed up {name}")
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
    with lease.operation(home, environment, "restart", force=force):
        began = time.monotonic()
        done = kind_of(recorded).restart(recorded, entries[service], patience_s)
    return {"service": service, **done, "seconds": round(time.monotonic() - began, 3)}


def log(home: Home, name: str, service: str, count: int = 100, *, follow: bool = False) -> Iterator[str]:
    """The last `count` lines that a service wrote; with `follow`, then those that it writes.

    Raises FileError with the nearest name when there is no such log, NotReady (the engine does not answer).
    """
    environment = folder_of(home, name)
    recorded = read_json(environment.state) or {}
    return kind_of(recorded).log(environment, recorded, service, count, follow=follow)


def verify(home: Home, name: str) -> dict[str, Any]:
    """Check settings, secrets and connections, and probe every canonical operation of the environment's target once.

    Raises NotReady, FileError.
    """
    from runners.environment.checks import checks, failed
    from runners.target import open_target
    from runners.target import verify as probe_operations

    environment = folder_of(home, name)
    recorded = read_json(environment.state) or {}
    if recorded.get("state") == "absent":  # its data is kept, and there is nobody to ask
        raise NotReady(f"environment '{name}' is absent", remedy=f"provision it with: testbed up {name}")
    with open_target(environment) as target:
        document = probe_operations(target).to_json()
    found = checks(environment, recorded)
    return document | {
        "ready": document["ready"] and not failed(found), "checks": [check.to_json() for check in found],
    }  # fmt: skip
