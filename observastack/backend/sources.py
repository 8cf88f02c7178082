"""The platform's sources (logs, metrics, traces): injected trouble for tests, and the time each may take."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Literal

SourceName = Literal["logs", "metrics", "traces"]
SOURCES: tuple[SourceName, ...] = ("logs", "metrics", "traces")
TIMEOUT_S = 5.0


class SourceFailed(Exception):
    """A source gave no answer. reason: for the status of the source in a result."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Trouble:
    """Injected by POST /test-data/faults. error_rate: share of calls that fail; until: monotonic seconds."""

    latency_ms: int
    error_rate: float
    until: float


class Sources:
    """Holds the injected trouble. It lives in memory and always has an end, so that no fault outlives its test."""

    def __init__(self) -> None:
        self._troubles: dict[SourceName, Trouble] = {}

    def trouble(self, source: SourceName) -> Trouble | None:
        trouble = self._troubles.get(source)
        if trouble is not None and trouble.until <= time.monotonic():
            del self._troubles[source]
            return None
        return trouble

    def inject(self, source: SourceName, *, latency_ms: int, error_rate: float, ttl_s: float) -> None:
        """Replaces what was injected before; nothing to inject ends it."""
        if not latency_ms and not error_rate:
            self._troubles.pop(source, None)
            return
        self._troubles[source] = Trouble(latency_ms, error_rate, time.monotonic() + ttl_s)

    async def enter(self, source: SourceName) -> None:
        """Before each use of a source: suffer its trouble. Raises SourceFailed."""
        trouble = self.trouble(source)
        if trouble is None:
            return
        if trouble.latency_ms:
            await asyncio.sleep(trouble.latency_ms / 1000)
        if random.random() < trouble.error_rate:  # noqa: S311 - no secret depends on it
            raise SourceFailed("injected error")
