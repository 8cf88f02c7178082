"""Which fault is possible on which service, by labels alone or by a plan that proves its inverse."""

from __future__ import annotations

from typing import Any

from runners.faults import injection
from runners.faults.kinds import Refused, catalogue
from runners.faults.safety import capability
from runners.faults.services import Stack


def targets(stack: Stack, *, prove: bool = False) -> list[dict[str, Any]]:
    """`{service, fault, possible, reason}` of every pair. prove: ask the supervisor and the kernel too; touches nothing."""
    found = []
    for service in stack.services.values():
        for fault in catalogue():
            why = capability(fault, service)
            if why is None and prove:
                try:
                    injection.plan(stack, "preflight", fault, service.name)
                except Refused as error:
                    why = str(error)
            found.append({"service": service.name, "fault": fault, "possible": why is None, "reason": why})
    return found


def by_service(pairs: list[dict[str, Any]]) -> list[str]:
    """A line a service, for people."""
    words: dict[str, list[str]] = {}
    for pair in pairs:
        word = pair["fault"] if pair["possible"] else f"{pair['fault']} (no: {pair['reason']})"
        words.setdefault(pair["service"], []).append(word)
    return [f"{service:<13}{', '.join(faults)}" for service, faults in words.items()]
