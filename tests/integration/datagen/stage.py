"""Run a stage of the suite `data` as its process, without an orchestrator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners.lib.ids import new_run_id

SCENARIO = """
scenario: quick
duration: 2s
tick: 200ms
tenants: [{id: acme, weight: 2}, {id: globex}, {id: initech}]
instances: 1
load: {requests: 60/s}
errors: 5%
metrics: {interval: 400ms, cpus: 1}
delivery: {max_items: 200, timeout: 2s, give_up: 10s, resend: 10%}
"""


class Stage:
    """One process; its events come on stdout, as the protocol allows."""

    def __init__(self, home: Path, action: str, params: dict[str, Any], *, seed: int = 42) -> None:
        self.run = new_run_id()
        self.of_ledger = Path(params["ledger"]) if "ledger" in params else None
        self.folder = home / "runs" / self.run
        self.folder.mkdir(parents=True)
        spec = {
            "v": 1, "id": self.run, "campaign_run": self.run, "campaign": "test", "stage": action, "suite": "data",
            "action": action, "module": "runners.datagen", "home": str(home), "environment": "local", "seed": seed,
            "timeout_s": 60, "grace_s": 5, "stop_s": 3, "params": params,
        }  # fmt: skip
        (self.folder / "spec.json").write_text(json.dumps(spec))
        self._events = self.folder / "events.jsonl"
        with self._events.open("wb") as out, (self.folder / "stderr").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runners.datagen"], stdin=subprocess.PIPE, stdout=out, stderr=err,
                env=os.environ | {"TESTBED_RUN_DIR": str(self.folder), "TESTBED_EVENTS_FD": "1"},
            )  # fmt: skip

    @property
    def ledger(self) -> Path:
        return self.of_ledger or self.folder / "artifacts" / "ledger"

    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in self._events.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["type"] == type_]

    def wait_for(self, true: Callable[[], bool], patience_s: float = 60) -> None:
        deadline = time.monotonic() + patience_s
        while not true():
            assert time.monotonic() < deadline, self.events()[-3:]
            assert self.process.poll() is None, (self.folder / "stderr").read_text()
            time.sleep(0.02)

    def settle(self, true: Callable[[], bool], patience_s: float = 60) -> None:
        """As `wait_for`, of a process that has ended."""
        deadline = time.monotonic() + patience_s
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self, patience_s: float = 90) -> int:
        """Ask it to end in good order; its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.write(b'{"cmd":"stop","args":{}}\n')
        self.process.stdin.flush()
        return self.end(patience_s)

    def end(self, patience_s: float = 90) -> int:
        try:
            return self.process.wait(patience_s)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()


def generate(home: Path, scenario: str = SCENARIO, **params: Any) -> Stage:
    path = home / "quick.yaml"
    path.write_text(scenario)
    return Stage(home, "generate", {"scenario": str(path), "duration_s": None, "sink": None} | params)


def resume(home: Path, of: Stage) -> Stage:
    return Stage(home, "resume", {"ledger": str(of.ledger)})


def audit(home: Path, of: Stage, **params: Any) -> Stage:
    folder = of.ledger.parent.parent
    return Stage(home, "audit", {"of": {"stage": "generate", "run": of.run, "folder": str(folder)}} | params)
