"""The test runner as a container beside the platform: a campaign runs there, headless, its results in results-db."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from runners.environment import lease
from runners.environment.containers import engine
from runners.environment.containers.project import Project
from runners.environment.provisioner import Provisioner, folder_of, ignore, never
from runners.lib.errors import Cancelled, NotReady
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
    Raises NotReady (not an environment of containers, not ready, no engine, its image cannot be had), Leased,
    Cancelled.
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
        if done.status == "cancelled":
            raise Cancelled("cancelled before the runner's container was there")
        if done.status != "successful":
            raise NotReady(
                f"the runner's container cannot be had: '{done.failed_task}' says {done.message}",
                remedy="mend that, or leave out --in-container",
            )
        recorded = read_json(environment.state) or {}
        facts = recorded["engine"]
        container = f"{facts['project']}-run-{uuid.uuid4().hex[:8]}"
        ours = Project(facts["project"], tuple(map(Path, facts["files"])), environment.config, facts["url"])
        return _follow(_command(ours, container, arguments, files), ours, container, cancel)


def _command(ours: Project, container: str, arguments: Sequence[str], files: Sequence[Path]) -> list[str]:
    volumes = [part for file in files for part in ("--volume", f"{file.absolute()}:{WORK}/{file.name}:ro")]
    # Without dependencies: what it needs runs, and compose shall touch nothing of it.
    options = ["--name", container, "--rm", "--no-deps", "--no-TTY", "--quiet-pull", *volumes]
    return ours.command("run", *options, "runner", *arguments, profiles=("core", "testing"))


def _follow(command: Sequence[str], ours: Project, container: str, cancel: Callable[[], int]) -> int:
    """Run it to its end. In a session of its own, and told to end through the engine: compose that is interrupted goes at
    once and leaves the container running."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, env=ours.environ())
    told = 0
    try:
        while process.poll() is None:
            if cancel() > told:
                told += 1
                _tell(ours.url, container, "SIGINT")
            time.sleep(_POLL_S)
    finally:
        if process.poll() is None:
            _tell(ours.url, container, "SIGKILL")
            process.terminate()
            process.wait()
    return process.returncode


def _tell(url: str, container: str, name: str) -> None:
    """A signal to the main process of the container; one that is not there yet, or any more, hears nothing."""
    from docker.errors import APIError

    try:
        engine.connect(url).api.kill(container, name)
    except APIError as error:
        if error.status_code not in (404, 409):
            raise
