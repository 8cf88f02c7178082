"""What the engine measures and what happened to containers: one sample costs milliseconds, unlike the SDK's usual way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from runners.environment.containers.engine import LABEL, SERVICE_LABEL, Box

_TOLD = {"die", "oom", "kill", "start", "stop", "pause", "unpause", "restart", "create", "destroy"}


@dataclass(frozen=True)
class Sample:
    """cpu_s: CPU seconds since its start; memory_bytes: without the page cache; at: monotonic seconds."""

    cpu_s: float
    memory_bytes: int
    memory_limit_bytes: int
    received_bytes: int
    sent_bytes: int
    at: float


def sample(client: Any, box: Box) -> Sample | None:
    """None for a container that does not run."""
    from docker.errors import DockerException

    try:
        found = client.api.stats(box.id, stream=False, one_shot=True)
    except (DockerException, OSError, ValueError):
        return None
    return reduced(found, time.monotonic())


def samples(client: Any, found: Iterable[Box]) -> dict[str, Sample]:
    """By container id, asked in parallel."""
    running = [box for box in found if box.status in ("running", "paused")]
    if not running:
        return {}
    with ThreadPoolExecutor(min(8, len(running))) as pool:
        taken = pool.map(lambda box: sample(client, box), running)
        return {box.id: one for box, one in zip(running, taken, strict=True) if one is not None}


def reduced(stats: Mapping[str, Any], at: float) -> Sample | None:
    """The engine's document; None where it has no memory figures, which is so once a container has ended."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    inner = memory.get("stats") or {}
    # cgroup v2 says inactive_file, v1 total_inactive_file: the cache that goes when memory is needed.
    cache = int(inner.get("total_inactive_file", inner.get("inactive_file", 0)))
    networks = (stats.get("networks") or {}).values()
    return Sample(
        cpu_s=int(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9,
        memory_bytes=max(0, int(memory["usage"]) - cache), memory_limit_bytes=int(memory.get("limit") or 0),
        received_bytes=sum(int(item["rx_bytes"]) for item in networks),
        sent_bytes=sum(int(item["tx_bytes"]) for item in networks), at=at,
    )  # fmt: skip


def cores(before: Sample, after: Sample) -> float:
    """CPU cores used between two samples."""
    return max(0.0, after.cpu_s - before.cpu_s) / max(1e-3, after.at - before.at)


@dataclass(frozen=True)
class Event:
    """What happened to the container of a service. at: Unix seconds; exit_code: of one that died."""

    at: float
    service: str
    what: str
    exit_code: int | None = None


def events(client: Any, env_id: str, *, since: float, until: float) -> Iterator[Event]:
    """What happened to the containers of an environment between two moments (Unix seconds), in order; health changes too."""
    found = client.api.events(
        since=since, until=until, filters={"type": "container", "label": f"{LABEL}={env_id}"}, decode=True
    )
    for item in found:
        if (told := event_of(item)) is not None:
            yield told


def event_of(item: Mapping[str, Any]) -> Event | None:
    """None for what nobody wants to read: exec, attach and the like."""
    what = str(item.get("Action") or item.get("status") or "")
    attributes = (item.get("Actor") or {}).get("Attributes") or {}
    if what not in _TOLD and not what.startswith("health_status"):
        return None
    code = attributes.get("exitCode")
    return Event(
        int(item["timeNano"]) / 1e9, str(attributes.get(SERVICE_LABEL, "")), what.replace("health_status: ", ""),
        int(code) if code is not None else None,
    )  # fmt: skip
