"""How a provisioning ended, written down: state.json when it succeeded, failure.json when it did not."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Mapping
from typing import Any

from runners.environment.host import secrets, workspace
from runners.environment.host.impact import failure_document
from runners.environment.host.readiness import probe_all
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment
from runners.playbook.mask import Mask


def ready(environment: Environment, supervisor: Mapping[str, Any], took_s: Mapping[str, float] | None = None) -> bool:
    """False when it was recorded so already. supervisor: pid and start, added to what is known of it; took_s: seconds from
    start to health of the services that were started now."""
    state = read_json(environment.state) or {}
    known = state.get("supervisor") or {}
    environment.failure.unlink(missing_ok=True)
    changes: dict[str, Any] = {"supervisor": {**known, **supervisor}} if known or supervisor else {}
    if took_s:
        changes["took_s"] = {**(state.get("took_s") or {}), **took_s}
    return workspace.finish(environment, changes)


def failed(
    environment: Environment,
    *,
    failed_task: str,
    message: str,
    tags: Collection[str] = (),
    reasons: Mapping[str, str | None] | None = None,
    ask: Callable[[list[dict[str, Any]]], Mapping[str, str | None]] = probe_all,
) -> dict[str, Any]:
    """Write failure.json and say `failed` in state.json; returns the document.

    reasons: what the failed task found out about services; the others are asked now, by `ask`. tags: those of the failed task, which
    name its role. When that task was no asking of services, its role is the cause, and what does not run yet is blocked.
    """
    state = read_json(environment.state) or {}
    services = state.get("services") or []
    asked = dict(reasons or {})
    known = dict(ask([service for service in services if service["name"] not in asked])) | asked
    if reasons:
        causes = [name for name, reason in asked.items() if reason is not None]
    else:
        causes = [next((tag for tag in tags), "provisioning")]
        if causes[0] not in known:
            services = [
                *services,
                {"name": causes[0], "requires": [], "log": str(environment.logs / f"{causes[0]}.log")},
            ]
        known[causes[0]] = message
    services = [
        # What does not run and was not asked was never started: it is no cause.
        service if service["name"] in (*asked, *causes) or known[service["name"]] is None
        else {**service, "requires": [*service["requires"], *causes]}
        for service in services
    ]  # fmt: skip
    # A server that is told nonsense repeats the line in its log, with the password in it (Redis does).
    hidden = Mask(lambda: secrets.values(environment.secrets))
    document: dict[str, Any] = hidden.value(failure_document(services, known, failed_task=failed_task, message=message))
    write(environment, document)
    return document


def write(environment: Environment, document: Mapping[str, Any]) -> None:
    """Keep a report in failure.json, and say `failed` in state.json. On a full disk nothing is written: the caller has
    the document, and another chance when things are removed."""
    try:
        environment.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(environment.failure, document)
        if (state := read_json(environment.state)) is not None:
            write_json(environment.state, {**state, "state": "failed"})
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def rolled_back(environment: Environment) -> bool:
    """Note that processes, data and secrets are gone."""
    document = read_json(environment.failure)
    if document is None or document["rolled_back"]:
        return False
    write_json(environment.failure, document | {"rolled_back": True})
    state = read_json(environment.state)
    if state:
        write_json(environment.state, {**state, "outside": []})
    return True
