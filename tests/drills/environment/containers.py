"""Environments of containers: a missing image, an unhealthy and an ending container, a killed testbed, no engine at all."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from runners.config import lookup
from runners.environment.containers import engine
from runners.lib import proc
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from tests.drills.environment.moments import Share, Watched
from tests.drills.environment.traces import AFTER_FAILURE, Traces, job_processes
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed

NAME = "compose"
PATIENCE_S = 600.0
BRING_BACK = "DRILL_ENGINE_START"
# Few services are enough for what is asked here, and quickly up.
TASKS = 17  # of such an `up`; the start of the containers is the fifteenth
FEW = ("--only", "redis", "postgres")
NEVER_HEALTHY = {"healthcheck": {"test": ["CMD", "false"], "interval": "1s", "timeout": "1s", "retries": 3}}


def twice(_: Share, __: random.Random) -> Result:
    """Up, again, down: the second changes nothing, and nothing stays."""
    return _trial(lambda _: None, (), again=True)


def missing_image(_: Share, __: random.Random) -> Result:
    """An image that no registry and no build gives."""

    def spoil(inventory: Path) -> None:
        path = inventory / "group_vars" / "all" / "images.yml"
        document = yaml.safe_load(path.read_text())
        document["testbed_images"]["redis"] = {"repository": "127.0.0.1:1/nobody/redis", "tag": "none", "digest": ""}
        document["testbed_images"]["redis"]["user"] = "10001:10001"
        path.write_text(yaml.safe_dump(document))

    return _trial(spoil, ("redis",), says="127.0.0.1:1/nobody/redis")


def unhealthy(_: Share, __: random.Random) -> Result:
    """A container that runs and never becomes healthy."""
    return _trial(lambda inventory: _override(inventory, {"redis": NEVER_HEALTHY}), ("redis",))


def ends(_: Share, __: random.Random) -> Result:
    """A container that ends right after its start."""
    broken = {"entrypoint": ["/bin/sh", "-c", "echo broken by the drill; exit 3"]}
    return _trial(
        lambda inventory: _override(inventory, {"postgres": broken}), ("postgres",), says="broken by the drill"
    )


def killed(share: Share, rng: random.Random) -> Result:
    """The testbed and its playbook are killed at a boundary; one `down` takes everything."""
    if (skipped := _without_engine()) is not None:
        return skipped
    testbed = _testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        at = share.pick(TASKS, rng)
        with Watched(testbed, "up", *FEW) as watched:
            reached = watched.boundary(at)
            traces.look()
            watched.process.kill()
            for pid in job_processes(testbed.environment):
                proc.kill(pid, signal.SIGKILL)
            watched.process.wait()
        result.figures |= {"task": at, "reached": reached is not None}
        result.wrong += _down(testbed, traces)
        return result


def engine_killed(share: Share, rng: random.Random) -> Result:
    """kill -9 of the engine's daemon while containers are being started; later it is back. Only where the caller gives the
    command that brings it back: the engine may be somebody's."""
    if (skipped := _without_engine()) is not None:
        return skipped
    if not (back := os.environ.get(BRING_BACK)):
        return Result(figures={"skipped": f"{BRING_BACK} names no command that starts the engine again"})
    testbed = _testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        with finally_do(lambda: _run(back)), Watched(testbed, "up", *FEW) as watched:
            reached = watched.boundary(share.pick(TASKS, rng))
            result.figures["task"] = (reached or {}).get("task")
            traces.look()
            daemon = _daemon()
            proc.kill(daemon, signal.SIGKILL)
            code, said = watched.end(PATIENCE_S)
            result.figures["exit"] = code
            if code != 2 or "engine" not in said or "Traceback" in said:
                result.wrong.append(f"up without its engine: exit {code}: {said[-500:]}")
            done = testbed.command("down", timeout=PATIENCE_S)
            if done.returncode == 0 and not done.stdout.count("nothing"):
                result.wrong.append(f"down said that all is gone, and could not know: {done.stdout[-300:]}")
        result.wrong += _down(testbed, traces)
        again = testbed.command("up", *FEW, timeout=PATIENCE_S)
        if again.returncode:
            result.wrong.append(f"the second up: exit {again.returncode}: {again.stderr[-400:]}")
        traces.look()
        result.wrong += _down(testbed, traces)
        return result


def _daemon() -> int:
    """The process id of the one engine here."""
    found = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (comm := entry / "comm").exists() and comm.read_text().strip() == "dockerd"
    ]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} processes are called dockerd: which one is meant is not known")
    return found[0]


def _run(command: str) -> None:
    subprocess.run(shlex.split(command), check=True, capture_output=True, timeout=120)


def state_lost(_: Share, __: random.Random) -> Result:
    """state.json goes while containers run: what compose was told is enough to find them."""
    if (skipped := _without_engine()) is not None:
        return skipped
    testbed = _testbed()
    with finally_do(testbed.close):
        traces = Traces(testbed.environment)
        done = testbed.command("up", *FEW, timeout=PATIENCE_S)
        traces.look()
        result = Result([f"up: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else [])
        testbed.environment.state.unlink(missing_ok=True)
        again = testbed.command("up", *FEW, timeout=PATIENCE_S)
        if again.returncode != 2 or "state.json" not in again.stderr:
            result.wrong.append(f"up without state.json: exit {again.returncode}: {again.stderr[-400:]}")
        result.wrong += _down(testbed, traces)
        return result


def no_engine(_: Share, __: random.Random) -> Result:
    """Where nothing answers, that is said with the way to an engine, and nothing is made."""
    testbed = _testbed()
    with finally_do(testbed.close):
        done = testbed.command("up", DOCKER_HOST="unix:///nonexistent/docker.sock", timeout=PATIENCE_S)
        result = Result(figures={"exit": done.returncode})
        if done.returncode != 2 or "testbed doctor" not in done.stderr or "Traceback" in done.stderr:
            result.wrong.append(f"exit {done.returncode}: {done.stderr[-400:]}")
        result.wrong += _down(testbed, Traces(testbed.environment))
        return result


def _trial(spoil: Callable[[Path], None], causes: tuple[str, ...], *, says: str = "", again: bool = False) -> Result:
    if (skipped := _without_engine()) is not None:
        return skipped
    testbed = _testbed()
    with finally_do(testbed.close), _inventory(spoil) as inventory:
        traces, result = Traces(testbed.environment), Result()
        with Watched(testbed, "up", "--inventory", str(inventory), *FEW) as watched:
            code, stderr = watched.end(PATIENCE_S)
        traces.look()
        failure = read_json(testbed.environment.failure) or {}
        found = sorted(item["service"] for item in failure.get("root_causes") or [])
        result.figures |= {"exit": code, "causes": found}
        if code != (2 if causes else 0):
            result.wrong.append(f"exit {code}: {stderr[-500:]}")
        if found != sorted(causes):
            result.wrong.append(f"causes {found}, broken were {sorted(causes)}: {failure.get('message')}")
        text = stderr + "".join(str(item) for item in failure.get("root_causes") or [])
        if says not in text or any(name not in stderr for name in causes):
            result.wrong.append(f"the message does not tell the reason: {stderr[-500:]}")
        if causes:
            result.wrong += [f"after the rollback: {item}" for item in traces.left(AFTER_FAILURE)]
        if again:
            with Watched(testbed, "up", *FEW) as watched:
                code, stderr = watched.end(PATIENCE_S)
            result.figures["changed_again"] = watched.events[-1].get("changed")
            if code or result.figures["changed_again"] != 0:
                result.wrong.append(f"the second up: exit {code}, changed {result.figures['changed_again']}")
        result.wrong += _down(testbed, traces)
        return result


def _down(testbed: Testbed, traces: Traces) -> list[str]:
    done = testbed.command("down", timeout=PATIENCE_S)
    wrong = [f"down: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else []
    return wrong + [f"after down: {item}" for item in traces.left()]


def _testbed() -> Testbed:
    return Testbed(name=NAME)


def _without_engine() -> Result | None:
    try:
        engine.connect()
    except NotReady as reason:
        return Result(figures={"skipped": reason.what})
    return None


@contextmanager
def _inventory(spoil: Callable[[Path], None]) -> Iterator[Path]:
    """A copy of the shipped inventory, spoilt."""
    root = Path(tempfile.mkdtemp(prefix="testbed-drill-inventory-"))
    try:
        place = Path(shutil.copytree(lookup.PROJECT / "inventories" / NAME, root / NAME))
        spoil(place)
        yield place
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _override(inventory: Path, services: dict[str, Any]) -> None:
    """One more compose file, after the shipped ones."""
    override = inventory / "override.compose.yaml"
    override.write_text(yaml.safe_dump({"services": services}))
    path = inventory / "group_vars" / "all" / "main.yml"
    document = yaml.safe_load(path.read_text())
    document["testbed_compose_files"].append(str(override))
    path.write_text(yaml.safe_dump(document))


CASES = {
    "compose twice": twice, "compose image missing": missing_image, "compose unhealthy": unhealthy, "compose ends": ends,
    "compose killed": killed, "compose engine killed": engine_killed, "compose state lost": state_lost, "compose no engine": no_engine,
}  # fmt: skip
