"""Silences: for a time, alerts that the matchers fit are `silenced`. They always carry the tenant's matcher and one more.

The table is the truth; a configured Alertmanager gets a copy (alertmanager.py), for it sends the notifications.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import orjson
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from observastack import defects
from observastack.backend.alerts import rows, settling
from observastack.backend.alerts.actions import Actor, audited
from observastack.backend.alerts.matching import BadPattern, all_fit, compiled, says_something
from observastack.backend.alerts.model import Document, Matcher, SilenceRequest
from observastack.backend.audit import Audit
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, not_found
from observastack.backend.tenants import Tenants

State = Literal["active", "pending", "expired"]
MAX_LISTED = 1_000
_STATE = "CASE WHEN ends_at <= now() THEN 'expired' WHEN starts_at > now() THEN 'pending' ELSE 'active' END"
_MATCHED = """(SELECT count(*) FROM alert_silences m JOIN alerts a ON a.tenant_id = m.tenant_id AND a.id = m.alert_id
  WHERE m.tenant_id = s.tenant_id AND m.silence_id = s.id AND a.status <> 'resolved')"""
_SELECT = f"""
SELECT id, matchers::text, starts_at, ends_at, comment, created_by, created_at, {_STATE}, {_MATCHED}
FROM silences s WHERE tenant_id = %(tenant)s AND deleted_at IS NULL"""  # noqa: S608 - text of this module


class Silences:
    """changed: called after every change, so that the Alertmanager hears of it soon."""

    def __init__(self, database: Database, audit: Audit, tenants: Tenants, changed: Callable[[int], None]) -> None:
        self._database, self._audit, self._tenants, self._changed = database, audit, tenants, changed

    async def list(self, tenant: int, key: str, state: State | None) -> Document:
        """The newest first. A Silences."""
        statement = f"{_SELECT} AND (%(state)s::text IS NULL OR {_STATE} = %(state)s) ORDER BY created_at DESC, id LIMIT %(limit)s"
        async with self._database.tenant(tenant) as connection:
            cursor = await connection.execute(
                statement.encode(), {"tenant": tenant, "state": state, "limit": MAX_LISTED}
            )
            return {"items": [_document(row, key) for row in await cursor.fetchall()]}

    async def one(self, tenant: int, key: str, silence_id: UUID) -> Document:
        """Raises ApiError 404."""
        async with self._database.tenant(tenant) as connection:
            return await _stored(connection, tenant, key, silence_id)

    async def create(self, actor: Actor, wanted: SilenceRequest) -> Document:
        """Raises ApiError 422 for matchers that say nothing, another tenant's, a pattern that RE2 does not know."""
        matchers = _checked(wanted, actor.tenant_key)
        silence_id = uuid4()
        others = (await self._tenants.all()).values() if defects.active("silence_without_tenant") else ()
        for tenant in (actor.tenant, *(number for number in others if number != actor.tenant)):
            async with self._database.acting(tenant) as connection:
                await settling.locked(connection, tenant)
                await connection.execute(
                    "INSERT INTO silences(id, matchers, starts_at, ends_at, comment, created_by)"
                    " VALUES (%s, %s, coalesce(%s, now()), %s, %s, %s)",
                    (silence_id, _json(matchers), wanted.starts_at, wanted.ends_at, wanted.comment, actor.username),
                )
                await _match(connection, tenant, silence_id, matchers)
                await settling.settle(connection, tenant)
                if tenant == actor.tenant:
                    await audited(self._audit, connection, actor, "silences.create", _told(silence_id, wanted))
                    created = await _stored(connection, tenant, actor.tenant_key, silence_id)
        self._changed(actor.tenant)
        return created

    async def replace(self, actor: Actor, silence_id: UUID, wanted: SilenceRequest) -> Document:
        """Raises ApiError 404, 409 for one that has ended, 422 as `create` does."""
        matchers = _checked(wanted, actor.tenant_key)
        async with self._database.acting(actor.tenant) as connection:
            await settling.locked(connection, actor.tenant)
            before = await _stored(connection, actor.tenant, actor.tenant_key, silence_id)
            if before["state"] == "expired":
                raise ApiError(409, f"this silence ended at {before['ends_at']}; make a new one")
            await connection.execute(
                "UPDATE silences SET matchers = %s, starts_at = coalesce(%s, starts_at), ends_at = %s, comment = %s"
                " WHERE tenant_id = %s AND id = %s",
                (_json(matchers), wanted.starts_at, wanted.ends_at, wanted.comment, actor.tenant, silence_id),
            )
            await connection.execute(
                "DELETE FROM alert_silences WHERE tenant_id = %s AND silence_id = %s", (actor.tenant, silence_id)
            )
            await _match(connection, actor.tenant, silence_id, matchers)
            await settling.settle(connection, actor.tenant)
            await audited(self._audit, connection, actor, "silences.replace", _told(silence_id, wanted))
            replaced = await _stored(connection, actor.tenant, actor.tenant_key, silence_id)
        self._changed(actor.tenant)
        return replaced

    async def delete(self, actor: Actor, silence_id: UUID) -> None:
        """It ends now and is listed no more. Raises ApiError 404."""
        async with self._database.acting(actor.tenant) as connection:
            await settling.locked(connection, actor.tenant)
            cursor = await connection.execute(
                "UPDATE silences SET deleted_at = now() WHERE tenant_id = %s AND id = %s AND deleted_at IS NULL",
                (actor.tenant, silence_id),
            )
            if not cursor.rowcount:
                raise not_found()
            await settling.settle(connection, actor.tenant)
            await audited(self._audit, connection, actor, "silences.delete", {"id": str(silence_id)})
        self._changed(actor.tenant)

    async def alert(self, actor: Actor, alert_id: UUID, duration_s: int, note: str | None) -> Document:
        """Silence one alert by its labels, for so long from now; the alert. Raises ApiError 404, 409 when resolved."""
        async with self._database.tenant(actor.tenant) as connection:
            cursor = await connection.execute(
                "SELECT labels::text, status FROM alerts WHERE tenant_id = %s AND id = %s", (actor.tenant, alert_id)
            )
            row: Any = await cursor.fetchone()
        if row is None:
            raise not_found()
        if row[1] == "resolved":
            raise ApiError(409, "a resolved alert cannot be silenced")
        # All labels, however many: one that is left out would silence other alerts as well.
        try:
            matchers = [Matcher(name=name, value=value) for name, value in orjson.loads(row[0]).items()]
        except ValidationError:
            raise ApiError(422, "the alert has a label that no matcher can have; silence it by others") from None
        if all(matcher.name == "tenant" for matcher in matchers):
            raise ApiError(422, "the alert has no label but its tenant: a silence would fit all alerts")
        wanted = SilenceRequest.model_construct(
            matchers=matchers,
            starts_at=None,
            ends_at=datetime.now(UTC) + timedelta(seconds=duration_s),
            comment=note or "silenced from the list of alerts",
        )
        await self.create(actor, wanted)
        async with self._database.tenant(actor.tenant) as connection:
            alert = await rows.alert(connection, actor.tenant, alert_id)
        assert alert is not None  # alerts are not deleted
        return alert


async def _match(connection: Connection, tenant: int, silence_id: UUID, matchers: list[Matcher]) -> None:
    """Which of the tenant's alerts the matchers fit, resolved ones included: they may fire again."""
    cursor = await connection.execute("SELECT id, labels::text FROM alerts WHERE tenant_id = %s", (tenant,))
    fitting = [row[0] for row in await cursor.fetchall() if all_fit(matchers, orjson.loads(row[1]))]
    await connection.execute(
        "INSERT INTO alert_silences(alert_id, silence_id) SELECT unnest(%s::uuid[]), %s", (fitting, silence_id)
    )


async def _stored(connection: Connection, tenant: int, key: str, silence_id: UUID) -> Document:
    cursor = await connection.execute(f"{_SELECT} AND id = %(id)s".encode(), {"tenant": tenant, "id": silence_id})
    row = await cursor.fetchone()
    if row is None:
        raise not_found()
    return _document(row, key)


def _document(row: tuple[Any, ...], key: str) -> Document:
    silence_id, matchers, starts_at, ends_at, comment, created_by, created_at, state, matched = row
    own = {"name": "tenant", "value": key, "is_regex": False, "is_equal": True}
    return {
        "id": str(silence_id),
        "matchers": [own, *orjson.loads(matchers)],
        "starts_at": rows.written(starts_at),
        "ends_at": rows.written(ends_at),
        "comment": comment,
        "created_by": created_by,
        "created_at": rows.written(created_at),
        "state": state,
        "matched": matched,
    }


def _checked(wanted: SilenceRequest, key: str) -> list[Matcher]:
    """Without the tenant's own matcher. Raises ApiError 422."""
    if wanted.ends_at <= datetime.now(UTC):
        raise ApiError(422, "ends_at has passed already", details=[{"field": "ends_at"}])
    own = Matcher(name="tenant", value=key)
    matchers = [matcher for matcher in wanted.matchers if matcher != own]
    if any(matcher.name == "tenant" for matcher in matchers):
        raise ApiError(422, "a silence is for the caller's tenant only", details=[{"field": "matchers"}])
    try:
        for matcher in matchers:
            if matcher.is_regex:
                compiled(matcher.value)
    except BadPattern as problem:
        raise ApiError(422, str(problem), details=[{"field": "matchers"}]) from None
    if not says_something(matchers):
        raise ApiError(
            422, "at least one matcher besides the tenant's must ask for a label", details=[{"field": "matchers"}]
        )
    return matchers


def _json(matchers: list[Matcher]) -> Jsonb:
    return Jsonb([matcher.model_dump() for matcher in matchers])


def _told(silence_id: UUID, wanted: SilenceRequest) -> Document:
    return {
        "id": str(silence_id), "ends_at": wanted.ends_at.isoformat(), "comment": wanted.comment,
        "matchers": len(wanted.matchers),
    }  # fmt: skip
