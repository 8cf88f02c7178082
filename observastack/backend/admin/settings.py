"""Settings of a tenant, above those of the platform, above those of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request
from psycopg.types.json import Jsonb

from observastack.backend.admin.administrator import Administrator
from observastack.backend.admin.model import SettingsUpdate
from observastack.backend.audit import Audit
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, not_found
from observastack.backend.tenants import Tenants
from observastack.backend.wire import iso
from observastack.config import Config

ANOMALY_SIGMA = 3.0


class SettingsAdministration:
    """A platform admin without a tenant reads and writes the platform's; with `tenant`, that one's."""

    def __init__(self, config: Config, database: Database, audit: Audit, tenants: Tenants) -> None:
        self._database, self._audit, self._tenants = database, audit, tenants
        self._default = {
            "retention_days": None,
            "requests_per_minute": config.limits.requests_per_minute,
            "anomaly_sigma": ANOMALY_SIGMA,
        }

    async def get(self, by: Administrator, tenant: str | None) -> dict[str, Any]:
        """A Settings document. Raises ApiError 404."""
        async with self._database.app(scope=by.scope) as connection:
            return await self._applying(connection, by.confine(tenant))

    async def update(
        self, request: Request, by: Administrator, tenant: str | None, wanted: SettingsUpdate
    ) -> dict[str, Any]:
        """Raises ApiError 403 when a tenant_admin changes the tenant's own limit, 404."""
        key = by.confine(tenant)
        sent = wanted.model_dump(exclude_unset=True)
        async with self._database.app(scope=by.scope) as connection:
            await _locked(connection, key)
            before = await self._applying(connection, key)
            limit = sent.get("requests_per_minute", before["requests_per_minute"])
            if by.tenant is not None and limit != before["requests_per_minute"]:
                raise ApiError(403, "the limit of requests is set by a platform admin")
            sent = {name: value for name, value in sent.items() if value is None or value != before[name]}
            stored = {**await _stored(connection, key), **sent}
            kept: dict[str, Any] = {name: value for name, value in stored.items() if value is not None}
            kept.update(updated_at=iso(datetime.now(UTC)), updated_by=by.username)
            if key is None:
                await connection.execute("UPDATE platform_settings SET settings = %s", (Jsonb(kept),))
            else:
                await connection.execute(
                    "UPDATE tenants SET settings = %s, retention_days = %s WHERE key = %s",
                    (Jsonb(kept), kept.get("retention_days"), key),
                )
            resource = "settings" if key is None else f"settings/{key}"
            await self._audit.record(request, by.entry("settings.update", resource, key, **sent), connection)
            answer = await self._applying(connection, key)
        self._tenants.forget()
        return answer

    async def _applying(self, connection: Connection, key: str | None) -> dict[str, Any]:
        platform = await _stored(connection, None)
        own = platform if key is None else await _stored(connection, key)
        values = {name: own.get(name, platform.get(name, default)) for name, default in self._default.items()}
        return {**values, "updated_at": own.get("updated_at"), "updated_by": own.get("updated_by")}


async def _locked(connection: Connection, key: str | None) -> None:
    """Keep other writers out until the transaction ends: two administrators who each change something both have it so.

    Writes of signals, which refer to the tenant, are not held up (FOR NO KEY UPDATE)."""
    if key is None:
        await connection.execute("INSERT INTO platform_settings DEFAULT VALUES ON CONFLICT (one) DO NOTHING")
        await connection.execute("SELECT 1 FROM platform_settings FOR NO KEY UPDATE")
    else:
        await connection.execute("SELECT 1 FROM tenants WHERE key = %s FOR NO KEY UPDATE", (key,))


async def _stored(connection: Connection, key: str | None) -> Mapping[str, Any]:
    """What was set at this level. Raises ApiError 404 for an unknown tenant."""
    if key is None:
        cursor = await connection.execute("SELECT settings::text, NULL::int FROM platform_settings")
    else:
        cursor = await connection.execute("SELECT settings::text, retention_days FROM tenants WHERE key = %s", (key,))
    row = await cursor.fetchone()
    if row is None:
        if key is None:
            return {}
        raise not_found()
    stored: dict[str, Any] = orjson.loads(row[0])
    if row[1] is not None:
        stored["retention_days"] = row[1]
    return stored
