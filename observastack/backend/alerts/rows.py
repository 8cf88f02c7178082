"""One row of the table of alerts to the document of the API, and the history of an alert."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from observastack.backend.alerts.model import SEVERITIES, Document
from observastack.backend.database import Connection
from observastack.backend.wire import nanoseconds, rfc3339

COLUMNS = (
    "id", "fingerprint", "severity", "title", "source", "service", "status", "assignee", "labels", "annotations",
    "starts_at", "ends_at", "acknowledged_at", "resolved_at", "updated_at", "generator_url",
)  # fmt: skip
SELECT = ", ".join(COLUMNS)


def document(row: tuple[Any, ...]) -> Document:
    """The alert of a row of SELECT."""
    found = dict(zip(COLUMNS, row, strict=True))
    found["id"] = str(found["id"])
    found["severity"] = SEVERITIES[found["severity"]]
    for name in ("starts_at", "ends_at", "acknowledged_at", "resolved_at", "updated_at"):
        found[name] = written(found[name])
    return found


def written(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(nanoseconds(time))


async def alert(connection: Connection, tenant: int, alert_id: UUID) -> Document | None:
    """With its history; None when the tenant has no such alert."""
    found = await without_history(connection, tenant, alert_id)
    return None if found is None else {**found, "history": await history(connection, tenant, alert_id)}


async def without_history(connection: Connection, tenant: int, alert_id: UUID) -> Document | None:
    """None when the tenant has no such alert."""
    statement = f"SELECT {SELECT} FROM alerts WHERE tenant_id = %s AND id = %s"  # noqa: S608 - columns of this module
    row = await (await connection.execute(statement.encode(), (tenant, alert_id))).fetchone()
    return None if row is None else document(row)


async def history(connection: Connection, tenant: int, alert_id: UUID) -> list[Document]:
    """What happened to an alert, oldest first."""
    cursor = await connection.execute(
        "SELECT ts, action, username, note FROM alert_history WHERE tenant_id = %s AND alert_id = %s ORDER BY id",
        (tenant, alert_id),
    )
    return [
        {"ts": written(ts), "action": action, "user": user, "note": note}
        for ts, action, user, note in await cursor.fetchall()
    ]
