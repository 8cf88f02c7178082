"""The platform's sources (logs, metrics, traces): the time each may take, and injected trouble for tests."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from observastack import defects
from observastack.backend.deadline import within

T = TypeVar("T")

SourceName = Literal["logs", "metrics", "traces"]
SOURCES: tuple[SourceName, ...] = ("logs", "metrics", "traces")
TIMEOUT_S = 5.0


class SourceFailed(Exception):
    """A source gave no answer. reason: for the status of the source in a result, without internals."""

    def __init__(self, reason: str, status: Literal["error", "timeout"] = "error") -> None:
        super().__init__(reason)
        self.reason: str = reason
        self.status: Literal["error", "timeout"] = status


@dataclass(frozen=True)
class Trouble:
    """Injected by POST /test-data/faults. error_rate: share of calls that fail; until: monotonic seconds."""

    latency_ms: int
    error_rate: float
    until: float


class Sources:
    """Asks sources. Injected trouble lives in memory and always has an end, so that no fault outlives its test."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._troubles: dict[SourceName, Trouble] = {}

    async def ask(self, source: SourceName, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer of a source, within its time. Raises SourceFailed, and what the question itself raises."""
        try:
            return await within(self._timeout_s, self._entered(source, question))
        except TimeoutError:
            raise SourceFailed("took too long", "timeout") from None

    async def _entered(self, source: SourceName, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        await self.enter(source)
        return await question()

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
        if trouble.latency_ms and defects.active("blocking_io"):
            time.sleep(trouble.latency_ms / 1000)
        elif trouble.latency_ms:
            await asyncio.sleep(trouble.latency_ms / 1000)
        if random.random() < trouble.error_rate:  # noqa: S311 - no secret depends on it
            raise SourceFailed("injected error")
