"""The kind `compose`: services are containers of one compose project."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from runners.environment import local
from runners.environment.containers import bring_up, engine, usage
from runners.environment.containers.engine import Box
from runners.environment.containers.health import unit
from runners.environment.state import Seen
from runners.lib.errors import NotReady
from runners.lib.home import Environment

POLL_S = 0.1
LOOK_S = 5.0


def look(recorded: Mapping[str, Any]) -> Seen:
    """Ask the engine for the containers and what they use, and every published port."""
    services = recorded.get("services") or []
    try:
        client = engine.connect(recorded["engine"]["url"], timeout_s=LOOK_S)
        found = engine.boxes(client, str(recorded["env_id"]))
        used = usage.samples(client, found)
    except (NotReady, OSError) as error:
        what = error.what if isinstance(error, NotReady) else f"the engine does not answer: {error}"
        return Seen(None, {service["name"]: what for service in services})
    units = {
        box.service: unit(box, used[box.id].memory_bytes if box.id in used else None)
        for box in found
        if box.service in {service["name"] for service in services}
    }
    return Seen(units, bring_up.reasons(recorded, found))


def restart(recorded: Mapping[str, Any], entry: Mapping[str, Any], patience_s: float) -> dict[str, Any]:
    """Stop and start the container and wait until its service is healthy; returns `{pid, container}`. Raises NotReady."""
    name, patience = str(entry["name"]), int(entry.get("patience_s") or 10)
    client = engine.connect(recorded["engine"]["url"], timeout_s=patience + engine.TIMEOUT_S)
    box = _box(client, recorded, name)
    client.api.restart(box.id, timeout=patience)
    only = {**recorded, "services": [entry]}
    deadline = time.monotonic() + patience_s
    while True:
        box = _box(client, recorded, name)
        reason = bring_up.reasons(only, [box])[name]
        if reason is None:
            return {"pid": box.pid, "container": box.id}
        if time.monotonic() > deadline:
            raise NotReady(f"{name} did not come back: {reason}", remedy=f"look at: testbed logs {name}")
        time.sleep(POLL_S)


def log(
    environment: Environment, recorded: Mapping[str, Any], service: str, count: int, *, follow: bool
) -> Iterator[str]:
    """The last lines that the service's container wrote; with `follow` whatever it adds, until it ends.

    After a failed `up` the containers are gone, and what they wrote last lies in files. Raises FileError, NotReady.
    """
    known = {item["name"] for item in recorded.get("services") or []}
    if recorded.get("state") not in ("ready", "degraded") or service not in known:
        return local.log(environment, recorded, service, count, follow=follow)
    client = engine.connect(recorded["engine"]["url"])
    return _lines(client, _box(client, recorded, service), count, follow=follow)


def _box(client: Any, recorded: Mapping[str, Any], service: str) -> Box:
    found = [box for box in engine.boxes(client, str(recorded["env_id"])) if box.service == service]
    if not found:
        name = recorded["environment"]
        raise NotReady(f"{service} of environment '{name}' has no container", remedy=f"run: testbed up {name}")
    return found[0]


def _lines(client: Any, box: Box, count: int, *, follow: bool) -> Iterator[str]:
    """Whole lines; the engine hands out pieces."""
    given = client.api.logs(box.id, stdout=True, stderr=True, tail=max(0, count), stream=True, follow=follow)
    rest = b""
    for piece in given:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
