"""A service as state.json describes it, and the addresses under which clients know it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from runners.environment.host import binaries, servers
from runners.environment.host.servers import Unprovidable
from runners.lib.home import Environment

HOST = "127.0.0.1"
REALM = "observastack"
# What clients of the platform talk to; everything else stays on the loopback of its host.
PUBLIC = ("backend", "ingest", "web", "keycloak")


def host_of(port: str, bind: str) -> str:
    """Where the service with the port of this name listens."""
    return bind if port in PUBLIC else HOST


def service(
    environment: Environment,
    name: str,
    entry: Mapping[str, Any],
    numbers: Mapping[str, int],
    binary: binaries.Binary | None,
    *,
    bind: str = HOST,
) -> dict[str, Any]:
    """A service of the catalogue with everything filled in: how it is in state.json."""
    health, port, host = dict(entry["health"]), numbers[name], host_of(name, bind)
    url = f"{entry['scheme']}://{host}:{port}"
    if health["kind"] == "http":
        further = health.pop("port", None)
        asked = f"{entry['scheme']}://{HOST}:{numbers[f'{name}_{further}']}" if further else url
        health["url"] = asked + health.pop("path")
    else:
        health |= {"host": HOST, "port": port, "password_file": str(environment.secrets / health.pop("password"))}
    return {
        "name": name, "title": entry["title"], "implementation": entry["implementation"],
        "version": binary.version if binary else platform_version(), "port": port, "url": url,
        "origin": binary.origin if binary else "the package observastack", "program": name, "health": health,
        "chaos": dict(entry["chaos"]), "binary": str(binary.folder) if binary else None,
        "log": str(environment.logs / f"{name}.log"), "patience_s": entry["stop"]["patience"],
    }  # fmt: skip


def absent_service(name: str, entry: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """A service that this environment does not have. What stands in for a signal store is the embedded one."""
    stands_in = servers.EMBEDDED if entry.get("store") else entry["implementation"]
    return {"name": name, "title": entry["title"], "implementation": stands_in, "reason": reason}


def platform_version() -> str:
    """The version of the reference platform. Raises Unprovidable when it is not installed."""
    try:
        return version("observastack")
    except PackageNotFoundError:
        raise Unprovidable("the package observastack (the platform under test) is not installed") from None


def urls(numbers: Mapping[str, int], bind: str = HOST) -> dict[str, str | None]:
    """What target.yml may name as {{ urls.x }}. numbers: ports of the services that are there. What listens on the loopback
    of another host has no URL here."""
    served = {
        "api": "backend", "ingest": "ingest", "ui": "web", "prometheus": "prometheus", "loki": "loki", "tempo": "tempo",
        "alertmanager": "alertmanager",
    }  # fmt: skip
    here = {name: port for name, port in numbers.items() if name in PUBLIC or bind == HOST}
    found = {url: f"http://{bind}:{here[name]}" if name in here else None for url, name in served.items()}
    oidc = f"http://{bind}:{numbers['keycloak']}/realms/{REALM}" if "keycloak" in numbers else None
    return found | {"oidc": oidc}
