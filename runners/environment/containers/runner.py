"""The test runner as a container beside the platform: a campaign runs there, headless, its results in results-db."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.environment import lease
from runners.environment.containers import engine
from runners.environment.containers.project import Project
from runners.environment.provisioner import Provisioner, folder_of, ignore, never
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.playbook.job import OnEvent

WORK = "/home/testbed"
_POLL_S = 0.1


def run(
    home: Home,
    name: str,
    arguments: Sequence[str],
    *,
    files: Sequence[Path] = (),
    on_event: OnEvent = ignore,
    cancel: Callable[[], int] = never,
) -> int:
    """`testbed ARGUMENTS…` in the runner's container, its output on ours; returns its exit code.

    files: of the user, which it finds under their names in its working directory. The environment is leased meanwhile, since
    what runs inside cannot do that. cancel: how often the user has asked for it; each time the command inside hears it.
    Raises NotReady (not an environment of containers, not ready, no engine, its image cannot be had), Leased.
    """
    from runners.environment.status import require_ready

    environment = folder_of(home, name)
    recorded = read_json(environment.state) or {}
    if recorded.get("kind") != "compose":
        raise NotReady(
            f"environment '{name}' is not one of containers: there is no runner beside its services",
            remedy="leave out --in-container, or provision one with: testbed up compose",
        )
    require_ready(home, name)
    with lease.operation(home, environment, "run --in-container"):
        provisioner = Provisioner(environment, Path(recorded["inventory"]), on_event, cancel)
        done = provisioner.play("testing")
        if done.status != "successful":
            raise NotReady(
                f"the runner's container cannot be had: '{done.failed_task}' says {done.message}",
                remedy="mend that, or leave out --in-container",
            )
        recorded = read_json(environment.state) or {}
        command = _command(recorded, environment.config, arguments, files)
        return _follow(command, recorded["engine"]["url"], cancel)


def _command(recorded: Mapping[str, Any], folder: Path, arguments: Sequence[str], files: Sequence[Path]) -> list[str]:
    facts = recorded["engine"]
    ours = Project(facts["project"], tuple(map(Path, facts["files"])), folder, facts["url"])
    volumes = [part for file in files for part in ("--volume", f"{file.absolute()}:{WORK}/{file.name}:ro")]
    # Without dependencies: what it needs runs, and compose shall touch nothing of it.
    options = ["--rm", "--no-deps", "--no-TTY", "--quiet-pull", *volumes]
    return ours.command("run", *options, "runner", *arguments, profiles=("core", "testing"))


def _follow(command: Sequence[str], url: str, cancel: Callable[[], int]) -> int:
    """Run it to its end. In a session of its own: an interrupt from the terminal reaches it once, through us."""
    environ = {**os.environ, "DOCKER_HOST": url}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, env=environ)
    told = 0
    try:
        while process.poll() is None:
            if cancel() > told:
                told += 1
                process.send_signal(signal.SIGINT)
            time.sleep(_POLL_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return process.returncode


def left(home: Home, name: str) -> list[str]:
    """Ids of runner's containers of this environment that still exist: of commands whose terminal was killed."""
    recorded = read_json(folder_of(home, name).state) or {}
    client = engine.connect(recorded["engine"]["url"])
    found = engine.boxes(client, str(recorded["env_id"]), one_off=True)
    return [box.id for box in found if box.one_off]
