"""What was sent and what became of it, told once a second, also while the sink is away and nothing moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from runners.events import Emitter, series_key
from runners.ledger.items import SIGNALS
from runners.wire.delivery import Count

_COUNTS = ("sent", "acked", "rejected", "unknown")
_LATE = "data.late"


class Counters:
    """Series `data.<count>{signal}` (items in that second) and `data.late` (seconds behind the schedule)."""

    def __init__(self, events: Emitter, take: Callable[[], Mapping[Count, int]], late_s: Callable[[], float]) -> None:
        """take: items since it was last asked; late_s: how late the generator is."""
        self._events, self._take, self._late_s = events, take, late_s
        self._over = threading.Event()
        for what in _COUNTS:
            for signal in SIGNALS:
                events.emit(
                    "metric.declare", name=f"data.{what}", unit="items", kind="counter", labels={"signal": signal}
                )
        events.emit("metric.declare", name=_LATE, unit="s", kind="gauge", labels={})
        self._thread = threading.Thread(target=self._run, name="counters", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell what is left, then stop."""
        self._over.set()
        self._thread.join()
        self._tell()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            self._tell()

    def _tell(self) -> None:
        at, counts = time.time(), self._take()
        many: list[dict[str, Any]] = [
            {"series": series_key(f"data.{what}", {"signal": signal}), "t": [at], "v": [counts.get((what, signal), 0)]}
            for what in _COUNTS
            for signal in SIGNALS
        ]
        many.append({"series": _LATE, "t": [at], "v": [round(self._late_s(), 4)]})
        self._events.points(many)
