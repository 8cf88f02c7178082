"""Lists of alerts by keyset, one alert with its history, and the figures above the list."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from observastack import defects
from observastack.backend.alerts import rows
from observastack.backend.alerts.model import SEVERITIES, STATUSES, Document
from observastack.backend.alerts.settling import settled
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, not_found

Sort = Literal["severity", "-starts_at"]
_ORDER: dict[Sort, tuple[str, str]] = {
    "severity": (
        "severity, starts_at DESC, id DESC",
        "(severity > %(rank)s OR (severity = %(rank)s AND (starts_at, id) < (%(at)s, %(id)s)))",
    ),
    "-starts_at": ("starts_at DESC, id DESC", "(starts_at, id) < (%(at)s, %(id)s)"),
}
_STATISTICS = """
SELECT (SELECT jsonb_object_agg(status, n)::text FROM (SELECT status, count(*) n FROM alerts WHERE tenant_id = %(t)s GROUP BY 1) s),
       (SELECT jsonb_object_agg(severity, n)::text FROM
         (SELECT severity, count(*) n FROM alerts WHERE tenant_id = %(t)s AND status <> 'resolved' GROUP BY 1) s),
       (SELECT count(*) FROM alert_history WHERE tenant_id = %(t)s AND action IN ('fired','refired') AND ts > now() - interval '15 min'),
       (SELECT count(*) FROM alerts WHERE tenant_id = %(t)s AND resolved_at > now() - interval '24 h'),
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(extract(epoch FROM acknowledged_at - starts_at), 0))
         FROM alerts WHERE tenant_id = %(t)s AND acknowledged_at > now() - interval '30 days')"""


@dataclass(frozen=True)
class Filters:
    """Empty or None: not restricted. assignee: a user name, or `none` for what nobody has. text: part of title, service
    or a label's value."""

    statuses: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    service: str | None = None
    assignee: str | None = None
    text: str | None = None


class Listing:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant: int, filters: Filters, sort: Sort, limit: int, cursor: str | None) -> Document:
        """An AlertPage. Raises ApiError 422 for a cursor of another query."""
        where, parameters = _where(filters)
        if not defects.active("alert_list_leak"):
            where = f"tenant_id = %(tenant)s AND {where}"
        parameters["tenant"] = tenant
        mark = hashlib.blake2b(orjson.dumps([tenant, sort, astuple(filters)]), digest_size=8).hexdigest()
        order, beyond = _ORDER[sort]
        wanted = where
        if cursor is not None:
            rank, at, alert_id = _place(cursor, mark)
            parameters |= {"rank": rank, "at": at, "id": alert_id}
            wanted = f"{where} AND {beyond}"
        statement = f"SELECT {rows.SELECT} FROM alerts WHERE {wanted} ORDER BY {order} LIMIT %(limit)s"  # noqa: S608 - text of this module
        count = f"SELECT count(*) FROM alerts WHERE {where}"  # noqa: S608 - text of this module
        async with self._database.listing(tenant, unrestricted=defects.active("alert_list_leak")) as connection:
            await settled(self._database, connection, tenant)
            total = await _single(connection, count, parameters)
            found = await (await connection.execute(statement.encode(), {**parameters, "limit": limit + 1})).fetchall()
        more = _cursor(mark, found[limit - 1]) if len(found) > limit else None
        return {"items": [rows.document(row) for row in found[:limit]], "next_cursor": more, "total": total}

    async def one(self, tenant: int, alert_id: UUID) -> Document:
        """An Alert with its history. Raises ApiError 404."""
        async with self._database.tenant(tenant) as connection:
            await settled(self._database, connection, tenant)
            alert = await rows.alert(connection, tenant, alert_id)
        if alert is None:
            raise not_found()
        return alert

    async def statistics(self, tenant: int) -> Document:
        """A Statistics."""
        async with self._database.tenant(tenant) as connection:
            await settled(self._database, connection, tenant)
            row: Any = await (await connection.execute(_STATISTICS, {"t": tenant})).fetchone()
        statuses, severities, new, resolved, median = row
        by_status = dict.fromkeys(STATUSES, 0) | orjson.loads(statuses or "{}")
        counted = orjson.loads(severities or "{}")
        return {
            "total": sum(by_status.values()),
            "by_status": by_status,
            "by_severity": {name: counted.get(str(rank), 0) for rank, name in enumerate(SEVERITIES)},
            "new_15m": new,
            "resolved_24h": resolved,
            "median_time_to_acknowledge_s": None if median is None else round(float(median), 3),
        }


def _where(filters: Filters) -> tuple[str, dict[str, Any]]:
    """A condition and its parameters; only text of this module becomes SQL."""
    parts, parameters = ["true"], dict[str, Any]()
    if filters.statuses:
        parts.append("status = ANY(%(statuses)s)")
        parameters["statuses"] = list(filters.statuses)
    if filters.severities:
        parts.append("severity = ANY(%(severities)s)")
        parameters["severities"] = [rank for rank, name in enumerate(SEVERITIES) if name in filters.severities]
    if filters.service is not None:
        parts.append("service = %(service)s")
        parameters["service"] = filters.service
    if filters.assignee == "none":
        parts.append("assignee IS NULL")
    elif filters.assignee is not None:
        parts.append("assignee = %(assignee)s")
        parameters["assignee"] = filters.assignee
    if filters.text:
        parts.append(
            "(title ILIKE %(text)s OR service ILIKE %(text)s"
            " OR EXISTS (SELECT FROM jsonb_each_text(labels) AS l WHERE l.value ILIKE %(text)s))"
        )
        escaped = filters.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        parameters["text"] = f"%{escaped}%"
    return " AND ".join(parts), parameters


async def _single(connection: Connection, statement: str, parameters: dict[str, Any]) -> int:
    row: Any = await (await connection.execute(statement.encode(), parameters)).fetchone()
    return int(row[0])


def _cursor(mark: str, row: tuple[Any, ...]) -> str:
    found = dict(zip(rows.COLUMNS, row, strict=True))
    document = [mark, found["severity"], found["starts_at"].isoformat(), str(found["id"])]
    return base64.urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")


def _place(text: str, mark: str) -> tuple[int, datetime, UUID]:
    """Raises ApiError 422."""
    try:
        found, rank, at, alert_id = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", True))
        place = int(rank), datetime.fromisoformat(at), UUID(alert_id)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise ApiError(422, "not a cursor of this API", code="bad_cursor") from None
    if found != mark:
        raise ApiError(422, "the cursor belongs to another query", code="bad_cursor")
    return place
