"""A `testbed` command that is watched task by task, so that something can be done at the boundary of two tasks."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

from tests.drills.testbed import Testbed

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Share:
    """The number-th (from 1) of so many trials of one case."""

    number: int
    of: int

    def pick(self, count: int, rng: random.Random) -> int:
        """One of 1…count: each of them when there are as many trials, else a random one of this trial's part."""
        if self.of >= count:
            return (self.number - 1) % count + 1
        first, last = (self.number - 1) * count // self.of, self.number * count // self.of
        return rng.randrange(first, max(first + 1, last)) + 1


class Watched:
    """`testbed --json …` with its events; ended with the context, whatever happens."""

    def __init__(self, testbed: Testbed, *arguments: str, **environ: str) -> None:
        self.process = testbed.watch("--json", *arguments, **environ)
        self.events: list[dict[str, Any]] = []
        self._tasks: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._hear, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(5)

    def boundary(self, number: int) -> dict[str, Any] | None:
        """Wait for the end of the number-th task (from 1); None when the command ended before."""
        deadline, event = time.monotonic() + PATIENCE_S, None
        for _ in range(number):
            event = self._tasks.get(timeout=max(0.1, deadline - time.monotonic()))
            if event is None:
                return None
        return event

    def end(self, patience_s: float = PATIENCE_S) -> tuple[int, str]:
        """(exit code, stderr). Raises subprocess.TimeoutExpired."""
        code = self.process.wait(patience_s)
        for reader in self._readers:
            reader.join(10)
        return code, "".join(self._errors)

    def interrupt(self) -> None:
        os.kill(self.process.pid, signal.SIGINT)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            self.events.append(event)
            if event.get("type") == "task":
                self._tasks.put(event)
        self._tasks.put(None)

    def _hear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.append(line)


def tasks_of(testbed: Testbed, *arguments: str) -> int:
    """How many task boundaries the command has when nothing disturbs it. Raises RuntimeError when it fails."""
    with Watched(testbed, *arguments) as watched:
        code, said = watched.end()
        if code:
            raise RuntimeError(f"{' '.join(arguments)}: exit {code}: {said[-600:]}")
        return sum(event.get("type") == "task" for event in watched.events)
