"""What goes on beside an experiment: the halt lever and the abort conditions are asked, the probe's series is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from runners.chaos.extension import AbortCondition
from runners.chaos.interrupt import Interrupt
from runners.events import Emitter
from runners.faults import lever
from runners.lib.histogram import Histogram
from runners.lib.home import Environment
from runners.probes import Attempt, Prober

_TICK_S = 0.1
_TELL_S = 1.0


def failing_since(attempts: Sequence[Attempt]) -> float | None:
    """Start of the run of attempts without any success at the end of the series, if one of them failed outright."""
    since, failed = None, False
    for attempt in reversed(attempts):
        if attempt.outcome == "ok":
            break
        since, failed = attempt.started, failed or attempt.outcome == "failed"
    return since if failed else None


class Watch:
    """One thread from `start` to `close`. begun: has a fault been injected?"""

    def __init__(
        self, environment: Environment, events: Emitter, interrupt: Interrupt, prober: Prober | None,
        abort_when: Sequence[AbortCondition] = (), *, begun: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._environment, self._events, self._interrupt = environment, events, interrupt
        self._prober, self._abort_when, self._begun = prober, abort_when, begun
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        if self._prober is not None:
            name = self._prober.request.name
            self._events.emit("metric.declare", name=f"probe.{name}", unit="bool", kind="gauge", labels={})
            self._events.emit("metric.declare", name=f"probe.{name}.latency", unit="s", kind="histogram", labels={})
        self._thread.start()

    def close(self) -> None:
        """Tell the rest of the series, then end."""
        self._over.set()
        self._thread.join()
        self._tell()

    def _run(self) -> None:
        told = time.monotonic()
        while not self._over.wait(_TICK_S):
            self._look()
            if time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                self._tell()

    def _look(self) -> None:
        if self._interrupt.reason is not None:
            return
        if self._interrupt.stop.is_set() and not self._begun():
            self._interrupt.end("stopped")  # with a fault begun, its assessment takes a moment and is worth it
        elif (down := lever.halted(self._environment)) is not None:
            self._interrupt.end(f"halted by {down.get('by')}: {down.get('reason')}")
        elif self._prober is not None and self._abort_when:
            since = failing_since(self._prober.attempts())
            for condition in self._abort_when:
                if since is not None and time.time() - since >= condition.failing_for:
                    name = self._prober.request.name
                    self._interrupt.end(f"abort condition: probe {name} failing for {condition.failing_for:g} s")

    def _tell(self) -> None:
        if self._prober is None or not (fresh := self._prober.drain()):
            return
        name, latency = f"probe.{self._prober.request.name}", Histogram()
        for attempt in fresh:
            latency.record(attempt.latency_s, error=attempt.outcome != "ok")
        self._events.points(
            [
                {
                    "series": name,
                    "t": [round(attempt.started, 4) for attempt in fresh],
                    "v": [int(attempt.outcome == "ok") for attempt in fresh],
                },
                {"series": f"{name}.latency", "t": [round(fresh[-1].ended, 4)], "v": [latency.to_json()]},
            ]
        )
