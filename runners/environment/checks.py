"""What must hold before tests may start on an environment: its settings, its secrets, and that its services reach each other.

Fast (one request a service, all at once) and without effect on the environment. What its target can do is a question of its
own, to `runners.target.verify`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runners.environment.host.probes import dependencies
from runners.lib.errors import TestbedError
from runners.lib.files import read_json
from runners.lib.home import Environment
from runners.target import profile as profiles

State = Literal["ok", "failed", "not_applicable"]
Kind = Literal["setting", "secret", "connection"]

# Files that the platform and the suites cannot do without, beside a password for each role that is used.
_SECRETS = ("identities.json", "jwt_private.pem", "jwt_public.pem", "alert_webhook_tokens.json")
_TOLD_AS = {"keycloak": ("keycloak", "identity_provider")}  # by what names readiness pages call a service


@dataclass(frozen=True)
class Check:
    """name: of a setting, a file, or `from → to`; reason: why it does not hold, or cannot be told."""

    kind: Kind
    name: str
    state: State
    reason: str | None = None

    def to_json(self) -> dict[str, str | None]:
        return {"kind": self.kind, "name": self.name, "state": self.state, "reason": self.reason}


def checks(environment: Environment, state: Mapping[str, Any]) -> list[Check]:
    """All of them for what state.json describes."""
    if state.get("kind") == "external":
        return [_target(state)]
    return [*_settings(environment, state), *_secrets(environment, state), *_connections(state)]


def failed(found: list[Check]) -> list[str]:
    """One sentence for each that does not hold."""
    return [f"{check.kind} {check.name}: {check.reason}" for check in found if check.state == "failed"]


def _verdict(kind: Kind, name: str, reason: str | None) -> Check:
    return Check(kind, name, "ok" if reason is None else "failed", reason)


def _settings(environment: Environment, state: Mapping[str, Any]) -> Iterator[Check]:
    yield _target(state)
    ports = list((state.get("ports") or {}).values())
    yield _verdict("setting", "ports", None if len(ports) == len(set(ports)) else "two services have the same port")
    rendered = read_json(environment.config / "observastack.json")
    if rendered is None:
        if {service["name"] for service in state.get("services") or []} & {"backend", "ingest"}:
            yield Check("setting", "configuration", "failed", "the platform's configuration is not there, or not whole")
        return
    method = "oidc" if state.get("identity") == "keycloak" else "local"
    for name, expected, found in (
        ("identity", method, (rendered.get("auth") or {}).get("method")),
        (
            "stores",
            state.get("stores"),
            {key: (rendered.get("stores") or {}).get(key) for key in state.get("stores") or {}},
        ),
        ("defects", state.get("defects"), rendered.get("defects")),
    ):
        wrong = None if expected == found else f"{expected} is recorded, the platform's configuration says {found}"
        yield _verdict("setting", name, wrong)


def _target(state: Mapping[str, Any]) -> Check:
    try:
        profiles.load(Path(state["target_file"]), state.get("urls") or {})
    except TestbedError as error:
        return Check("setting", "target", "failed", str(error).splitlines()[0])
    return Check("setting", "target", "ok")


def _secrets(environment: Environment, state: Mapping[str, Any]) -> Iterator[Check]:
    folder = environment.secrets
    if not folder.is_dir():
        yield Check("secret", "secrets", "failed", "the folder is not there")
        return
    yield _verdict("secret", "secrets", _mode(folder, 0o700))
    passwords = {Path(name).name for name in _password_files(state)}
    # A container that is not root cannot read a 0600 file that is mounted into it; there the folder is what protects.
    allowed = 0o644 if state.get("kind") == "compose" else 0o600
    for name in sorted({*_SECRETS, *passwords}):
        path = folder / name
        reason = "it is not there" if not path.is_file() else _mode(path, allowed) or _empty(path)
        yield _verdict("secret", name, reason)


def _password_files(state: Mapping[str, Any]) -> Iterator[str]:
    if supervisor := state.get("supervisor"):
        yield supervisor["password_file"]
    for service in state.get("services") or []:
        if file := (service.get("health") or {}).get("password_file"):
            yield file


def _mode(path: Path, allowed: int) -> str | None:
    found = path.stat()
    if os.geteuid() not in (0, found.st_uid):  # root may look after the environment of another user
        return f"it belongs to user {found.st_uid}"
    mode = stat.S_IMODE(found.st_mode)
    return f"its mode is {mode:04o}, not {allowed:04o}" if mode & ~allowed else None


def _empty(path: Path) -> str | None:
    return None if path.stat().st_size else "it is empty"


def _connections(state: Mapping[str, Any]) -> list[Check]:
    """Each `requires` edge, as the service that requires tells it on its own readiness page."""
    services = {service["name"]: service for service in state.get("services") or []}
    asking = [service for service in services.values() if service.get("requires")]
    if not asking:
        return []
    with ThreadPoolExecutor(len(asking)) as pool:
        told = list(pool.map(lambda service: dependencies(service.get("health") or {}), asking))
    found = []
    for service, answer in zip(asking, told, strict=True):
        for needed in service["requires"]:
            edge = f"{service['name']} → {needed}"
            if answer is None:
                found.append(Check("connection", edge, "failed", f"{service['name']} does not answer"))
                continue
            said = [answer[name] for name in _TOLD_AS.get(needed, (needed,)) if name in answer]
            if said:
                found.append(_verdict("connection", edge, said[0]))
            else:
                found.append(Check("connection", edge, "not_applicable", f"{service['name']} does not tell"))
    return found
