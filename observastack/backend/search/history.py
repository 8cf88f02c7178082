"""What a user has searched for, kept for that user alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from observastack import defects
from observastack.backend import paging
from observastack.backend.auth.tokens import Claims
from observastack.backend.database import Connection, Database
from observastack.backend.deadline import within
from observastack.backend.wire import iso

log = logging.getLogger("observastack.backend")

KEPT = 200
"""Searches kept per user."""
WAITING = 1_000
BATCH = 100
SETTLE_S = 1.0
"""A reader waits so long for what is not written yet: under load there is always some."""


@dataclass(frozen=True)
class Past:
    """One search. query: the body as it was understood, without its cursor."""

    tenant: int
    user: UUID
    query: dict[str, Any]
    matched: int
    latency_ms: float


class History:
    """Written behind the answers, several at a time: a search must not wait for it, nor fail with it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: asyncio.Queue[Past] = asyncio.Queue(WAITING)
        self._writer: asyncio.Task[None] | None = None

    def add(self, past: Past) -> None:
        """Dropped when too many wait: history is a convenience, memory is not."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(past)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def of(self, tenant: int, user: UUID, limit: int, cursor: str | None) -> dict[str, Any]:
        """A SearchHistory document, newest first."""
        await self._settled()
        own = "" if defects.active("history_leak") else " AND user_id = %(user)s"
        async with self._database.app() as connection:
            await _enter(connection, tenant)
            found = await connection.execute(
                "SELECT id, ts, query, matched, latency_ms FROM search_history WHERE tenant_id = %(tenant)s"  # noqa: S608 - text of this module, values are bound
                f"{own} AND id < %(after)s ORDER BY id DESC LIMIT %(limit)s".encode(),
                {
                    "tenant": tenant, "user": user, "limit": limit + 1,
                    "after": paging.decode(cursor, int) or (1 << 63) - 1,
                },
            )  # fmt: skip
            rows, more = paging.page(await found.fetchall(), limit)
        items = [
            {"id": str(id_), "ts": iso(ts), "query": query, "matched": matched, "latency_ms": latency}
            for id_, ts, query, matched, latency in rows
        ]
        return {"items": items, "next_cursor": paging.encode(rows[-1][0]) if more else None}

    async def clear(self, tenant: int, user: UUID) -> None:
        await self._settled()
        async with self._database.app() as connection:
            await _enter(connection, tenant)
            await connection.execute("DELETE FROM search_history WHERE tenant_id = %s AND user_id = %s", (tenant, user))

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def _settled(self) -> None:
        with contextlib.suppress(TimeoutError):
            await within(SETTLE_S, self._waiting.join())

    async def _write(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                await self._store(batch)
            except (psycopg.Error, PoolTimeout, TimeoutError) as error:
                log.warning("search history: %s", type(error).__name__)
            finally:
                for _ in batch:
                    self._waiting.task_done()

    async def _store(self, batch: list[Past]) -> None:
        for tenant in {past.tenant for past in batch}:
            own = [past for past in batch if past.tenant == tenant]
            async with self._database.app() as connection:
                await _enter(connection, tenant)
                async with connection.cursor() as cursor:
                    await cursor.executemany(
                        "INSERT INTO search_history(user_id, query, matched, latency_ms) VALUES (%s, %s, %s, %s)",
                        [(past.user, Jsonb(past.query), past.matched, past.latency_ms) for past in own],
                    )
                    await cursor.executemany(
                        "DELETE FROM search_history WHERE tenant_id = %(t)s AND user_id = %(u)s AND id < (SELECT min(id)"
                        " FROM (SELECT id FROM search_history WHERE tenant_id = %(t)s AND user_id = %(u)s"
                        " ORDER BY id DESC LIMIT %(kept)s) AS newest)",
                        [{"t": tenant, "u": user, "kept": KEPT} for user in {past.user for past in own}],
                    )


def user_of(claims: Claims) -> UUID:
    """The account's id; one made from it where an identity provider's subjects are no UUIDs."""
    try:
        return UUID(claims.subject)
    except ValueError:
        return uuid5(NAMESPACE_URL, claims.subject)


async def _enter(connection: Connection, tenant: int) -> None:
    await connection.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))
