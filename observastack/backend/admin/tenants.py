"""Tenants: made, renamed, suspended, and deleted when nothing of them is left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import Request

from observastack.backend import paging
from observastack.backend.admin.administrator import Administrator
from observastack.backend.admin.model import TenantCreate, TenantUpdate
from observastack.backend.admin.volume import EMPTY, Volume
from observastack.backend.audit import Audit
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, not_found
from observastack.backend.stores.ports import Tenant
from observastack.backend.tenants import Tenants
from observastack.backend.wire import iso

_ROWS = """
SELECT t.key, t.id, t.name, t.status, t.color, t.retention_days, t.created_at,
       count(u.id), count(u.id) FILTER (WHERE NOT u.enabled)
FROM tenants t LEFT JOIN users u ON u.tenants = ARRAY[t.key]
"""
_CONCURRENT = 3


class TenantAdministration:
    """Raises ApiError 404 for a tenant that the administrator does not reach, just as for one that is not there."""

    def __init__(self, database: Database, audit: Audit, tenants: Tenants, volume: Volume) -> None:
        self._database, self._audit, self._tenants, self._volume = database, audit, tenants, volume

    async def listed(self, by: Administrator, limit: int, cursor: str | None) -> dict[str, Any]:
        after = paging.decode(cursor, str)
        parameters = {"own": by.tenant, "after": after or "", "limit": limit + 1}
        async with self._database.app(scope=by.scope) as connection:
            found = await connection.execute(
                f"{_ROWS} WHERE t.key > %(after)s AND (%(own)s::text IS NULL OR t.key = %(own)s)"
                " GROUP BY t.id ORDER BY t.key LIMIT %(limit)s",
                parameters,
            )
            rows, more = paging.page(await found.fetchall(), limit)
        return {"items": await self._documents(rows), "next_cursor": paging.encode(rows[-1][0]) if more else None}

    async def get(self, by: Administrator, key: str) -> dict[str, Any]:
        async with self._database.app(scope=by.scope) as connection:
            row = await self._row(connection, by, key)
        return (await self._documents([row]))[0]

    async def stats(self, by: Administrator, key: str) -> dict[str, Any]:
        async with self._database.app(scope=by.scope) as connection:
            row = await self._row(connection, by, key)
        return await self._volume.of(Tenant(row[1], key))

    async def create(self, request: Request, by: Administrator, wanted: TenantCreate) -> dict[str, Any]:
        """Raises ApiError 409 when the id is taken, or was and must not be taken again."""
        async with self._database.app() as connection:
            try:
                await connection.execute(
                    "INSERT INTO tenants(key, name, color, retention_days) VALUES (%s, %s, %s, %s)",
                    (wanted.id, wanted.name, wanted.color, wanted.retention_days),
                )
            except psycopg.errors.UniqueViolation:
                raise ApiError(409, "a tenant with this id exists") from None
            # After the insert: one that waited for the deletion sees it now.
            retired = await connection.execute("SELECT 1 FROM retired_tenants WHERE key = %s", (wanted.id,))
            if await retired.fetchone() is not None:
                raise ApiError(409, "a tenant with this id was deleted, and a store may still hold items of it")
            await self._audit.record(request, by.entry("tenant.create", f"tenants/{wanted.id}", wanted.id), connection)
            row = await self._row(connection, by, wanted.id)
        self._tenants.forget()
        return _document(row, EMPTY)

    async def update(self, request: Request, by: Administrator, key: str, wanted: TenantUpdate) -> dict[str, Any]:
        """Raises ApiError 403 when a tenant_admin changes the status: nobody suspends the tenant that they sit in."""
        changes = wanted.model_dump(exclude_none=True)
        async with self._database.app(scope=by.scope) as connection:
            row = await self._row(connection, by, key)
            if by.tenant is not None and changes.get("status", row[3]) != row[3]:
                raise ApiError(403, "the status of a tenant is changed by a platform admin")
            for column, value in changes.items():  # names of TenantUpdate's fields, nothing that was sent
                await connection.execute(f"UPDATE tenants SET {column} = %s WHERE key = %s".encode(), (value, key))  # noqa: S608 - text of this module, values are bound
            await self._audit.record(request, by.entry("tenant.update", f"tenants/{key}", key, **changes), connection)
        self._tenants.forget()
        return await self.get(by, key)

    async def delete(self, request: Request, by: Administrator, key: str) -> None:
        """Raises ApiError 409 unless the tenant is suspended and empty: deleting must not be how data gets lost."""
        async with self._database.app() as connection:
            row = await self._row(connection, by, key)
            if row[3] != "suspended":
                raise ApiError(409, "only a suspended tenant can be deleted")
            if row[7]:
                raise ApiError(409, "the tenant still has users")
            if not await self._volume.empty(Tenant(row[1], key)):
                raise ApiError(409, "the tenant still has stored items")
            try:
                await connection.execute("DELETE FROM tenants WHERE key = %s", (key,))
            except psycopg.errors.ForeignKeyViolation:
                raise ApiError(409, "something still belongs to the tenant") from None
            if not self._volume.complete:
                # Other servers know tenants by key: whoever got it next would see what is too old to be looked for.
                await connection.execute(
                    "INSERT INTO retired_tenants(key) VALUES (%s) ON CONFLICT (key) DO NOTHING", (key,)
                )
            await self._audit.record(request, by.entry("tenant.delete", f"tenants/{key}", key), connection)
        self._tenants.forget()

    async def _row(self, connection: Connection, by: Administrator, key: str) -> tuple[Any, ...]:
        if not by.reaches(key):
            raise not_found()
        cursor = await connection.execute(f"{_ROWS} WHERE t.key = %s GROUP BY t.id".encode(), (key,))
        row = await cursor.fetchone()
        if row is None:
            raise not_found()
        return row

    async def _documents(self, rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
        turns = asyncio.Semaphore(_CONCURRENT)

        async def volume(row: tuple[Any, ...]) -> dict[str, Any]:
            async with turns:
                return await self._volume.of(Tenant(row[1], row[0]))

        volumes = await asyncio.gather(*(volume(row) for row in rows))
        return [_document(row, stored) for row, stored in zip(rows, volumes, strict=True)]


def _document(row: tuple[Any, ...], stored: dict[str, Any]) -> dict[str, Any]:
    key, _, name, status, color, days, created, users, disabled = row
    return {
        "id": key, "name": name, "status": status, "color": color, "retention_days": days,
        "users": users, "disabled_users": disabled, "created_at": iso(created), **stored,
    }  # fmt: skip
