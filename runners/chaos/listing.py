"""What chaos can do here: faults × services with the reason where one is not possible, and the experiments."""

from __future__ import annotations

from typing import Any

from runners.config import lookup
from runners.config.document import read
from runners.faults import journal, services
from runners.faults.kinds import catalogue
from runners.faults.record import FaultRecord
from runners.faults.targets import by_service, targets
from runners.lib.errors import NotReady, TestbedError
from runners.lib.home import Environment


def listing(environment: Environment) -> dict[str, Any]:
    """`{environment, reason, faults: [{name, summary, heals}], targets: [...], open: [...], kill_costs, experiments: [...]}`.

    reason: why there are no targets (not provisioned, external); None when there are.
    """
    reason: str | None = None
    found: list[dict[str, Any]] = []
    costs: dict[str, str | None] = {}
    try:
        stack = services.load(environment)
        costs = {service.name: service.kill_costs or None for service in stack.services.values()}
        found = targets(stack)
    except NotReady as error:
        reason = error.what
    return {
        "environment": environment.name,
        "reason": reason,
        "faults": [
            {"name": kind.name, "summary": kind.summary, "heals": kind.heals} for kind in catalogue().values()
        ],
        "targets": found,
        "open": [_open(record) for record in journal.open_entries(environment.journal)],
        "kill_costs": costs,
        "experiments": [_experiment(name, path) for name, path in sorted(lookup.available("experiments").items())],
    }  # fmt: skip


def _open(record: FaultRecord) -> dict[str, Any]:
    return {key: getattr(record, key) for key in ("id", "run", "fault", "target", "state", "deadline")}


def _experiment(name: str, path: Any) -> dict[str, Any]:
    try:
        data = read(path).data
        title = str(data.get("title", "")) if isinstance(data, dict) else ""
    except TestbedError as error:
        title = f"not readable: {error.what}"
    return {"name": name, "title": title, "file": str(path)}


def as_text(found: dict[str, Any]) -> str:
    """For people."""
    lines = ["faults"]
    lines += [f"  {fault['name']:<9}{fault['summary']}" for fault in found["faults"]]
    lines.append(f"targets in environment '{found['environment']}'")
    if found["reason"]:
        lines.append(f"  none: {found['reason']}")
    lines += [f"  {line}" for line in by_service(found["targets"])]
    if found["open"]:
        lines.append("open faults")
        lines += [f"  {item['id']}  {item['fault']} {item['target']}: {item['state']}" for item in found["open"]]
    if costs := {name: cost for name, cost in found["kill_costs"].items() if cost}:
        lines.append("what kill -9 costs")
        lines += [f"  {name:<13}{cost}" for name, cost in costs.items()]
    lines.append("experiments")
    lines += [f"  {item['name']:<18}{item['title']}" for item in found["experiments"]]
    return "\n".join(lines)
