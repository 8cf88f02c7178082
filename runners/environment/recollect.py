"""What can still be told of an environment whose state.json was lost or is not whole: enough to take all of it away.

The environment's id stands in supervisord's configuration, in the environment of its process, and in the variables of
compose; where its host is stands beside the copy of its configuration; from it follow its processes, its folder outside the home, and what an engine has of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runners.environment.containers import engine
from runners.environment.containers.workspace import project_name
from runners.environment.host import folders, workspace
from runners.environment.host.processes import ENV_MARK
from runners.environment.remote import mirror
from runners.lib import proc
from runners.lib.home import Environment

_IDENTIFIER = re.compile(r"^identifier=testbed-([0-9a-f-]{36})$", re.MULTILINE)
_VARIABLE = re.compile(r"^TESTBED_ENV_ID='([0-9a-f-]{36})'$", re.MULTILINE)
_ID = re.compile(r"[0-9a-f-]{36}")


def recollect(environment: Environment) -> dict[str, Any] | None:
    """A state.json for a removal; None when nothing tells of an environment."""
    if (there := mirror.remembered(environment)) is not None:
        return there
    if (env_id := _written(environment.config / "compose.env", _VARIABLE)) is not None:
        return {
            "v": workspace.STATE_VERSION, "environment": environment.name, "kind": "compose", "state": "failed",
            "env_id": env_id, "services": [], "ports": {}, "outside": [],
            "engine": {"url": engine.address(), "project": project_name(environment.name, env_id)},
        }  # fmt: skip
    configuration = environment.config / "supervisord.conf"
    env_id = _written(configuration, _IDENTIFIER) or _running(configuration)
    if env_id is None:
        return None
    outside = folders.OUTSIDE / f"testbed-{env_id}"
    return {
        "v": workspace.STATE_VERSION, "environment": environment.name, "kind": "local", "state": "failed",
        "env_id": env_id, "services": [], "ports": {}, "supervisor": {"pid": None, "start": None},
        "outside": [str(outside)] if outside.is_dir() else [],
    }  # fmt: skip


def _written(configuration: Path, pattern: re.Pattern[str]) -> str | None:
    try:
        found = pattern.search(configuration.read_text(errors="replace"))
    except OSError:
        return None
    return found[1] if found else None


def _running(configuration: Path) -> str | None:
    """From the supervisord that was started with this file."""
    argument, mark = str(configuration).encode(), f"{ENV_MARK}=".encode()
    for pid in proc.pids():
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argument in argv:
            for entry in proc.environ(pid):
                value = entry.removeprefix(mark).decode(errors="replace")
                if entry.startswith(mark) and _ID.fullmatch(value):
                    return value
    return None
