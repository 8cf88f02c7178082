"""Which unhealthy service is a cause, and which only suffers from another: read off the graph of requirements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.environment.host.remedy import remedy


@dataclass(frozen=True)
class Impact:
    """blocked: service → the root causes it hangs on, direct or through others."""

    healthy: tuple[str, ...]
    root_causes: tuple[str, ...]
    blocked: dict[str, tuple[str, ...]]


def impact(requires: Mapping[str, Collection[str]], healthy: Collection[str]) -> Impact:
    """A service is a root cause when it is unhealthy though all it requires is healthy; the rest is blocked."""
    unhealthy = [name for name in requires if name not in healthy]

    def causes(name: str, above: frozenset[str] = frozenset()) -> set[str]:
        bad = [needed for needed in requires.get(name, ()) if needed in unhealthy and needed not in above]
        return set[str]().union(*(causes(needed, above | {name}) for needed in bad)) if bad else {name}

    found = {name: causes(name) for name in unhealthy}
    return Impact(
        tuple(sorted(name for name in requires if name in healthy)),
        tuple(sorted(name for name, why in found.items() if why == {name})),
        {name: tuple(sorted(why)) for name, why in sorted(found.items()) if why != {name}},
    )


def order(requires: Mapping[str, Collection[str]]) -> list[str]:
    """Names so that each comes after what it requires. Raises ValueError for a circle or an unknown name."""
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"services require each other in a circle: {' → '.join([*path, name])}")
        if name not in requires:
            raise ValueError(f"service '{path[-1]}' requires '{name}', which is not in the catalogue")
        if name not in done:
            for needed in requires[name]:
                visit(needed, (*path, name))
            done.append(name)

    for name in requires:
        visit(name, ())
    return done


def with_requirements(requires: Mapping[str, Collection[str]], wanted: Iterable[str]) -> list[str]:
    """The wanted services and all they require, in starting order."""
    needed, todo = set[str](), list(wanted)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += requires[name]
    return [name for name in order(requires) if name in needed]


def tail(log: Path, lines: int = 20, *, limit: int = 16_384) -> list[str]:
    """The last lines of a log file; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - limit))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def _cause(service: Mapping[str, Any], reason: str) -> dict[str, Any]:
    log = tail(Path(service["log"]))
    return {"service": service["name"], "reason": reason, "log": log, "remedy": remedy(service, reason, log)}


def failure_document(
    services: Iterable[Mapping[str, Any]], reasons: Mapping[str, str | None], *, failed_task: str, message: str
) -> dict[str, Any]:
    """failure.json. reasons: per service why it is not healthy, None when it is; message: what the failed task said."""
    known = {service["name"]: service for service in services}
    split = impact(
        {name: service["requires"] for name, service in known.items()},
        [name for name, reason in reasons.items() if reason is None],
    )
    causes = [_cause(known[name], reasons.get(name) or "it is not healthy") for name in split.root_causes]
    return {
        "failed_task": failed_task,
        "message": message,
        "healthy": list(split.healthy),
        "root_causes": causes,
        "blocked": [{"service": name, "by": list(by)} for name, by in split.blocked.items()],
        "rolled_back": False,
    }
