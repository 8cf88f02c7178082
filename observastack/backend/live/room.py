"""Room for streams: in the process, for one tenant, and at the door for those who have not said yet who they are.

A socket that brings its token with the handshake is checked at once and needs no place at the door. One that says it in its
first message does, and may be silent for some seconds: however many do that, they must shut out neither who brings a token
nor who is about to send one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from observastack.config import Limits


class Displaced(Exception):
    """A place at the door was given to somebody who came later."""


class Room:
    """What one process has room for; a limit of 0 is none."""

    def __init__(self, limits: Limits) -> None:
        self._limit, self._door = limits.stream_connections, limits.stream_unauthenticated
        self._share = max(int(self._limit * limits.stream_tenant_share), 1)
        self._clients: Counter[int] = Counter()
        self._silent: dict[asyncio.Timeout, None] = {}
        """In the order of arrival; each can be made to end at once."""

    @contextlib.contextmanager
    def admitted(self, tenant: int) -> Iterator[str | None]:
        """A place for a stream of the tenant for as long as it stays: None, else why there is no room for it."""
        if self._limit and self._clients.total() >= self._limit:
            yield "too many streams are open here"
            return
        if self._limit and self._clients[tenant] >= self._share:
            yield "too many streams of the tenant are open here"
            return
        self._clients[tenant] += 1
        try:
            yield None
        finally:
            self._clients[tenant] -= 1
            if not self._clients[tenant]:
                del self._clients[tenant]

    @contextlib.asynccontextmanager
    async def silent(self, patience_s: float) -> AsyncIterator[None]:
        """A place at the door, for so long at most. Raises TimeoutError; Displaced when all were taken since and this was
        the oldest: who means it has long said it by then."""
        if self._door and len(self._silent) >= self._door:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            if not oldest.expired():  # else its own time is over just now, and it only has not heard of it yet
                oldest.reschedule(asyncio.get_running_loop().time())
        mine = True
        try:
            async with asyncio.timeout(patience_s) as patience:
                self._silent[patience] = None
                try:
                    yield
                finally:
                    mine = patience in self._silent
                    self._silent.pop(patience, None)
        except TimeoutError:
            if not mine:
                raise Displaced from None
            raise
