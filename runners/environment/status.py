"""Look at an environment without touching it: what runs, how it is, who holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runners.environment import lease
from runners.environment.kinds import kind_of
from runners.environment.state import Seen, reduce
from runners.lib import locks
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Home


def status(home: Home, name: str) -> dict[str, Any]:
    """The document of `testbed status NAME`; an environment that does not exist is `absent`.

    `failure` is added where the last `up` failed: the content of failure.json.
    """
    environment = home.env(name)
    recorded = read_json(environment.state)
    held = lease.holder(home, environment)
    busy = held is not None and "operation" in held and locks.held(environment.lease)
    if recorded is None or recorded.get("state") in ("absent", "failed"):
        failure = read_json(environment.failure)
        return reduce(name, recorded, Seen(busy=busy), held) | ({"failure": failure} if failure else {})
    return reduce(name, recorded, replace(kind_of(recorded).look(recorded), busy=busy), held)


def names(home: Home) -> list[str]:
    """Environments of this home that exist in any state."""
    return sorted(path.parent.name for path in (home.root / "env").glob("*/state.json"))


def require_ready(home: Home, name: str) -> None:
    """Raises NotReady, with the deployment status in its message, unless the environment is ready and its settings, secrets
    and connections hold."""
    from runners.environment.checks import checks, failed  # what it needs of the target, `testbed status` does not

    found = status(home, name)
    if found["state"] == "ready":
        wrong = failed(checks(home.env(name), read_json(home.env(name).state) or {}))
        if not wrong:
            return
        raise NotReady(
            f"environment '{name}' is not fit for tests" + "".join(f"\n    {line}" for line in wrong),
            remedy=f"see testbed drift {name}; mend it with: testbed up {name}",
        )
    raise NotReady(
        f"environment '{name}' is {found['state']}" + "".join(f"\n    {line}" for line in lines(found)),
        remedy=f"run: testbed up {name}" if found["state"] == "absent" else f"look at: testbed status {name}; mend it with: testbed up {name}",
    )  # fmt: skip


def lines(document: dict[str, Any]) -> list[str]:
    """One line a service, for people; what the environment does not have last, with the reason."""
    rows = []
    for service in document["services"]:
        if service["state"] == "absent" and service["container"] is None and service["version"] is None:
            rows.append(f"– {service['name']:<12} absent     {service['reason']}")
            continue
        mark = {"healthy": "●", "starting": "◐", "unknown": "○"}.get(service["health"], "✖")
        what = " ".join(filter(None, (service["title"], service["version"])))
        detail = _carrier(service)
        more = " · ".join(filter(None, (service.get("note"), service["reason"])))
        rows.append(
            f"{mark} {service['name']:<12} {service['health']:<10} {service['implementation']:<9} {what:<22} "
            f"{service['url'] or '':<28} {detail}{'  ' + more if more else ''}"
        )
    return rows


def _carrier(service: dict[str, Any]) -> str:
    if service["container"]:
        memory = service.get("memory_bytes")
        used = f" · {memory / 1e6:.0f} MB" if memory else ""
        return f"container {service['container'][:12]}{used}"
    return f"pid {service['pid']}" if service["pid"] else str(service["state"])


def choices(document: dict[str, Any]) -> str | None:
    """Who keeps each signal and who knows the users, in one line; None where nobody knows."""
    if not document.get("stores"):
        return None
    stores = " · ".join(f"{signal} in {store}" for signal, store in sorted(document["stores"].items()))
    return f"stores: {stores} · identity: {document['identity']}"
