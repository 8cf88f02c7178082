"""A deployment that exists already, described by a target.yml alone: attached after verification, detached, never changed."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runners.environment.host.folders import clear
from runners.environment.host.workspace import STATE_VERSION
from runners.environment.state import Seen
from runners.lib.errors import FileError, NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment
from runners.target import open_target, verify
from runners.target import profile as profiles

TIMEOUT_S = 2.0


def attach(environment: Environment, folder: Path) -> dict[str, Any]:
    """Record it and probe every operation once; returns the verification. Raises FileError (target.yml), NotReady."""
    target_file = folder / "target.yml"
    described = profiles.load(target_file, {})
    earlier = read_json(environment.state) or {}
    state: dict[str, Any] = {
        "v": STATE_VERSION, "environment": environment.name, "kind": "external", "state": "provisioning",
        "env_id": earlier.get("env_id") or str(uuid.uuid4()), "inventory": str(folder), "target_file": str(target_file),
        "urls": dict(described.urls), "services": _services(described.urls), "supervisor": None, "defects": [],
        "outside": [], "provisioned_at": None,
    }  # fmt: skip
    for path in (environment.root, environment.logs):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(environment.state, state)
    with open_target(environment) as target:
        verification = verify(target)
    document = verification.to_json()
    if not verification.ready:
        write_json(environment.state, state | {"state": "failed"})
        _fail(environment, document)
        missing = "".join(f"\n    {probe.name}: {probe.reason}" for probe in verification.missing)
        raise NotReady(
            f"the target of '{environment.name}' lacks what it must be able to do:{missing}",
            remedy=f"mend the deployment, or 'operations' and 'required' in {target_file}",
        )
    environment.failure.unlink(missing_ok=True)
    write_json(environment.state, state | {"state": "ready", "provisioned_at": round(time.time(), 3)})
    return document


def detach(environment: Environment) -> None:
    """Forget it; the deployment itself is not touched."""
    clear(environment)


def look(recorded: Mapping[str, Any]) -> Seen:
    """Does something listen at each of its URLs?"""
    return Seen(None, {service["name"]: _listens(service["url"]) for service in recorded.get("services") or []})


def restart(recorded: Mapping[str, Any], _entry: Mapping[str, Any], _patience_s: float) -> dict[str, Any]:
    """Raises NotReady: what the testbed did not start, it does not stop."""
    raise NotReady(
        f"environment '{recorded['environment']}' is external: its services are not ours to restart",
        remedy="choose an environment that the testbed provisioned",
    )


def log(
    environment: Environment, _recorded: Mapping[str, Any], service: str, _count: int, *, follow: bool
) -> Iterator[str]:
    """Raises FileError: its logs lie with whoever runs it."""
    del follow
    raise FileError(
        f"environment '{environment.name}' is external: it has no log of '{service}' here",
        file=environment.logs / f"{service}.log", remedy="read it where the deployment writes it",
    )  # fmt: skip


def _services(urls: Mapping[str, str | None]) -> list[dict[str, Any]]:
    return [
        {
            "name": name, "title": name, "implementation": "external", "version": None, "port": urlsplit(url).port,
            "url": url, "requires": [], "program": None, "chaos": {"allowed": False, "faults": []},
        }
        for name, url in urls.items()
        if url
    ]  # fmt: skip


def _fail(environment: Environment, document: Mapping[str, Any]) -> None:
    bad = [item for item in document["operations"] if item["name"] in document["required"] and item["state"] != "ok"]
    write_json(
        environment.failure,
        {
            "failed_task": "verify", "healthy": [], "blocked": [], "rolled_back": False,
            "message": "required operations are missing",
            "root_causes": [{"service": item["name"], "reason": item["reason"], "log": []} for item in bad],
        },
    )  # fmt: skip


def _listens(url: str) -> str | None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), TIMEOUT_S):
            return None
    except OSError as error:
        return f"no connection: {error}"
