"""Both wheels, installed as a user installs them, in an empty folder with an empty home: up, smoke, report, down."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runners.environment.host import ports, processes
from runners.lib.files import read_json
from tests.drills.framework import Drill, Result, finally_do
from tests.drills.testbed import used_ports
from tests.packaging.distributions import ROOT, uv

# What may lie in `.testbed` when the environment is gone.
KEPT = {"results.db", "results.db-shm", "results.db-wal", "runs", "live", "env", "cache", "chaos"}
COMMANDS = (
    ("--version",),
    ("doctor",),
    ("campaigns",),
    ("up",),
    ("status",),
    ("run", "smoke"),
    ("report", "last", "-o", ".testbed/cache/report"),
    ("results", "list"),
    ("down",),
)


def keys(rounds: int) -> list[str]:
    return [f"{case}/{number}" for case in ("with-platform", "without") for number in range(1, rounds + 1)]


@contextmanager
def bench() -> Iterator[Installed]:
    root = Path(tempfile.mkdtemp(prefix="testbed-drill-"))
    root.chmod(0o711)  # whoever PostgreSQL runs as must be able to pass
    with finally_do(lambda: shutil.rmtree(root, ignore_errors=True)):
        yield Installed(root)


class Installed:
    """Wheels built once; each trial has tools, home and folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dist = root / "dist"

    def trial(self, key: str, rng: random.Random) -> Result:
        place = Path(tempfile.mkdtemp(dir=self.root))
        place.chmod(0o711)
        result = Result()
        if not self.dist.is_dir():
            self._uv("build", "--all-packages", "--out-dir", str(self.dist), cwd=ROOT)
        extra = "[platform]" if key.startswith("with-platform") else ""
        tool = {"UV_TOOL_DIR": str(place / "tools"), "UV_TOOL_BIN_DIR": str(place / "bin")}
        self._uv("tool", "install", f"observastack-testbed{extra}", "--find-links", str(self.dist), cwd=place, **tool)
        work, home = place / "work", place / "home"
        for folder in (work, home):
            folder.mkdir()
        with finally_do(lambda: self._end(place)):
            if extra:
                self._whole(place, result)
            else:
                self._refused(place, result)
        if left := sorted(str(path.relative_to(home)) for path in home.rglob("*")):
            result.wrong.append(f"files in the user's home: {left}")
        return result

    def _whole(self, place: Path, result: Result) -> None:
        state = None
        for command in COMMANDS:
            done = self._testbed(place, *command)
            if done.returncode:
                result.wrong.append(
                    f"testbed {' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout)[-800:]}"
                )
            if command == ("up",):
                state = read_json(place / "work/.testbed/env/local/state.json")
            if command[0] == "run":
                result.figures["smoke"] = next((line for line in done.stdout.splitlines() if "PASSED" in line), "-")
        work = place / "work"
        if extra := {path.name for path in work.iterdir()} - {".testbed"}:
            result.wrong.append(f"files beside .testbed: {sorted(extra)}")
        found = {path.name for path in (work / ".testbed").iterdir()}
        result.figures["left"] = sorted(found)
        if found - KEPT or not {"results.db", "runs"} <= found:
            result.wrong.append(f"in .testbed: {sorted(found)}")
        rest = {path.name for path in (work / ".testbed/env/local").glob("*")}
        if rest - {"lease", "chaos"}:
            result.wrong.append(f"left of the environment: {sorted(rest)}")
        if state is None:
            result.wrong.append("up wrote no state.json")
            return
        for service in state["services"]:
            if str(ROOT) in json.dumps(service):
                result.wrong.append(f"{service['name']} runs from the checkout")
        if members := processes.members(processes.ENV_MARK, state["env_id"]):
            result.wrong.append(f"processes left: {sorted(members)}")
        if taken := [port for port in used_ports(state) if not ports.is_free(port)]:
            result.wrong.append(f"listeners left on {taken}")
        if outside := [path for path in state["outside"] if Path(path).exists()]:
            result.wrong.append(f"files left outside: {outside}")

    def _refused(self, place: Path, result: Result) -> None:
        done = self._testbed(place, "up", "local")
        if done.returncode != 2 or "observastack-testbed[platform]" not in done.stderr:
            result.wrong.append(f"up without the extra: exit {done.returncode}: {done.stderr[-400:]}")
        if list((place / "work").glob(".testbed/env/*")):
            result.wrong.append("up without the extra left an environment")

    def _testbed(self, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed command: its folder on PATH, and nothing else of this checkout or its user."""
        return subprocess.run(
            [place / "bin" / "testbed", *arguments], cwd=place / "work", capture_output=True, text=True, timeout=400,
            check=False, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(place / "home"), "LANG": "C.UTF-8"},
        )  # fmt: skip

    def _uv(self, *arguments: str, cwd: Path, **environ: str) -> None:
        done = subprocess.run(
            [uv(), *arguments, "--quiet"], cwd=cwd, capture_output=True, text=True, check=False, timeout=400,
            env=os.environ | environ | {"UV_PYTHON_DOWNLOADS": "never"},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"uv {' '.join(arguments)}: {done.stderr[-800:]}")

    def _end(self, place: Path) -> None:
        if (place / "work/.testbed").is_dir():
            self._testbed(place, "down", "--force")


DRILL = Drill("installed", "both wheels as a user's tool: up, smoke, report, down in an empty folder", 1, keys, bench)
