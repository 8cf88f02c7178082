"""Bounded queues between threads that read and the screen that paints: drained a few times a second, never per event."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from tui.gateway import Happening

LIMIT = 50_000
TICK_S = 0.25


class Pump:
    """Any thread puts, the screen's timer drains. What does not fit is dropped from the old end and counted."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._waiting: deque[Happening] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, happenings: Iterable[Happening]) -> None:
        items = list(happenings)
        with self._lock:
            self.dropped += max(0, len(self._waiting) + len(items) - (self._waiting.maxlen or 0))
            self._waiting.extend(items)

    def drain(self) -> list[Happening]:
        with self._lock:
            items = list(self._waiting)
            self._waiting.clear()
        return items
