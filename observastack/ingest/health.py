"""Readiness: can this process write now?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at a dependency. reason: the kind of failure, no internals."""

    ok: bool
    latency_ms: float
    reason: str | None = None


class DatabaseProbe:
    """Asks the database over a connection of its own; one question at a time, shared by who asks meanwhile.

    A connection that failed is never asked again, so that the answer recovers with the database.
    """

    def __init__(self, connection: dict[str, Any], timeout_s: float = 1.0) -> None:
        self._arguments = {**connection, "autocommit": True}
        self._timeout_s = timeout_s
        self._connection: psycopg.AsyncConnection | None = None
        self._asking: asyncio.Task[Probe] | None = None
        self._abandoned: set[asyncio.Task[None]] = set()

    async def ask(self) -> Probe:
        """Answers within the timeout whatever the database does."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _forget(self, query: asyncio.Task[None]) -> None:
        self._abandoned.discard(query)
        if not query.cancelled():
            query.exception()  # looked at: nothing more is to be said about a question that was given up

    async def _ask(self) -> Probe:
        started = time.monotonic()
        reason: str | None = None
        # Not asyncio.timeout: a cancelled query waits for the server to confirm, and this server may be the one that hangs.
        query = asyncio.create_task(self._query())
        done, _ = await asyncio.wait({query}, timeout=self._timeout_s)
        if not done:
            reason = "no answer in time"
            query.cancel()
            self._abandoned.add(query)
            query.add_done_callback(self._forget)
        elif isinstance(query.exception(), psycopg.Error | OSError):
            reason = "not reachable"
        elif (failure := query.exception()) is not None:
            raise failure
        if reason is not None:
            await self.close()
        return Probe(reason is None, round((time.monotonic() - started) * 1000, 3), reason)

    async def _query(self) -> None:
        """Ask for a table and not for `SELECT 1`: a database without schema is not ready."""
        kept = self._connection is not None and not self._connection.closed
        for _ in range(2):
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(**self._arguments)
            try:
                await self._connection.execute("SELECT FROM tenants LIMIT 1")
                return
            except psycopg.OperationalError:
                if not kept:
                    raise
                # The server was restarted since the last question: that is no reason to call it down now.
                kept = False
                await self.close()
