"""What every suite's process is built on: its spec, its event stream, its orders, its end.

A suite is `python -m runners.<suite>`; its `main` is `run_suite({"action": function})`. The function gets a `Context`
and returns the verdict. Whatever happens, exactly one `run.finished` is the last event, unless the process is killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runners.events import Emitter
from runners.lib.errors import TestbedError
from runners.lib.home import Environment, Home

Verdict = Literal["passed", "failed", "invalid"]
Handler = Callable[[dict[str, Any]], None]


@dataclass
class Context:
    """spec: the stage's spec.json; folder: the stage's run folder; stop: set when the run shall end in good order.

    reason: why the verdict is what it is; an action sets it, `run.finished` carries it.
    """

    spec: dict[str, Any]
    folder: Path
    events: Emitter
    stop: threading.Event = field(default_factory=threading.Event)
    reason: str | None = None
    _handlers: dict[str, Handler] = field(default_factory=dict)

    @property
    def run(self) -> str:
        return str(self.spec["id"])

    @property
    def stage(self) -> str:
        return str(self.spec["stage"])

    @property
    def seed(self) -> int:
        return int(self.spec.get("seed", 0))

    @property
    def params(self) -> dict[str, Any]:
        """What the stage asks for: see the table of spec.json in docs/internals.md."""
        return dict(self.spec.get("params", {}))

    @property
    def home(self) -> Home:
        return Home(Path(self.spec["home"]))

    @property
    def environment(self) -> Environment:
        return self.home.env(str(self.spec["environment"]))

    @property
    def artifacts(self) -> Path:
        folder = self.folder / "artifacts"
        folder.mkdir(exist_ok=True)
        return folder

    def on(self, command: str, handler: Handler) -> None:
        """Answer a control command (`set`, `pause`, `resume`); the handler gets its `args`. Runs in the control thread."""
        self._handlers[command] = handler

    def steady(self) -> None:
        """Say that the run has reached its working state: `during` stages and their `at` count from here."""
        self.events.emit("phase", name="steady")

    def log(self, message: str, *, level: str = "info", **fields: Any) -> None:
        self.events.emit("log", level=level, message=message, **fields)

    def _listen(self) -> None:
        for line in sys.stdin:
            try:
                order = json.loads(line)
                command, args = order["cmd"], order.get("args") or {}
            except (ValueError, KeyError, TypeError):
                continue
            if command == "stop":
                self.stop.set()
            elif handler := self._handlers.get(command):
                try:
                    handler(args)
                except Exception as error:
                    self.log(f"order {command} refused: {error}", level="warn")
            else:
                self.log(f"order {command} is not known to this suite", level="warn")


def run_suite(actions: dict[str, Callable[[Context], Verdict]]) -> int:
    """Read spec.json from TESTBED_RUN_DIR, run the action it names, say `run.finished`; returns the exit code.

    SIGTERM sets `stop`: the function is expected to return within the grace. The exit code is 0 for passed, 1 for
    failed, 2 for invalid; the shim holds both against each other.
    """
    folder = Path(os.environ["TESTBED_RUN_DIR"])
    spec = json.loads((folder / "spec.json").read_bytes())
    events = Emitter()
    context = Context(spec, folder, events)
    signal.signal(signal.SIGTERM, lambda *_: context.stop.set())
    threading.Thread(target=context._listen, name="control", daemon=True).start()
    verdict: Verdict = "invalid"
    reason: str | None = None
    try:
        verdict = actions[str(spec["action"])](context)
        reason = context.reason
    except TestbedError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        events.emit("log", level="error", message=traceback.format_exc())
    # Interpreter shutdown restores SIG_DFL: a late TERM would turn the verdict into "killed by signal 15".
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    events.emit("run.finished", verdict=verdict, **({"reason": reason} if reason else {}))
    events.close()
    sys.stdout.flush()
    return {"passed": 0, "failed": 1, "invalid": 2}[verdict]
