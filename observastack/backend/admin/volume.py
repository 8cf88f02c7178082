"""How much a tenant has stored: counted under a time limit, null where that is not enough."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout

from observastack.backend.cache import Cache
from observastack.backend.database import Database
from observastack.backend.errors import ApiError
from observastack.backend.metrics import Metrics
from observastack.backend.search.engine import Search
from observastack.backend.sources import SOURCES, SourceFailed, SourceName, Sources
from observastack.backend.stores.ports import Buckets, Selected, Stores, Tenant, Wanted
from observastack.backend.wire import rfc3339

COUNT_TIMEOUT_MS = 800
DAY_NS = 86_400 * 10**9
KEPT_NS = 35 * DAY_NS
"""Nothing is older: the gateway refuses it."""
COUNTED_NS = 7 * DAY_NS
"""Another store than the embedded one has no index to count by: no further back than what Loki takes at all."""
AHEAD_NS = 3_600 * 10**9
"""How far in the future an item's time may lie."""
SAMPLED = 100
EMPTY = {"logs": 0, "spans": 0, "series": 0, "bytes_per_day": 0, "last_write": None}
_TABLES: dict[SourceName, str] = {"logs": "logs", "traces": "spans", "metrics": "samples"}


class Volume:
    """Counts by the index alone where the store is embedded, by the store's own counting elsewhere."""

    def __init__(self, database: Database, stores: Stores, sources: Sources, cache: Cache) -> None:
        self._database, self._stores, self._sources, self._cache = database, stores, sources, cache
        self._search, self._metrics = Search(stores, sources), Metrics(stores.metrics, sources)

    @property
    def complete(self) -> bool:
        """Whether `empty` has seen everything. Another server may keep items for longer than it is asked about."""
        return all(store.implementation == "embedded" for store in self._stores)

    async def of(self, tenant: Tenant) -> dict[str, Any]:
        """A TenantStats document, at most half a minute old."""
        return await self._cache.answer(tenant.number, "volume", [], lambda: self._count(tenant))

    async def empty(self, tenant: Tenant) -> bool:
        """Whether nothing is stored, as far back as it can be told. Raises ApiError 503 when a store does not say."""
        for name in SOURCES:
            if (await self._newest(name, tenant, 1)) or await self._count_all(name, tenant, time.time_ns()) != 0:
                return False
        return True

    async def _count(self, tenant: Tenant) -> dict[str, Any]:
        now = time.time_ns()
        logs, spans, series = await asyncio.gather(
            self._count_all("logs", tenant, now), self._count_all("traces", tenant, now), self._series(tenant)
        )
        each = await asyncio.gather(*(self._last_day(name, tenant, now) for name in SOURCES))
        sizes, times = [size for size, _ in each], [last for _, last in each if last is not None]
        return {
            "logs": logs,
            "spans": spans,
            "series": series,
            "bytes_per_day": None if None in sizes else sum(size for size in sizes if size is not None),
            "last_write": rfc3339(max(times)) if times else None,
        }

    async def _last_day(self, name: SourceName, tenant: Tenant, now: int) -> tuple[int | None, int | None]:
        """(bytes of the last day's items: how many, times what the newest measure as JSON; time of the newest)."""
        try:
            newest = await self._newest(name, tenant, SAMPLED)
        except ApiError:
            return None, None
        if not newest:
            return 0, None
        count = await self._count_in(name, tenant, now - DAY_NS, now + AHEAD_NS)
        size = sum(len(orjson.dumps(item)) for _, item in newest) / len(newest)
        return None if count is None else round(count * size), newest[0][0]

    async def _newest(self, name: SourceName, tenant: Tenant, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Raises ApiError 503."""
        now = time.time_ns()
        kept = KEPT_NS if self._stores.of(name).implementation == "embedded" else COUNTED_NS
        wanted = Wanted(Selected(now - kept, now + AHEAD_NS), None, True, limit)
        outcome = await self._search.ask(name, tenant, wanted)
        if outcome.found is None:
            raise ApiError(503, f"{name} does not answer", headers={"Retry-After": "1"})
        return [(ts, item) for ts, _, item in outcome.found.rows]

    async def _count_all(self, name: SourceName, tenant: Tenant, now: int) -> int | None:
        return await self._count_in(name, tenant, now - KEPT_NS, now + AHEAD_NS)

    async def _count_in(self, name: SourceName, tenant: Tenant, start: int, end: int) -> int | None:
        store = self._stores.of(name)
        if store.implementation == "embedded":
            statement = (
                f"SELECT count(*) FROM {_TABLES[name]} WHERE tenant_id = %(t)s AND ts >= %(start)s AND ts < %(end)s"  # noqa: S608 - text of this module, values are bound
            )
            return await self._one(tenant, statement, start=start, end=end)
        start = max(start, end - COUNTED_NS - AHEAD_NS)
        try:
            counted = await self._sources.ask(
                name,
                lambda: store.aggregate(tenant, Selected(start, end), Buckets(start, end - start, 1), ()),
            )
        except SourceFailed:
            return None
        return sum(counted.counts[0].values()) if counted.complete else None

    async def _series(self, tenant: Tenant) -> int | None:
        if self._stores.metrics.implementation == "embedded":
            return await self._one(tenant, "SELECT count(*) FROM series WHERE tenant_id = %(t)s")
        try:
            query = 'count(last_over_time({__name__=~".+"}[1h]))'  # those that are written now
            data = await self._metrics.instant(tenant, query, time.time_ns())
        except ApiError:
            return None
        return int(float(data["result"][0]["value"][1])) if data["result"] else 0

    async def _one(self, tenant: Tenant, statement: str, **bound: int) -> int | None:
        try:
            async with self._database.tenant(tenant.number, timeout_ms=COUNT_TIMEOUT_MS) as connection:
                row = await (await connection.execute(statement.encode(), {"t": tenant.number, **bound})).fetchone()
        except (psycopg.OperationalError, PoolTimeout):  # QueryCanceled is one of them
            return None
        return None if row is None else int(row[0])
