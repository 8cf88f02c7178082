"""From what the engine sees of a container to what a service is like. Pure, but for the question to a published port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from runners.environment.containers.engine import Box
from runners.environment.state import Unit

ORDERLY = (0, 130, 143)  # exit codes of a program that was told to end by INT or TERM


def trouble(box: Box | None, *, job: bool = False) -> str | None:
    """Why the container is not as it should be, as far as the engine can tell; None when it is."""
    if box is None:
        return "it has no container"
    if job and box.status == "exited":
        return None if box.exit_code == 0 else f"it ended with exit code {box.exit_code}"
    memory = " (it ran out of memory)" if box.out_of_memory else ""
    said = {
        "created": "its container was never started",
        "paused": "it is paused",
        "restarting": f"it ends after its start, again and again, with exit code {box.exit_code}{memory}",
        "exited": f"it ended with exit code {box.exit_code}{memory}",
        "removing": "its container is being removed",
        "dead": "the engine could not remove its container",
    }
    if box.status in said:
        return said[box.status]
    if job:
        return "it has not ended yet"
    if box.health == "unhealthy":
        return f"its health check fails: {box.said}" if box.said else "its health check fails"
    return "its health check has not passed yet" if box.health == "starting" else None


def failed(box: Box | None) -> bool:
    """Has it come to an end that is not a good one? What is still on its way has not."""
    if box is None or box.status in ("created", "running", "paused"):
        return box is not None and (box.health == "unhealthy" or box.status == "paused")
    return box.status != "exited" or box.exit_code != 0


def why(
    entry: Mapping[str, Any], box: Box | None, probe: Callable[[Mapping[str, Any]], str | None] | None
) -> str | None:
    """Why a service is not healthy; None when it is. entry: of state.json.

    probe: asks the published port, whose answer counts more than the engine's last health check, as it is newer. Where it is
    None, the engine's word is all.
    """
    found = trouble(box, job=bool(entry.get("job")))
    if probe is None or box is None or box.status != "running" or (entry.get("health") or {}).get("kind") != "http":
        return found
    answer = probe(entry["health"])
    if answer is None or answer.startswith("answers"):  # who answers says more than the check that was told the same
        return answer
    return f"{answer}; {found}" if found else answer


def unit(box: Box, memory_bytes: int | None = None) -> Unit:
    """The container as what carries a service."""
    return Unit(_state(box), box.pid, box.id, paused=box.status == "paused", memory_bytes=memory_bytes)


def _state(box: Box) -> Literal["running", "starting", "stopped", "failed"]:
    if box.status == "running":
        return "starting" if box.health == "starting" else "running"
    if box.status == "paused":
        return "running"
    if box.status == "created" or (box.status == "exited" and box.exit_code in ORDERLY):
        return "stopped"
    return "failed"
