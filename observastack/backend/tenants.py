"""Tenants as the requests know them: number in the store, name, whether they are served, their own settings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout

from observastack.backend.database import Database
from observastack.backend.deadline import within
from observastack.backend.stores.ports import Tenant

log = logging.getLogger("observastack.backend")

FRESH_S = 2.0
"""Another process learns of a suspended tenant after this long at most."""
_PATIENCE_S = 1.0
_CHANGED = float("-inf")
"""When it was read, as far as that counts after a change."""


@dataclass(frozen=True)
class Home:
    """A row of `tenants`. settings: what the tenant has set itself, else what the platform has."""

    number: int
    key: str
    name: str
    color: str | None
    active: bool
    settings: Mapping[str, Any] = field(default_factory=dict)


class Tenants:
    """All tenants in memory, read again when older than FRESH_S; while PostgreSQL is away the old ones stay good."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Home] = {}
        self._read_at = _CHANGED
        self._changes = 0
        self._reading = asyncio.Lock()

    async def find(self, key: str) -> Home | None:
        """None for a tenant that does not exist. Raises when nothing was ever read and PostgreSQL does not answer."""
        if self._stale():
            await self._refresh()
        if key not in self._known:
            await self._read()
        return self._known.get(key)

    async def learn(self) -> None:
        """Read them if that was never done: for a caller that will look one up while it holds a connection. Raises as `find`."""
        if not self._known:
            async with self._reading:
                if not self._known:
                    await self._read()

    async def number(self, key: str) -> int | None:
        """The key of the tenant in the store; None for a tenant that does not exist."""
        found = await self.find(key)
        return None if found is None else found.number

    async def all(self) -> dict[str, int]:
        """Every tenant's number by its key, as of now."""
        await self._read()
        return {key: tenant.number for key, tenant in self._known.items()}

    async def key(self, number: int) -> str:
        """Raises StopIteration for a number that no tenant has."""
        if all(tenant.number != number for tenant in self._known.values()):
            await self._read()
        return next(key for key, tenant in self._known.items() if tenant.number == number)

    async def another_than(self, tenant: Tenant) -> Tenant:
        """For defects that confuse tenants."""
        number, key = min((number, key) for key, number in (await self.all()).items() if number != tenant.number)
        return Tenant(number, key)

    def forget(self) -> None:
        """A tenant was changed here: the next request reads, and what is being read just now does not count."""
        self._changes += 1
        self._read_at = _CHANGED

    def _stale(self) -> bool:
        return time.monotonic() - self._read_at > FRESH_S

    async def _refresh(self) -> None:
        if not self._known:
            await self._read()
            return
        if self._reading.locked() and self._read_at != _CHANGED:
            return  # somebody reads already; what is known is good enough meanwhile
        async with self._reading:
            if not self._stale():
                return  # read by somebody else meanwhile
            try:
                await within(_PATIENCE_S, self._read())
            except (psycopg.Error, PoolTimeout, TimeoutError) as error:
                log.warning("tenants cannot be read again: %s", type(error).__name__)
                self._read_at = time.monotonic()

    async def _read(self) -> None:
        before = self._changes
        async with self._database.app() as connection:
            cursor = await connection.execute(
                "SELECT id, key, name, color, status,"
                " (coalesce((SELECT settings FROM platform_settings), '{}') || settings)::text FROM tenants"
            )
            rows = await cursor.fetchall()
        self._known = {
            key: Home(number, key, name, color, status == "active", orjson.loads(settings))
            for number, key, name, color, status, settings in rows
        }
        self._read_at = time.monotonic() if before == self._changes else _CHANGED
