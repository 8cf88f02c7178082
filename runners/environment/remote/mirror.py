"""The controller's copy of what a host knows of its environment: state.json, failure.json, secrets.

The host's own state.json says `local`, because there it is; the copy says `remote`, and how the host is reached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

_WAY = "host.json"  # beside the copied configuration: where the host is, should state.json be lost


def mirrored(
    state: Mapping[str, Any], *, name: str, inventory: str, target_file: str, remote: Mapping[str, Any]
) -> dict[str, Any]:
    """The copy of a host's state.json. remote: `{host, ssh, python, environment}`; folders outside the home are the host's."""
    return {
        **state, "environment": name, "kind": "remote", "inventory": inventory, "target_file": target_file,
        "outside": [], "remote": {**remote, "outside": list(state.get("outside") or [])},
    }  # fmt: skip


def intended(environment: Environment, inventory: Path) -> bool:
    """Before anything is done on the host: note which inventory to take it down with. False when something is known."""
    if environment.state.exists():
        return False
    environment.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(environment.state, _bare(environment, "provisioning") | {"inventory": str(inventory)})
    return True


def _bare(environment: Environment, state: str) -> dict[str, Any]:
    return {
        "v": 1, "environment": environment.name, "kind": "remote", "state": state, "services": [], "ports": {},
        "outside": [], "supervisor": {}, "defects": [], "remote": {},
    }  # fmt: skip


def remembered(environment: Environment) -> dict[str, Any] | None:
    """Enough of a lost copy to take the environment down on its host; None when it was on no other host."""
    way = read_json(environment.config / _WAY)
    return None if not isinstance(way, dict) else _bare(environment, "failed") | way


def untouched(environment: Environment) -> bool:
    """Has the host never told anything? Then nothing of this environment is there."""
    recorded = read_json(environment.state)
    return isinstance(recorded, dict) and recorded.get("kind") == "remote" and not recorded.get("remote")


def keep_state(
    environment: Environment,
    state: Mapping[str, Any] | None,
    failure: Mapping[str, Any] | None,
    *,
    inventory: str,
    target_file: str,
    remote: Mapping[str, Any],
) -> bool:
    """Write the copies; False when they were right already."""
    changed = False
    if state is not None:
        document = mirrored(
            state, name=environment.name, inventory=inventory, target_file=target_file, remote=remote
        )  # fmt: skip
        earlier = read_json(environment.state) or {}
        if "release" in earlier:  # which are recorded here
            document["release"] = earlier["release"]
        environment.config.mkdir(mode=0o700, parents=True, exist_ok=True)
        way = {key: document[key] for key in ("inventory", "target_file", "remote")}
        if read_json(environment.config / _WAY) != way:
            write_json(environment.config / _WAY, way)
        if earlier != document:
            write_json(environment.state, document)
            changed = True
    if failure is None or (state or {}).get("state") != "failed":  # the host keeps an earlier one until all is ready
        environment.failure.unlink(missing_ok=True)
    elif read_json(environment.failure) != failure:
        write_json(environment.failure, failure)
        changed = True
    return changed


def keep_secrets(environment: Environment, secrets: Mapping[str, str]) -> list[str]:
    """The same files as on the host, 0600 in a 0700 folder; returns the names of those that changed or went."""
    folder = environment.secrets
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    changed = []
    for name, content in secrets.items():
        path = folder / Path(name).name
        if path.exists() and path.read_text() == content and path.stat().st_mode & 0o777 == 0o600:
            continue
        temporary = path.with_name(path.name + ".tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(content)
        temporary.rename(path)
        changed.append(path.name)
    for path in folder.iterdir():
        if path.name not in secrets:
            path.unlink()
            changed.append(path.name)
    return changed
