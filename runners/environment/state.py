"""What an environment is like, reduced from what was recorded and what was just seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runners.environment.host.supervisor import ALIVE, STARTING, STOPPED, Process


@dataclass(frozen=True)
class Seen:
    """processes: by program, None when supervisord does not answer; reasons: why a service is not healthy (None: it is);
    paused: programs that are stopped by a signal; busy: an operation holds the lease."""

    processes: Mapping[str, Process] | None = None
    reasons: Mapping[str, str | None] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    busy: bool = False


def reduce(
    name: str, recorded: Mapping[str, Any] | None, seen: Seen, lease: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The document of `testbed status`. recorded: state.json, None when there is none."""
    document = recorded or {}
    provisioned = document.get("state") not in (None, "absent")
    look = _gone if document.get("state") == "failed" else _service
    services = [look(item, seen) for item in document.get("services") or []] if provisioned else []
    absent = [_absent(item) for item in document.get("absent") or []] if provisioned else []
    took = document.get("took_s") or {}
    for service in services:
        service["took_s"] = took.get(service["name"])
    return {
        "environment": name,
        "kind": document.get("kind", "local"),
        "state": _environment(document, services, seen),
        "services": [*services, *absent],
        "stores": dict(document.get("stores") or {}) if provisioned else {},
        "identity": document.get("identity") if provisioned else None,
        "defects": list(document.get("defects") or []) if provisioned else [],
        "lease": {"run": None} | {key: value for key, value in (lease or {}).items() if key in ("run", "operation")},
        "urls": dict(document.get("urls") or {}) if provisioned else {},
        "outside": list(document.get("outside") or []),
    }  # fmt: skip


def _environment(document: Mapping[str, Any], services: list[dict[str, Any]], seen: Seen) -> str:
    recorded = document.get("state", "absent")
    if recorded == "provisioning":
        return "provisioning" if seen.busy else "failed"  # nobody works on it: it was interrupted
    if recorded not in ("ready", "degraded"):
        return str(recorded)
    if document.get("kind", "local") == "local" and seen.processes is None:
        return "failed"  # without supervisord nothing of it can run
    return "ready" if all(service["health"] == "healthy" for service in services) else "degraded"


def _service(item: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    process = (seen.processes or {}).get(item.get("program", item["name"]))
    reason = seen.reasons.get(item["name"], "it was not asked")
    state = _process_state(process, seen, reason)
    if item.get("program") in seen.paused:
        reason = "it is paused (stopped by a signal)"
    return {
        "name": item["name"], "state": state, "health": _health(process, reason),
        "implementation": item["implementation"], "version": item.get("version"),
        "pid": process.pid if process is not None and process.pid else None, "container": None,
        "port": item.get("port"), "url": item.get("url"), "requires": list(item.get("requires") or []),
        "title": item.get("title", item["name"]), "origin": item.get("origin"),
        "reason": reason, "note": item.get("note"),
    }  # fmt: skip


def _absent(item: Mapping[str, Any]) -> dict[str, Any]:
    """An optional service that this environment does not have; reason: why."""
    nothing = dict.fromkeys(("version", "pid", "container", "port", "url", "origin", "note", "took_s"))
    return nothing | {
        "name": item["name"], "title": item.get("title", item["name"]), "state": "absent", "health": "unknown",
        "implementation": item["implementation"], "requires": [], "reason": item["reason"],
    }  # fmt: skip


def _gone(item: Mapping[str, Any], _seen: Seen) -> dict[str, Any]:
    """A service of a failed provisioning, which was rolled back."""
    return _service(item, Seen({}, {item["name"]: None})) | {"health": "unknown"}


def _process_state(process: Process | None, seen: Seen, reason: str | None) -> str:
    if seen.processes is None:
        return "running" if reason is None else "failed"
    if process is None:
        return "absent"
    if process.code in ALIVE:
        return "running"
    return "stopped" if process.code == STOPPED else "failed"


def _health(process: Process | None, reason: str | None) -> str:
    if reason is None:
        return "healthy"
    if reason == "it was not asked":
        return "unknown"
    return "starting" if process is not None and process.code == STARTING else "unhealthy"
