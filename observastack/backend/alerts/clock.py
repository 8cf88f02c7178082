"""What time alone does to alerts: silences begin and end, whoever looks. And what has to be looked after now and then.

Readers settle by themselves (settling.py); the clock does it for the live stream and the history of tenants that nobody
looks at. It knows each tenant's next such moment, looks them all up again every ROUND_S (another process may have made a
silence), and works through its duties then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import psycopg
from psycopg_pool import PoolTimeout

from observastack.backend.alerts import settling
from observastack.backend.database import Database
from observastack.backend.tenants import Tenants

log = logging.getLogger("observastack.backend")

TICK_S = 0.5
ROUND_S = 15.0
_NEXT = """
SELECT extract(epoch FROM min(at) - now())::float8 FROM (
  SELECT starts_at AS at FROM silences WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND starts_at > now()
  UNION ALL
  SELECT ends_at FROM silences WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND ends_at > now()) moments"""

Duty = Callable[[dict[str, int]], Awaitable[None]]
"""Gets every tenant's number by its key."""


class Clock:
    """One task. A dependency that is down is tried again at the next round; nothing of it reaches a request."""

    def __init__(
        self, database: Database, tenants: Tenants, duties: Sequence[Duty] = (), after_changes: Sequence[Duty] = ()
    ) -> None:
        """duties: done every round; after_changes: also soon after a silence was changed here."""
        self._database, self._tenants = database, tenants
        self._duties, self._after_changes = duties, after_changes
        self._due: dict[int, float] = {}
        self._changed: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def changed(self, tenant: int) -> None:
        """A silence of this tenant was made, changed or deleted."""
        self._changed.add(tenant)

    async def _run(self) -> None:
        round_at = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            try:
                whole = now >= round_at
                if whole:
                    round_at = now + ROUND_S
                tenants = await self._tenants.all() if whole or self._changed else {}
                changed, self._changed = self._changed, set()
                for tenant in changed | (set(tenants.values()) if whole else set()):
                    await self._settle(tenant)
                for tenant in [tenant for tenant, due in self._due.items() if due <= now]:
                    await self._settle(tenant)
                for duty in (*(self._duties if whole else ()), *(self._after_changes if whole or changed else ())):
                    await duty(tenants)
            except (psycopg.Error, PoolTimeout, TimeoutError, OSError) as error:
                log.warning("alerts: the clock is behind: %s", type(error).__name__)
                await asyncio.sleep(1)
            except Exception:
                log.exception("alerts: the clock is behind")
                await asyncio.sleep(1)

    async def _settle(self, tenant: int) -> None:
        async with self._database.tenant(tenant) as connection:
            await settling.settled(self._database, connection, tenant)
            row = await (await connection.execute(_NEXT, {"tenant": tenant})).fetchone()
        self._due.pop(tenant, None)
        if row is not None and row[0] is not None:
            self._due[tenant] = time.monotonic() + max(float(row[0]), 0.0)
