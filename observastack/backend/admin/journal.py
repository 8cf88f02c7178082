"""Reading the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from observastack.backend import paging
from observastack.backend.admin.administrator import Administrator
from observastack.backend.database import Database
from observastack.backend.wire import iso


@dataclass(frozen=True)
class Sought:
    """Filters, all of which must hold. action: whole, or its beginning with a dot at the end (`user.`). Times in ns."""

    user: str | None = None
    action: str | None = None
    success: bool | None = None
    tenant: str | None = None
    start: int | None = None
    end: int | None = None


async def entries(
    database: Database, by: Administrator, sought: Sought, limit: int, cursor: str | None
) -> dict[str, Any]:
    """An AuditLog document, newest first. Raises ApiError 404 for a foreign tenant, 422 for a bad cursor."""
    conditions = {
        "tenant = %(tenant)s": by.confine(sought.tenant),
        # The log knows tenants by id: what another one did that had this id before is not for its successor.
        "ts >= (SELECT created_at FROM tenants WHERE key = %(tenant)s)": by.tenant,
        "username = %(user)s": sought.user,
        "starts_with(action, %(action)s)"
        if (sought.action or "").endswith(".")
        else "action = %(action)s": sought.action,
        "success = %(success)s": sought.success,
        "ts >= to_timestamp(%(start)s / 1e9)": sought.start,
        "ts < to_timestamp(%(end)s / 1e9)": sought.end,
        "id < %(after)s": paging.decode(cursor, int),
    }
    where = " AND ".join(["true", *(text for text, value in conditions.items() if value is not None)])
    bound = {
        "tenant": by.confine(sought.tenant), "user": sought.user, "action": sought.action, "success": sought.success,
        "start": sought.start, "end": sought.end, "after": paging.decode(cursor, int), "limit": limit + 1,
    }  # fmt: skip
    async with database.app(scope=by.scope) as connection:
        found = await connection.execute(
            "SELECT id, ts, username, tenant, action, resource, success, ip, request_id, detail FROM audit_log"  # noqa: S608 - text of this module, values are bound
            f" WHERE {where} ORDER BY id DESC LIMIT %(limit)s".encode(),
            bound,
        )
        rows, more = paging.page(await found.fetchall(), limit)
    names = ("user", "tenant", "action", "resource", "success", "ip", "request_id", "detail")
    items = [{"id": str(row[0]), "ts": iso(row[1]), **dict(zip(names, row[2:], strict=True))} for row in rows]
    return {"items": items, "next_cursor": paging.encode(rows[-1][0]) if more else None}
