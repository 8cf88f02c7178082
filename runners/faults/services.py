"""The services of an environment as its state.json describes them, and what chaos may do to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runners.faults import health
from runners.faults.engine import SOCKET
from runners.faults.record import Access
from runners.faults.supervisor import Supervisor
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment
from runners.lib.text import did_you_mean


@dataclass(frozen=True)
class Service:
    """allowed: the opt-in label; faults: the kinds that the label permits (empty: all); kill_costs: what kill -9 loses."""

    name: str
    program: str
    health: dict[str, Any]
    allowed: bool
    faults: tuple[str, ...]
    kill_costs: str = ""


@dataclass(frozen=True)
class Stack:
    """One provisioned environment: its identity, its supervisor or engine (url), its services."""

    environment: Environment
    env_id: str
    kind: str
    url: str
    username: str
    password_file: str
    services: dict[str, Service]

    def service(self, name: str) -> Service:
        """Raises NotReady with the nearest name."""
        if (found := self.services.get(name)) is None:
            raise NotReady(
                f"environment '{self.environment.name}' has no service '{name}'",
                remedy=did_you_mean(name, self.services) if self.services else "provision it with 'testbed up'",
            )
        return found

    def supervisor(self) -> Supervisor:
        return Supervisor(self.url, self.username, self.password_file)

    def access(self, service: Service) -> Access:
        return Access(self.url, self.username, self.password_file, service.program, service.health)


def load(environment: Environment) -> Stack:
    """Read state.json. Raises NotReady when there is no environment, or none whose processes we supervise."""
    state = read_json(environment.state)
    if not isinstance(state, dict) or state.get("state") in (None, "absent"):
        raise NotReady(
            f"environment '{environment.name}' is not provisioned", remedy=f"run 'testbed up {environment.name}' first"
        )
    if state.get("kind") == "external":
        raise NotReady(
            f"environment '{environment.name}' is external: its processes are not ours to break",
            remedy="choose an environment that the testbed provisioned",
        )
    if state.get("kind") == "remote":
        raise NotReady(
            f"environment '{environment.name}' is on another host: its processes are broken from there",
            remedy="use the chaos playbooks: ansible-playbook -i INVENTORY playbooks/chaos/inject.yml",
        )
    if state.get("kind") == "compose":
        return _of_containers(environment, state)
    supervisor = state.get("supervisor")
    if not isinstance(supervisor, dict) or not supervisor.get("url") or not state.get("env_id"):
        raise NotReady(
            f"environment '{environment.name}' has no supervisor in its state.json: its services cannot be faulted",
            remedy=f"provision it again with 'testbed up {environment.name}'",
        )
    services = {str(item["name"]): _service(item) for item in state.get("services", []) if item.get("program")}
    return Stack(
        environment, str(state["env_id"]), str(state.get("kind", "local")), str(supervisor["url"]),
        str(supervisor.get("username") or ""), str(supervisor.get("password_file") or ""), services,
    )  # fmt: skip


def _of_containers(environment: Environment, state: dict[str, Any]) -> Stack:
    url, env_id = str((state.get("engine") or {}).get("url") or SOCKET), str(state["env_id"])
    asked = {"engine": url, "env_id": env_id}
    services = {
        str(item["name"]): _service(item, asked) for item in state.get("services", []) if not item.get("job", False)
    }
    return Stack(environment, env_id, "compose", url, "", "", services)


def _service(item: dict[str, Any], asked: dict[str, Any] | None = None) -> Service:
    """asked: where the engine can be asked for the health of its container."""
    label = item.get("chaos") or {}
    described = item.get("health") or {}
    try:
        check = (
            {"type": "container", "service": item["program"], **asked}
            if asked and described.get("kind") == "container"
            else health.describe(described, item)
        )
    except ValueError:
        check = {}
    return Service(
        str(item["name"]), str(item["program"]), check, label.get("allowed") is True, tuple(label.get("faults") or ()),
        str(label.get("kill_costs") or ""),
    )  # fmt: skip
