"""One service anew: stopped in order, started, and waited for until it is healthy."""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Mapping
from typing import Any

from runners.environment.host.impact import order
from runners.environment.host.readiness import bring_up
from runners.environment.host.supervisor import Control, Unreachable


class NotBack(Exception):
    """The service did not come back."""


class NotControlled(NotBack):
    """Its processes cannot be controlled: supervisord does not answer, or refuses."""


def restart(service: Mapping[str, Any], supervisor: Mapping[str, Any], *, patience_s: float = 60.0) -> dict[str, Any]:
    """service, supervisor: as in state.json. Returns `{service, pid, seconds}`. Raises NotBack,
    NotControlled."""
    name, program = service["name"], service["program"]
    began = time.monotonic()
    try:
        control = Control(supervisor, timeout_s=30 + float(service.get("patience_s", 0)))
        control.stop(program)
        result = bring_up([service], supervisor, start=True, patience_s=patience_s)[name]
        pid = control.processes()[program].pid
    except (Unreachable, KeyError, xmlrpc.client.Fault) as error:
        raise NotControlled(f"the processes cannot be controlled: {error}") from None
    if result.reason is not None:
        raise NotBack(f"{name} did not come back: {result.reason}")
    return {"service": name, "pid": pid, "seconds": round(time.monotonic() - began, 3)}


def plan(services: list[dict[str, Any]], wanted: list[str]) -> list[dict[str, Any]]:
    """The wanted services (all when empty), what others require first. Raises ValueError for an unknown name."""
    known = {item["name"]: item for item in services}
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"no service '{unknown[0]}' here; there are {', '.join(sorted(known))}")
    requires = {name: [needed for needed in item["requires"] if needed in known] for name, item in known.items()}
    return [known[name] for name in order(requires) if not wanted or name in wanted]
