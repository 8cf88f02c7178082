"""The audit log: who did what to what, and whether it was allowed. Append only."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from psycopg.types.json import Jsonb

from observastack import defects
from observastack.backend.database import Connection, Database
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

    async def record(self, request: Request, entry: Entry, within: Connection | None = None) -> None:
        """Raises when it cannot be written: an act that must be audited must not happen unaudited.

        within: the transaction of the act itself, so that neither is there without the other.
        """
        if defects.active("audit_skipped"):
            return
        if within is not None:
            await _insert(within, request, entry)
            return
        async with self._database.app() as connection:
            await _insert(connection, request, entry)


async def _insert(connection: Connection, request: Request, entry: Entry) -> None:
    await connection.execute(
        "INSERT INTO audit_log(tenant, username, action, resource, success, ip, request_id, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            _stored(entry.tenant),
            _stored(entry.username),
            entry.action,
            _stored(entry.resource),
            entry.success,
            request.client.host if request.client else None,
            request_id(request),
            None if entry.detail is None else Jsonb(entry.detail),
        ),
    )


def _stored(text: str | None) -> str | None:
    """What a caller sent, in a form that PostgreSQL can keep: a refused act must be recorded whatever its name."""
    return None if text is None else text.replace("\0", "").encode(errors="replace").decode()[:300]
