"""A chaos stage as its shim would start it: `python -m runners.chaos` with a spec and a pipe for events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners.lib.ids import new_run_id
from tests.supervised import Supervised

ROOT = Path(__file__).resolve().parents[1]
Event = dict[str, Any]


class Stage:
    """Started at once; `events` grows while it runs."""

    def __init__(self, stand: Supervised, folder: Path, experiment: str | Path, **params: Any) -> None:
        self.run = new_run_id()
        self.folder = folder / self.run
        self.folder.mkdir(parents=True)
        if isinstance(experiment, str):
            path = self.folder / "experiment.yaml"
            path.write_text(experiment)
        else:
            path = experiment
        spec = {
            "v": 1, "id": self.run, "stage": "crash", "suite": "chaos", "action": "run", "home": str(stand.home.root),
            "environment": "local", "seed": 1, "params": {"experiment": str(path)} | params,
        }  # fmt: skip
        (self.folder / "spec.json").write_text(json.dumps(spec))
        ours, theirs = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runners.chaos"],
            env=os.environ | {
                "TESTBED_RUN_DIR": str(self.folder), "TESTBED_EVENTS_FD": str(theirs), "TESTBED_RUN_ID": self.run,
            },
            pass_fds=[theirs], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        os.close(theirs)
        self.events: list[Event] = []
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._reader.start()

    def _read(self, fd: int) -> None:
        with os.fdopen(fd, "rb") as pipe:
            for line in pipe:
                self.events.append(json.loads(line))

    def of(self, type_: str) -> list[Event]:
        return [event for event in self.events if event["type"] == type_]

    def one(self, type_: str) -> Event:
        (found,) = self.of(type_)
        return found

    def wait_for(self, type_: str, patience_s: float = 30) -> Event:
        return until(lambda: next(iter(self.of(type_)), None), patience_s)

    def finish(self, patience_s: float = 60) -> Event:
        """Wait for the end; returns `run.finished`."""
        self.process.wait(patience_s)
        self._reader.join(10)
        assert self.process.stderr is not None and self.process.stdin is not None
        self.process.stdin.close()
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        assert not errors, errors
        return self.one("run.finished")

    def outcomes(self) -> dict[str, str]:
        return {event["id"]: event["outcome"] for event in self.of("test.finished")}

    def order(self, command: str) -> None:
        """As the shim passes on a control command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"cmd": command}).encode() + b"\n")
        self.process.stdin.flush()


def until(condition: Callable[[], Any], patience_s: float = 10) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found
