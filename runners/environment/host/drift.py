"""What check mode cannot see of a running environment: processes, what they run with, who listens where, what they know.

Each deviation is an Item; values of secrets are never part of one.
"""

from __future__ import annotations

import glob
import json
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from runners.environment.host import realm
from runners.environment.host.known import section_hash, started_with
from runners.environment.host.listeners import listening, sockets
from runners.environment.host.probes import TIMEOUT_S
from runners.environment.host.processes import ENV_MARK, members
from runners.environment.host.readiness import probe_all
from runners.environment.host.supervisor import RUNNING, STARTING, Control, Process, Unreachable
from runners.lib import proc
from runners.lib.home import Environment

Kind = Literal["process", "health", "listener", "configuration", "secret", "rules", "realm", "recorded"]
LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Item:
    """service: None when it belongs to the whole environment; path: a file, a port or a URL."""

    service: str | None
    kind: Kind
    path: str | None
    expected: str
    found: str

    def to_json(self) -> dict[str, str | None]:
        return {
            "service": self.service, "kind": self.kind, "path": self.path, "expected": self.expected, "found": self.found,
        }  # fmt: skip


def probe(environment: Environment, state: Mapping[str, Any]) -> list[Item]:
    """All that differs from what state.json says. Takes a second or two; changes nothing."""
    services = list(state.get("services") or [])
    try:
        processes = Control(state["supervisor"]).processes()
    except Unreachable as error:
        return [Item(None, "process", state["supervisor"]["url"], "supervisord answers", str(error))]
    found = [*_processes(environment, services, processes), *_listeners(state, services)]
    down = {item.service for item in found if item.kind == "process"}
    asked = [service for service in services if service["name"] not in down]
    found += [
        Item(name, "health", _url(services, name), "healthy", reason)
        for name, reason in probe_all(asked).items()
        if reason is not None
    ]
    unhealthy = down | {item.service for item in found if item.kind == "health"}
    for service in services:
        if service["name"] in unhealthy:
            continue
        if service["name"] == "prometheus":
            found += _rules(environment, service["url"])
        elif service["name"] == "keycloak":
            found += [Item("keycloak", "realm", *rest) for rest in realm.differences(environment, service["url"])]
    return found


def _processes(
    environment: Environment, services: Iterable[Mapping[str, Any]], processes: Mapping[str, Process]
) -> Iterator[Item]:
    for service in services:
        name, process = service["name"], processes.get(service["program"])
        section = environment.config / "programs" / f"{service['program']}.conf"
        if process is None or process.code not in (RUNNING, STARTING):
            yield Item(
                name, "process", str(section), "running", "unknown to supervisord" if process is None else "dead"
            )
            continue
        stat = proc.stat(process.pid)
        if stat is not None and stat.state in "Tt":
            yield Item(name, "process", f"pid {process.pid}", "running", "paused")
        told, written = started_with(process.pid), section_hash(section)
        if told and written and told != written:
            yield Item(name, "configuration", str(section), f"the process knows {written}", f"it knows {told}")


def _listeners(state: Mapping[str, Any], services: Collection[Mapping[str, Any]]) -> Iterator[Item]:
    """Sockets on the environment's ports that are not its own, or are open to more than they should."""
    names = {service["name"] for service in services}
    wanted = {int(service["port"]): urlsplit(service["url"]).hostname for service in services}
    ours = {inode for pid in members(ENV_MARK, state["env_id"]) for inode in sockets(pid)}
    ports = {
        int(port): key
        for key, port in state["ports"].items()
        if key in names or key == "supervisor" or key.rsplit("_", 1)[0] in names
    }
    for address, port, inode in listening():
        if port not in ports:
            continue
        service = ports[port] if ports[port] in names else ports[port].rsplit("_", 1)[0]
        owner = None if service == "supervisor" else service
        if inode not in ours:
            yield Item(owner, "listener", f"port {port}", "the environment's own process", f"another on {address}")
        elif address not in (*LOOPBACK, wanted.get(port)):
            yield Item(owner, "listener", f"port {port}", wanted.get(port) or LOOPBACK[0], address)


def _rules(environment: Environment, url: str) -> Iterator[Item]:
    """The alert rules that Prometheus has, by group and name, against those in the files it is to read."""
    expected: set[tuple[str, str]] = set()
    configuration = yaml.safe_load((environment.config / "prometheus.yml").read_text())
    for pattern in configuration.get("rule_files") or []:
        for path in glob.glob(pattern):  # noqa: PTH207  (the pattern is absolute)
            groups = yaml.safe_load(Path(path).read_text())["groups"]
            expected |= {
                (group["name"], rule.get("alert") or rule["record"]) for group in groups for rule in group["rules"]
            }
    with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=TIMEOUT_S) as answer:  # noqa: S310  (our own http URL)
        groups = json.load(answer)["data"]["groups"]
    found = {(group["name"], rule["name"]) for group in groups for rule in group["rules"]}
    for group, name in sorted(expected - found):
        yield Item("prometheus", "rules", f"{group}/{name}", "a rule", "nothing")
    for group, name in sorted(found - expected):
        yield Item("prometheus", "rules", f"{group}/{name}", "nothing", "a rule")


def _url(services: Iterable[Mapping[str, Any]], name: str) -> str | None:
    return next((service["url"] for service in services if service["name"] == name), None)
