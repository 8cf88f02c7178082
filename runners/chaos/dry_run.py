"""What an experiment would do here: each operation with its inverse, and why something is not possible."""

from __future__ import annotations

from typing import Any

from runners.chaos.experiment import Experiment, PlannedFault
from runners.faults import injection, lever
from runners.faults.kinds import Refused, kinds_of
from runners.faults.safety import capability
from runners.faults.services import Stack


def dry_run(experiment: Experiment, stack: Stack | None) -> dict[str, Any]:
    """`{experiment, title, halted, possible, faults: [...]}`; plans every fault for real, touches nothing."""
    faults = [_fault(experiment, stack, fault) for fault in experiment.faults] if stack is not None else []
    down = lever.halted(stack.environment) if stack is not None else None
    return {
        "experiment": str(experiment.path),
        "title": experiment.title,
        "halted": down,
        "possible": down is None and all(fault["possible"] for fault in faults),
        "faults": faults,
    }


def _fault(experiment: Experiment, stack: Stack, planned: PlannedFault) -> dict[str, Any]:
    kind = kinds_of(stack)[planned.fault]
    service = stack.service(planned.target)
    why = capability(planned.fault, service, experiment.extension.deny)
    processes = 0
    if why is None:
        try:
            record = injection.plan(stack, "dry run", planned.fault, planned.target, planned.ttl_s)
            processes = len(record.guards.processes)
        except Refused as error:
            why = str(error)
    return {
        "activity": planned.activity,
        "fault": planned.fault,
        "target": planned.target,
        "ttl_s": planned.ttl_s,
        "hold_s": None if kind.heals else planned.hold_s,
        "possible": why is None,
        "reason": why,
        "processes": processes,
        "inject": [operation.describe(planned.target) for operation in kind.inject_operations],
        "revert": [operation.describe(planned.target) for operation in kind.revert_operations],
    }


def as_text(plan: dict[str, Any]) -> str:
    """For people."""
    lines = [plan["title"]]
    if plan["halted"]:
        lines.append(f"  halted by {plan['halted'].get('by')}: {plan['halted'].get('reason')}")
    for fault in plan["faults"]:
        hold = f", held {fault['hold_s']:g} s" if fault["hold_s"] is not None else ""
        lines.append(f"  {fault['activity']}: {fault['fault']} {fault['target']} (ttl {fault['ttl_s']:g} s{hold})")
        if fault["reason"]:
            lines.append(f"    not possible: {fault['reason']}")
        lines += [f"    inject  {operation}" for operation in fault["inject"]]
        lines += [f"    revert  {operation}" for operation in fault["revert"]]
    if not plan["faults"]:
        lines.append("  no fault of the testbed: a plain Chaos Toolkit experiment")
    lines.append("nothing was done (dry run)")
    return "\n".join(lines)
