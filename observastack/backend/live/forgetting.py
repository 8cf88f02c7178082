"""Announcements that no cursor reaches any more are deleted, tenant by tenant."""

from __future__ import annotations

from observastack.backend.database import Database
from observastack.backend.live.position import RESUME_S

PART = 10_000
_FORGET = """
DELETE FROM arrivals WHERE tenant_id = %(tenant)s AND created < now() - make_interval(secs => %(age)s)
  AND (xid, seq) IN (SELECT xid, seq FROM arrivals WHERE tenant_id = %(tenant)s ORDER BY xid, seq LIMIT %(part)s)"""


class Forgetting:
    """A duty of the clock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, tenants: dict[str, int]) -> None:
        for tenant in tenants.values():
            deleted = PART
            while deleted == PART:
                async with self._database.acting(tenant) as connection:
                    parameters = {"tenant": tenant, "age": 2 * RESUME_S, "part": PART}
                    deleted = (await connection.execute(_FORGET, parameters)).rowcount
