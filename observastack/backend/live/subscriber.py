"""One client of the stream: who it is, what it wants, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from observastack import defects
from observastack.backend.auth.tokens import Claims
from observastack.backend.live.messages import News
from observastack.backend.live.wish import Wish
from observastack.backend.stores.ports import Tenant

MAX_WAITING = 256
MAX_CONTROLS = 64
MAX_BYTES = 4 << 20
"""Of news that waits for a slow client; beyond that the oldest items are dropped and counted."""


@dataclass(frozen=True)
class Ending:
    """Why a stream is closed. code: of the WebSocket (RFC 6455, 4000-4999 are the API's own)."""

    code: int
    reason: str


class Subscriber:
    """Filled by the channel, emptied by its session; both in one event loop."""

    __slots__ = (
        "_bytes", "_controls", "_dropped", "_news", "beat_at", "claims", "ending",
        "scope", "tenant", "wake", "warned", "wish",
    )  # fmt: skip

    def __init__(self, tenant: int, claims: Claims, wish: Wish) -> None:
        self.tenant, self.claims, self.wish = tenant, claims, wish
        self.scope = Tenant(tenant, claims.tenant or "")
        self.wake = asyncio.Event()
        self.ending: Ending | None = None
        self.warned = False
        self.beat_at = 0.0
        self._news: deque[News] = deque()
        self._controls: deque[str] = deque()
        self._bytes, self._dropped = 0, dict[str, int]()

    def say(self, text: str) -> None:
        """Control messages are few and short, except of a client that asks for them (ping) and takes none."""
        if len(self._controls) < MAX_CONTROLS:
            self._controls.append(text)
        self.wake.set()

    def end(self, code: int, reason: str) -> None:
        if self.ending is None:
            self.ending = Ending(code, reason)
        self.wake.set()

    def push(self, news: News) -> None:
        self._news.append(news)
        self._bytes += news.size
        while len(self._news) > MAX_WAITING or (self._bytes > MAX_BYTES and len(self._news) > 1):
            self._drop()
        self.wake.set()

    @property
    def idle(self) -> bool:
        return not self._news

    def take(self) -> str | None:
        """The next message; None when nothing waits."""
        if self._controls:
            return self._controls.popleft()
        if not self._news:
            return None
        news = self._news.popleft()
        self._bytes -= news.size
        missed = self._dropped.pop(news.source, 0)
        return news.told(news.dropped + missed) if missed else news.text

    def _drop(self) -> None:
        """The oldest items; an alert only when nothing but alerts waits."""
        place = next((n for n, one in enumerate(self._news) if one.source != "alerts"), 0)
        gone = self._news[place]
        del self._news[place]
        self._bytes -= gone.size
        if not defects.active("stream_drops_untold"):
            self._dropped[gone.source] = self._dropped.get(gone.source, 0) + len(gone.events) + gone.dropped
