"""The planned tests of a run: when each began and ended, so that their durations are measured ones."""

from __future__ import annotations

import time

from runners.chaos.judgement import Judged
from runners.events import Emitter


class Tests:
    """begin, end (both repeatable; the first begin and the last end count), then report once."""

    __test__ = False  # not a test class of pytest

    def __init__(self, events: Emitter) -> None:
        self._events = events
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def begin(self, name: str) -> None:
        if name not in self._begun:
            self._begun[name] = time.monotonic()
            self._events.emit("test.started", id=name)

    def end(self, name: str) -> None:
        self._ended[name] = time.monotonic()

    def report(self, judged: Judged) -> None:
        """`test.finished` for every planned test; one that never began took no time."""
        for name, (outcome, message) in judged.tests.items():
            begun = self._begun.get(name)
            took = 0.0 if begun is None else self._ended.get(name, time.monotonic()) - begun
            self._events.emit(
                "test.finished", id=name, outcome=outcome, attempt=1, duration_ms=round(took * 1000, 1),
                **({"message": message} if message else {}),
            )  # fmt: skip
