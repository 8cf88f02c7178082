"""The audit log: who did what to what, and whether it was allowed. Append only."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from psycopg.types.json import Jsonb

from observastack.backend.database import Database
from observastack.backend.errors import request_id


@dataclass(frozen=True)
class Entry:
    """One act. tenant: its key, None when it concerns no single tenant. detail: JSON without secrets."""

    action: str
    username: str | None
    success: bool
    tenant: str | None = None
    resource: str | None = None
    detail: dict[str, object] | None = None


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, request: Request, entry: Entry) -> None:
        """Raises when it cannot be written: an act that must be audited must not happen unaudited."""
        async with self._database.app() as connection:
            await connection.execute(
                "INSERT INTO audit_log(tenant, username, action, resource, success, ip, request_id, detail)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    entry.tenant,
                    entry.username,
                    entry.action,
                    entry.resource,
                    entry.success,
                    request.client.host if request.client else None,
                    request_id(request),
                    None if entry.detail is None else Jsonb(entry.detail),
                ),
            )
