"""How one looks at an environment on another host, restarts a service there, reads its log: over SSH, by the testbed that
was installed there. Its operations are probed over the network, at the address the services listen on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runners.environment.remote.ssh import Host
from runners.environment.state import Seen, Unit
from runners.lib.errors import FileError, NotReady
from runners.lib.home import Environment
from runners.lib.text import did_you_mean

MARGIN_S = 30.0  # what a restart may take beside its patience: the orderly stop, and the way there and back


def look(recorded: Mapping[str, Any]) -> Seen:
    """Never raises: a host that cannot be asked is the reason of every service."""
    try:
        found = Host.of(recorded).ask("look")
    except NotReady as error:
        return Seen(None, {item["name"]: error.what for item in recorded.get("services") or []})
    units = found["units"]
    return Seen(None if units is None else {name: Unit(**unit) for name, unit in units.items()}, found["reasons"])


def restart(recorded: Mapping[str, Any], entry: Mapping[str, Any], patience_s: float) -> dict[str, Any]:
    """As the local one, there. Raises NotReady."""
    done = Host.of(recorded).ask(
        "restart", entry["name"], "--number", f"{patience_s:g}", timeout_s=patience_s + MARGIN_S
    )
    return {"pid": done["pid"]}


def log(
    environment: Environment, recorded: Mapping[str, Any], service: str, count: int, *, follow: bool
) -> Iterator[str]:
    """The host's log; provision.log is the controller's. Raises FileError, NotReady."""
    host = Host.of(recorded)
    found = host.ask("log", service, "--number", str(count))
    if "path" not in found:
        raise FileError(
            f"environment '{environment.name}' has no log of '{service}'",
            file=f"{host.name}:{host.environment}/logs/{service}.log", remedy=did_you_mean(service, found["known"]),
        )  # fmt: skip
    if follow:
        return host.lines("tail", "-n", str(count), "-F", str(found["path"]))
    return iter([str(line) for line in found["lines"]])
