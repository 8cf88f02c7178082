"""Taking alerts in: one delivery of the webhook is one transaction, audited in it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from fastapi import Request
from psycopg.types.json import Jsonb

from observastack import defects
from observastack.backend.alerts import settling
from observastack.backend.alerts.lifecycle import Change, Known, change
from observastack.backend.alerts.matching import all_fit
from observastack.backend.alerts.model import Document, Matcher
from observastack.backend.alerts.notice import Notice, Notification, notices
from observastack.backend.audit import Audit, Entry
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError

_KNOWN = """
SELECT fingerprint, id, status, severity, title, labels::text, annotations::text, generator_url FROM alerts
WHERE tenant_id = %s AND fingerprint = ANY(%s) ORDER BY fingerprint FOR UPDATE"""
_INSERT = """
INSERT INTO alerts(id, fingerprint, severity, title, source, service, status, labels, annotations, generator_url, starts_at)
VALUES (%(id)s, %(fingerprint)s, %(severity)s, %(title)s, %(source)s, %(service)s, 'active', %(labels)s, %(annotations)s,
        %(generator_url)s, %(starts_at)s)"""
_SAY = "severity = %(severity)s, title = %(title)s, service = %(service)s, labels = %(labels)s, annotations = %(annotations)s, generator_url = %(generator_url)s, updated_at = now()"
_OF = "WHERE tenant_id = %(tenant)s AND id = %(id)s"
_REFIRE = f"""
UPDATE alerts SET {_SAY}, status = 'active', starts_at = %(starts_at)s, ends_at = NULL, resolved_at = NULL,
  source_seen_at = NULL,
  assignee = CASE WHEN %(keep)s THEN assignee END, acknowledged_at = NULL, acknowledged_by = NULL {_OF}"""  # noqa: S608 - text of this module
_RESOLVE = f"UPDATE alerts SET {_SAY}, status = 'resolved', ends_at = %(ends_at)s, resolved_at = now() {_OF}"  # noqa: S608 - text of this module
_UPDATE = f"UPDATE alerts SET {_SAY} {_OF}"  # noqa: S608 - text of this module
_STATEMENTS: dict[Change, str] = {
    "fired": _INSERT,
    "refired": _REFIRE,
    "resolved_by_source": _RESOLVE,
    "updated": _UPDATE,
}


class Intake:
    """Knows senders by their token: each belongs to one tenant, whatever the body says."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database, self._audit = database, audit

    async def sender(self, token: str) -> tuple[int, str] | None:
        """(number, key) of the tenant that a webhook token belongs to."""
        async with self._database.app() as connection:
            cursor = await connection.execute(
                "SELECT t.id, t.key FROM webhook_tokens w JOIN tenants t ON t.id = w.tenant_id WHERE w.token_hash = %s",
                (hashlib.sha256(token.encode()).digest(),),
            )
            row = await cursor.fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    async def take(self, request: Request, tenant: tuple[int, str], sent: Notification) -> Document:
        """A Received. Raises ApiError 422."""
        number, key = tenant
        try:
            told = notices(sent, key, datetime.now(UTC))
        except (ValueError, OverflowError) as error:
            raise ApiError(422, f"endsAt: {error}") from None
        if defects.active("alert_never_fires"):
            return _received(len(sent.alerts), dict.fromkeys(range(len(told)), "fired"))
        async with self._database.acting(number) as connection:
            changes = await take_in(connection, number, told)
            received = _received(len(sent.alerts), changes)
            if changes:
                entry = Entry("alerts.webhook", None, True, key, sent.receiver, {**received})
                await self._audit.record(request, entry, connection)
        return received


async def take_in(connection: Connection, tenant: int, told: Sequence[Notice]) -> dict[str, Change]:
    """What changed, by fingerprint."""
    if defects.active("alert_duplicate_fingerprint"):
        told = [replace(notice, fingerprint=f"{notice.fingerprint}-{uuid.uuid4().hex[:8]}") for notice in told]
    await settling.locked(connection, tenant)
    known = await _known(connection, tenant, [notice.fingerprint for notice in told])
    changes: dict[str, Change] = {}
    silences = await _silences(connection, tenant)
    async with connection.pipeline():
        for notice in told:
            before = known.get(notice.fingerprint)
            kind = change(before, notice)
            if kind is None:
                continue
            changes[notice.fingerprint] = kind
            alert_id = uuid.uuid4() if before is None else before.id
            await connection.execute(_STATEMENTS[kind].encode(), _parameters(tenant, alert_id, notice))
            await _tell(connection, alert_id, kind)
            if before is None or before.labels != notice.labels:
                await _match(connection, tenant, alert_id, notice.labels, silences)
    if changes and silences:
        await settling.settle(connection, tenant)
    return changes


async def _known(connection: Connection, tenant: int, fingerprints: list[str]) -> dict[str, Known]:
    rows = await (await connection.execute(_KNOWN, (tenant, fingerprints))).fetchall()
    return {
        fingerprint: Known(
            alert_id, status, severity, title, orjson.loads(labels), orjson.loads(annotations), generator_url
        )
        for fingerprint, alert_id, status, severity, title, labels, annotations, generator_url in rows
    }


async def _silences(connection: Connection, tenant: int) -> dict[UUID, list[Matcher]]:
    """Of those that are or will be in force."""
    cursor = await connection.execute(
        "SELECT id, matchers::text FROM silences WHERE tenant_id = %s AND deleted_at IS NULL AND ends_at > now()",
        (tenant,),
    )
    return {
        silence: [Matcher.model_validate(one) for one in orjson.loads(matchers)]
        for silence, matchers in await cursor.fetchall()
    }


async def _tell(connection: Connection, alert_id: UUID, kind: Change) -> None:
    if kind != "updated" and not defects.active("history_lost"):
        await connection.execute("INSERT INTO alert_history(alert_id, action) VALUES (%s, %s)", (alert_id, kind))
    await connection.execute("INSERT INTO arrivals(signal, alert_id) VALUES ('alerts', %s)", (alert_id,))


async def _match(
    connection: Connection, tenant: int, alert_id: UUID, labels: Mapping[str, str], silences: dict[UUID, list[Matcher]]
) -> None:
    await connection.execute("DELETE FROM alert_silences WHERE tenant_id = %s AND alert_id = %s", (tenant, alert_id))
    for silence, matchers in silences.items():
        if all_fit(matchers, labels):
            await connection.execute(
                "INSERT INTO alert_silences(alert_id, silence_id) VALUES (%s, %s)", (alert_id, silence)
            )


def _parameters(tenant: int, alert_id: UUID, notice: Notice) -> dict[str, Any]:
    return {
        **notice.__dict__,
        "tenant": tenant,
        "id": alert_id,
        "labels": Jsonb(dict(notice.labels)),
        "annotations": Jsonb(dict(notice.annotations)),
        "keep": defects.active("alert_refire_keeps_assignee"),
    }


def _received(count: int, changes: Mapping[Any, str]) -> Document:
    created = sum(kind == "fired" for kind in changes.values())
    return {
        "received": count,
        "created": created,
        "updated": len(changes) - created,
        "ignored": count - len(changes),
    }
