"""What an environment is like, reduced from what was recorded and what was just seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Unit:
    """What carries a service: a process, or a container (its id). pid: on this machine, None when there is none.

    state: `starting` is on its way to running; `stopped` was ended in good order, `failed` was not.
    """

    state: Literal["running", "starting", "stopped", "failed"]
    pid: int | None = None
    container: str | None = None
    paused: bool = False
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Seen:
    """units: by service, None when who runs them (supervisord, the engine) does not answer; reasons: why a service is not
    healthy (None: it is); busy: an operation holds the lease."""

    units: Mapping[str, Unit] | None = None
    reasons: Mapping[str, str | None] = field(default_factory=dict)
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
    if document.get("kind", "local") != "external" and seen.units is None:
        return "failed"  # without supervisord, or the engine, nothing of it can run
    return "ready" if all(service["health"] == "healthy" for service in services) else "degraded"


def _service(item: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    unit = (seen.units or {}).get(item["name"])
    reason = seen.reasons.get(item["name"], "it was not asked")
    if unit is not None and unit.paused:
        reason = "it is paused"
    return {
        "name": item["name"], "state": _state(unit, seen, reason), "health": _health(unit, reason),
        "implementation": item["implementation"], "version": item.get("version"),
        "pid": unit.pid if unit is not None else None, "container": unit.container if unit is not None else None,
        "port": item.get("port"), "url": item.get("url"), "requires": list(item.get("requires") or []),
        "title": item.get("title", item["name"]), "origin": item.get("origin"),
        "reason": reason, "note": item.get("note"),
        "memory_bytes": unit.memory_bytes if unit is not None else None,
    }  # fmt: skip


def _absent(item: Mapping[str, Any]) -> dict[str, Any]:
    """An optional service that this environment does not have; reason: why."""
    nothing = dict.fromkeys(("version", "pid", "container", "port", "url", "origin", "note", "memory_bytes", "took_s"))
    return nothing | {
        "name": item["name"], "title": item.get("title", item["name"]), "state": "absent", "health": "unknown",
        "implementation": item["implementation"], "requires": [], "reason": item["reason"],
    }  # fmt: skip


def _gone(item: Mapping[str, Any], _seen: Seen) -> dict[str, Any]:
    """A service of a failed provisioning, which was rolled back."""
    return _service(item, Seen({}, {item["name"]: None})) | {"health": "unknown"}


def _state(unit: Unit | None, seen: Seen, reason: str | None) -> str:
    if seen.units is None:
        return "running" if reason is None else "failed"
    if unit is None:
        return "absent"
    return "running" if unit.state == "starting" else unit.state


def _health(unit: Unit | None, reason: str | None) -> str:
    if reason is None:
        return "healthy"
    if reason == "it was not asked":
        return "unknown"
    return "starting" if unit is not None and unit.state == "starting" else "unhealthy"
