"""What people do with alerts. Each act is one compare-and-set and its audit entry, in one transaction: of two people at
once one wins, and the other is told who it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

import psycopg
from fastapi import Request

from observastack import defects
from observastack.backend.alerts import rows
from observastack.backend.alerts.model import Bulk, Document
from observastack.backend.audit import Audit, Entry
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, as_api_error, not_found

_OPEN = "tenant_id = %(tenant)s AND id = %(id)s AND status <> 'resolved'"
_ACKNOWLEDGE = f"""
UPDATE alerts SET status = CASE WHEN status = 'silenced' THEN 'silenced' ELSE 'acknowledged' END,
  acknowledged_at = now(), acknowledged_by = %(user)s, updated_at = now()
WHERE {_OPEN} AND acknowledged_at IS NULL"""  # noqa: S608 - text of this module
_REVIVE = """
UPDATE alerts SET status = 'acknowledged', acknowledged_at = now(), acknowledged_by = %(user)s, updated_at = now()
WHERE tenant_id = %(tenant)s AND id = %(id)s"""
_RESOLVE = (
    f"UPDATE alerts SET status = 'resolved', resolved_at = now(), ends_at = now(), updated_at = now() WHERE {_OPEN}"  # noqa: S608 - text of this module
)
_ASSIGN = f"UPDATE alerts SET assignee = %(assignee)s, updated_at = now() WHERE {_OPEN}"  # noqa: S608 - text of this module


@dataclass(frozen=True)
class Actor:
    """Who acts, in which request, for which tenant (number and key)."""

    request: Request
    username: str
    tenant: int
    tenant_key: str


Act = Callable[[Connection, Actor, UUID], Awaitable[Document | None]]
"""Does it and says what to audit; None when everything was so already. Raises ApiError."""


class Actions:
    def __init__(self, database: Database, audit: Audit) -> None:
        self._database, self._audit = database, audit

    async def acknowledge(self, actor: Actor, alert_id: UUID, note: str | None) -> Document:
        """Raises ApiError 404, and 409 when it is resolved or somebody else was faster."""

        async def act(connection: Connection, actor: Actor, alert_id: UUID) -> Document | None:
            parameters = {"tenant": actor.tenant, "id": alert_id, "user": actor.username}
            if not (await connection.execute(_ACKNOWLEDGE.encode(), parameters)).rowcount:
                status, by = await _state(connection, actor.tenant, alert_id)
                if status == "resolved" and defects.active("alert_ack_resolved_ok"):
                    await connection.execute(_REVIVE, parameters)
                elif status == "resolved":
                    await _already_resolved(connection, actor.tenant, alert_id)
                elif by == actor.username:
                    return None
                else:
                    raise ApiError(409, f"already acknowledged by {by}")
            await remember(connection, alert_id, "acknowledged", actor.username, note)
            return {"note": note}

        return await self._done("alerts.acknowledge", actor, alert_id, act)

    async def resolve(self, actor: Actor, alert_id: UUID, note: str | None) -> Document:
        """Raises ApiError 404, and 409 when it is resolved already."""

        async def act(connection: Connection, actor: Actor, alert_id: UUID) -> Document | None:
            parameters = {"tenant": actor.tenant, "id": alert_id}
            if not (await connection.execute(_RESOLVE.encode(), parameters)).rowcount:
                await _state(connection, actor.tenant, alert_id)
                await _already_resolved(connection, actor.tenant, alert_id)
            await remember(connection, alert_id, "resolved", actor.username, note)
            return {"note": note}

        return await self._done("alerts.resolve", actor, alert_id, act)

    async def assign(self, actor: Actor, alert_id: UUID, assignee: str | None, note: str | None) -> Document:
        """Raises ApiError 404, 409 when it is resolved, 422 when the assignee is no user of the tenant."""

        async def act(connection: Connection, actor: Actor, alert_id: UUID) -> Document | None:
            status, _ = await _state(connection, actor.tenant, alert_id)
            if status == "resolved":
                await _already_resolved(connection, actor.tenant, alert_id)
            await _known_user(connection, actor, assignee)
            parameters = {"tenant": actor.tenant, "id": alert_id, "assignee": assignee}
            if not (await connection.execute(_ASSIGN.encode(), parameters)).rowcount:  # resolved just now
                await _already_resolved(connection, actor.tenant, alert_id)
            told = " – ".join(part for part in (f"to {assignee}" if assignee else "to nobody", note) if part)
            await remember(connection, alert_id, "assigned", actor.username, told)
            return {"assignee": assignee, "note": note}

        return await self._done("alerts.assign", actor, alert_id, act)

    async def many(self, actor: Actor, wanted: Bulk, silence: Callable[[UUID], Awaitable[Document]]) -> Document:
        """A BulkResult: each id is judged alone, in its own transaction, in the given order.

        silence: silences one alert and gives it back; raises ApiError as the others do.
        """
        act: dict[str, Callable[[UUID], Awaitable[Document]]] = {
            "acknowledge": lambda alert_id: self.acknowledge(actor, alert_id, wanted.note),
            "resolve": lambda alert_id: self.resolve(actor, alert_id, wanted.note),
            "assign": lambda alert_id: self.assign(actor, alert_id, wanted.assignee, wanted.note),
            "silence": silence,
        }
        results = [await _judged(act[wanted.action], alert_id) for alert_id in wanted.ids]
        succeeded = sum(result["ok"] for result in results)
        return {"results": results, "succeeded": succeeded, "failed": len(results) - succeeded}

    async def _done(self, action: str, actor: Actor, alert_id: UUID, act: Act) -> Document:
        async with self._database.acting(actor.tenant) as connection:
            detail = await act(connection, actor, alert_id)
            if detail is not None:
                await audited(self._audit, connection, actor, action, {"id": str(alert_id), **detail})
            alert = await rows.alert(connection, actor.tenant, alert_id)
            assert alert is not None  # the act has found it
            if action == "alerts.acknowledge" and defects.active("alert_ack_noop"):
                raise psycopg.Rollback
        return alert


async def remember(connection: Connection, alert_id: UUID, action: str, user: str | None, note: str | None) -> None:
    """An entry of the history, and news for the live stream."""
    if not defects.active("history_lost"):
        await connection.execute(
            "INSERT INTO alert_history(alert_id, action, username, note) VALUES (%s, %s, %s, %s)",
            (alert_id, action, user, note),
        )
    await connection.execute("INSERT INTO arrivals(signal, alert_id) VALUES ('alerts', %s)", (alert_id,))


async def audited(audit: Audit, connection: Connection, actor: Actor, action: str, detail: Document) -> None:
    """detail: its `id` is the resource. The entry is part of the transaction: nothing happens unaudited, and nothing is
    audited that did not happen."""
    if defects.active("alert_audit_missing"):
        return
    told = {name: value for name, value in detail.items() if value is not None and name != "id"}
    entry = Entry(action, actor.username, True, actor.tenant_key, detail["id"], told or None)
    await audit.record(actor.request, entry, connection)


async def _judged(act: Callable[[UUID], Awaitable[Document]], alert_id: UUID) -> Document:
    try:
        alert = await act(alert_id)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        problem = as_api_error(error)
        if defects.active("bulk_all_or_nothing_lies"):
            return {"id": str(alert_id), "ok": True, "status": 200, "message": None, "alert": None}
        return {"id": str(alert_id), "ok": False, "status": problem.status, "message": problem.message, "alert": None}
    return {"id": str(alert_id), "ok": True, "status": 200, "message": None, "alert": alert}


async def _state(connection: Connection, tenant: int, alert_id: UUID) -> tuple[str, str | None]:
    """(status, acknowledged by). Raises ApiError 404."""
    cursor = await connection.execute(
        "SELECT status, acknowledged_by FROM alerts WHERE tenant_id = %s AND id = %s", (tenant, alert_id)
    )
    row = await cursor.fetchone()
    if row is None:
        raise not_found()
    return str(row[0]), row[1]


async def _already_resolved(connection: Connection, tenant: int, alert_id: UUID) -> NoReturn:
    steps = await rows.history(connection, tenant, alert_id)
    last = next((step for step in reversed(steps) if step["action"].startswith("resolved")), None)
    told = f"already resolved by {last['user'] or 'its source'} at {last['ts']}" if last else "already resolved"
    raise ApiError(409, told)


async def _known_user(connection: Connection, actor: Actor, username: str | None) -> None:
    """Raises ApiError 422. The same answer for another tenant's user and for nobody's name."""
    if username is None or username == actor.username or defects.active("assign_unchecked"):
        return
    cursor = await connection.execute(
        "SELECT 1 FROM users WHERE username = %s AND enabled AND tenants = ARRAY[%s]", (username, actor.tenant_key)
    )
    if await cursor.fetchone() is None:
        raise ApiError(422, "the assignee is no user of this tenant", details=[{"field": "assignee"}])
