"""Secrets that a container's data has taken in: its server knows them since its first start, whatever file is mounted now.

Which ones the data knows stands in state.json (`engine.knows`), as a hash. Where a file says something else by now, PostgreSQL
is told in single-user mode, which asks for no password: so it does not matter who was killed after the secret changed. What
keeps nothing but what it was given begins from nothing, as Keycloak does among processes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.environment.containers import engine, project
from runners.environment.containers.project import Project
from runners.environment.host.cluster import scram_verifier
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

_ALTER_S = 120.0
_STOP_S = 30
_SINGLE_USER = (
    '[ -s "$PGDATA/PG_VERSION" ] || exit 0; exec postgres --single -D "$PGDATA" -c log_statement=none postgres'
)


class NotTaken(Exception):
    """service: whose data could not be told its new password."""

    def __init__(self, service: str, said: str) -> None:
        super().__init__(f"its data did not take the new password: {said}")
        self.service = service


@dataclass(frozen=True)
class Kept:
    """files: secrets that its data has taken in; volume: as the compose files call it; role: of PostgreSQL, whose password the
    first file has; None: what has no other data."""

    files: tuple[str, ...]
    volume: str
    role: str | None = None


KEPT = {
    "postgres": Kept(("postgres_password",), "postgres", "postgres"),
    "results-db": Kept(("results_password",), "results", "results"),
    "keycloak": Kept(("keycloak_realm.json", "keycloak_password"), "keycloak"),
    "grafana": Kept(("grafana_password",), "grafana"),
}


def renew(
    client: Any, environment: Environment, ours: Project, document: Mapping[str, Any], names: Collection[str]
) -> None:
    """Let the data of these services know the secrets of now, before they are started with them. document: of compose.

    Raises NotTaken.
    """
    for name in (name for name in names if name in KEPT):
        kept = KEPT[name]
        now = project.digest([str(environment.secrets / file) for file in kept.files])
        state = read_json(environment.state) or {}
        knows = dict(state["engine"].get("knows") or {})
        if knows.get(name, now) != now and _exists(client, f"{ours.name}_{kept.volume}"):
            _end(client, str(state["env_id"]), name, orderly=kept.role is not None)
            if kept.role is not None:
                _tell(ours, name, kept.role, environment.secrets / kept.files[0], project.profiles_of(document, names))
            else:
                client.volumes.get(f"{ours.name}_{kept.volume}").remove()
        if knows.get(name) != now:
            write_json(environment.state, {**state, "engine": {**state["engine"], "knows": {**knows, name: now}}})


def _exists(client: Any, volume: str) -> bool:
    return any(item["Name"] == volume for item in client.api.volumes(filters={"name": volume})["Volumes"] or [])


def _end(client: Any, env_id: str, name: str, *, orderly: bool) -> None:
    """orderly: it only stops, in its own time; else its container goes."""
    for box in engine.boxes(client, env_id, one_off=True):
        if box.service != name:
            continue
        if box.status == "paused":
            client.api.unpause(box.id)
        if orderly and not box.one_off:
            client.api.stop(box.id, timeout=_STOP_S)
        else:
            client.api.remove_container(box.id, v=True, force=True)


def _tell(ours: Project, name: str, role: str, password_file: Path, profiles: Collection[str]) -> None:
    """Raises NotTaken. What PostgreSQL reads is the hash of the password."""
    command = ours.command(
        "run", "--rm", "--no-deps", "--no-TTY", "--quiet-pull", name, "bash", "-c", _SINGLE_USER, profiles=profiles
    )
    verifier = scram_verifier(password_file.read_text().strip())
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=_ALTER_S, env=ours.environ(),
            input=f"ALTER ROLE \"{role}\" PASSWORD '{verifier}'\n",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotTaken(name, f"it did not end within {_ALTER_S:g} s") from None
    said = done.stderr + done.stdout
    if done.returncode != 0 or "ERROR:" in said or "FATAL:" in said:
        raise NotTaken(name, project.last_words(said))
