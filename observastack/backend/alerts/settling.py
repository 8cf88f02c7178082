"""Bringing the alerts in line with the silences that are in force now.

The status `silenced` is stored, so that lists can filter by it; time alone changes it. So every reader settles first
when something has changed (a cheap question says whether), and the clock does so for tenants that nobody looks at.
"""

from __future__ import annotations

from observastack import defects
from observastack.backend.database import Connection, Database

_LOCK = 7002
_IN_FORCE = "s.deleted_at IS NULL AND s.starts_at <= now() AND s.ends_at > now()"
_SILENCED = f"""EXISTS (SELECT FROM alert_silences m JOIN silences s ON s.tenant_id = m.tenant_id AND s.id = m.silence_id
  WHERE m.tenant_id = a.tenant_id AND m.alert_id = a.id AND {_IN_FORCE})"""
_BEGINS = f"a.tenant_id = %(tenant)s AND a.status IN ('active','acknowledged') AND {_SILENCED}"
_ENDS = f"a.tenant_id = %(tenant)s AND a.status = 'silenced' AND NOT {_SILENCED}"
_DRIFT = f"SELECT EXISTS (SELECT FROM alerts a WHERE {_BEGINS}) OR EXISTS (SELECT FROM alerts a WHERE {_ENDS})"  # noqa: S608 - text of this module
_CHANGE = """
WITH changed AS (UPDATE alerts a SET status = {status}, updated_at = now() WHERE {where} RETURNING a.id),
     told AS (INSERT INTO alert_history(alert_id, action) SELECT id, %(action)s FROM changed WHERE %(remember)s)
INSERT INTO arrivals(signal, alert_id) SELECT 'alerts', id FROM changed"""
_BEGIN = _CHANGE.format(status="'silenced'", where=_BEGINS)
_END = _CHANGE.format(status="CASE WHEN acknowledged_at IS NULL THEN 'active' ELSE 'acknowledged' END", where=_ENDS)


async def locked(connection: Connection, tenant: int) -> None:
    """Until the end of the transaction nobody else takes alerts in or changes silences of this tenant: an alert and a
    silence that are made at the same time must see each other."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, tenant))


async def settle(connection: Connection, tenant: int) -> None:
    """In a transaction of the app role. The caller holds the lock, or takes it here."""
    await locked(connection, tenant)
    parameters = {"tenant": tenant, "remember": not defects.active("history_lost")}
    await connection.execute(_BEGIN.encode(), {**parameters, "action": "silenced"})
    if not defects.active("silence_never_ends"):
        await connection.execute(_END.encode(), {**parameters, "action": "unsilenced"})


async def settled(database: Database, connection: Connection, tenant: int) -> None:
    """For a reader: settle in a transaction of its own when there is something to settle."""
    row = await (await connection.execute(_DRIFT.encode(), {"tenant": tenant})).fetchone()
    if row is not None and row[0]:
        async with database.acting(tenant) as writer:
            await settle(writer, tenant)


async def silenced_until_now(connection: Connection, tenant: int) -> bool:
    """Whether anything of this tenant can be silenced now or later: most deliveries need not look further."""
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM silences WHERE tenant_id = %s AND deleted_at IS NULL AND ends_at > now())",
        (tenant,),
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
