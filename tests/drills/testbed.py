"""A real environment and real commands, for drills."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.environment.host import ports, processes
from runners.lib.files import read_json
from runners.lib.home import Environment, Home

NAME = "local"
KEPT_AFTER_DOWN = {"lease", "chaos"}


def used_ports(state: Mapping[str, Any]) -> list[int]:
    """Those that services of this environment listened on. Blocks overlap: what it reserved for services that it does not
    have may be another environment's by now."""
    names = {service["name"] for service in state.get("services") or []} | {"supervisor"}
    return sorted(
        int(port) for key, port in (state.get("ports") or {}).items() if key in names or key.rpartition("_")[0] in names
    )


def _servers() -> dict[str, str]:
    folder = os.environ.get("TESTBED_BIN_DIR")
    return {"TESTBED_BIN_DIR": folder} if folder else {}


class Testbed:
    """A home of its own with the environment `local`."""

    __test__ = False

    def __init__(
        self, program: Sequence[str] = (), root: Path | None = None, account: str | None = None, *, name: str = NAME
    ) -> None:
        """program: what is the testbed here; root: an existing folder to work in; account: the user whom its commands run
        as (when root says so); name: of the environment."""
        self.root = root or Path(tempfile.mkdtemp(prefix="testbed-drill-"))
        self.home = Home(self.root / "home")
        self.account, self.name = account, name
        self._program = list(program) or [sys.executable, "-m", "runners"]

    @property
    def environment(self) -> Environment:
        return self.home.env(self.name)

    def command(self, *arguments: str, timeout: float = 180, **environ: str) -> subprocess.CompletedProcess[str]:
        """A `testbed` command to its end."""
        return subprocess.run(
            [*self._program, "--home", str(self.home.root), *arguments],
            capture_output=True, text=True, timeout=timeout, check=False, env=self.environ(environ),
            **self._as(),
        )  # fmt: skip

    def start(self, *arguments: str, output: Path) -> subprocess.Popen[bytes]:
        """A `testbed` command in a session of its own, writing to a file."""
        with output.open("wb") as file:
            return subprocess.Popen(
                [*self._program, "--home", str(self.home.root), *arguments],
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True, env=self.environ({}),
            )  # fmt: skip

    def watch(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """A `testbed` command in a session of its own, its output in pipes."""
        return subprocess.Popen(
            [*self._program, "--home", str(self.home.root), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=self.environ(environ),
            **self._as(),
        )  # fmt: skip

    def _as(self) -> dict[str, Any]:
        """Arguments of subprocess for commands of another user: who it is, and no group of ours."""
        if self.account is None:
            return {}
        entry = pwd.getpwnam(self.account)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": self.root}

    def environ(self, more: dict[str, str]) -> dict[str, str]:
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("TESTBED_", "OBSERVASTACK_"))}
        return plain | ({"TESTBED_ENV": self.name} if self.name != NAME else {}) | more

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.command("--json", "status").stdout))

    def ready(self, *arguments: str) -> float:
        """Provision unless it is ready and nothing else is asked; seconds that took. With `stores=real`, the servers that
        TESTBED_BIN_DIR has are used as well as those on PATH; raises RuntimeError where a store is the embedded one all the
        same: a drill must not prove something else."""
        begin, real = time.monotonic(), "stores=real" in arguments
        if arguments or self.status()["state"] != "ready":
            done = self.command("up", *arguments, timeout=180, **(_servers() if real else {}))
            if done.returncode:
                raise RuntimeError(f"up: {done.stderr[-800:]}")
            stores = self.status()["stores"]
            if real and "embedded" in stores.values():
                raise RuntimeError(f"up: not all stores are real: {stores}")
        return round(time.monotonic() - begin, 1)

    def audit(self, run: str) -> dict[str, Any]:
        """Read back once more what the run's generator was told was stored."""
        done = self.command("--json", "data", "audit", run)
        try:
            return dict(json.loads(done.stdout.strip().splitlines()[-1]))
        except (ValueError, IndexError):
            raise RuntimeError(f"data audit: {done.returncode} {done.stderr[-400:]}") from None

    def down(self) -> list[str]:
        """Take it down; what is there though it should be gone."""
        state = read_json(self.environment.state)
        done = self.command("down")
        wrong = [f"down: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else []
        if state is not None:
            if members := processes.members(processes.ENV_MARK, state["env_id"]):
                wrong.append(f"processes left: {sorted(members)}")
            if taken := [port for port in used_ports(state) if not ports.is_free(port)]:
                wrong.append(f"listeners left on {taken}")
            if outside := [path for path in state["outside"] if Path(path).exists()]:
                wrong.append(f"files left outside: {outside}")
        if sockets := [line for line in Path("/proc/net/unix").read_text().splitlines() if str(self.root) in line]:
            wrong.append(f"sockets left: {sockets}")
        files = {path.name for path in self.environment.root.iterdir()} if self.environment.root.exists() else set()
        if files - KEPT_AFTER_DOWN:
            wrong.append(f"files left: {sorted(files - KEPT_AFTER_DOWN)}")
        if (
            extra := {path.name for path in self.root.iterdir()}
            - {"home"}
            - {path.name for path in self.root.glob("*.log")}
        ):
            wrong.append(f"files left beside the home: {sorted(extra)}")
        return wrong

    def close(self) -> None:
        self.command("cancel", "--all", "--now")
        self.command("down", "--force")
        shutil.rmtree(self.root, ignore_errors=True)
