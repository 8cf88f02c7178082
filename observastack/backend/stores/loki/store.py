"""LogStore on a Loki."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from observastack.backend.sources import SourceFailed
from observastack.backend.stores.loki import counts
from observastack.backend.stores.loki.logql import log_query, of_trace
from observastack.backend.stores.loki.records import rows
from observastack.backend.stores.ports import Aggregated, Buckets, Item, Row, Selected, Tenant
from observastack.backend.stores.remote.client import Reply, StoreClient, off_loop, unusable
from observastack.backend.stores.remote.predicate import Predicate, predicate, value_of
from observastack.backend.stores.remote.signal import RemoteSignal
from observastack.backend.stores.remote.walk import GREATEST_WIDTH_NS, Part, Reader, added

MOST_ENTRIES = 5_000
"""Loki's default limit of one query (max_entries_limit_per_query)."""
LEAST_ENTRIES = 200
TRACE_LOOKBACK_NS = 7 * 86_400 * 10**9
"""How far back the records of a trace are looked for: Loki takes nothing that is older when it comes."""
_HOUR_NS = 3_600 * 10**9


class LokiStore(RemoteSignal):
    """Every request carries the tenant in the header that Loki separates tenants by."""

    implementation = "loki"

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__("logs", timeout_s)
        self._client = StoreClient(url, timeout_s)

    def reader(self, tenant: Tenant, selected: Selected) -> Reader:
        return _EntryReader(self, tenant, log_query(selected).text)

    def predicate(self, selected: Selected) -> Predicate:
        return predicate("logs", selected.filters, selected.free_text)

    def field(self, name: str) -> Callable[[Item], Any] | None:
        return value_of("logs", name)

    async def of_trace(
        self, tenant: Tenant, trace_id: str, limit: int, around: tuple[int, int] | None = None
    ) -> list[Item]:
        now = time.time_ns()
        read = _EntryReader(self, tenant, of_trace(trace_id))
        first, last = around or (now - TRACE_LOOKBACK_NS, now)
        first, last = first - _HOUR_NS, last + _HOUR_NS
        found: list[Row] = []
        while first < last and len(found) < limit:
            part = await read(
                first, min(last, first + GREATEST_WIDTH_NS), descending=False, wanted=limit, timeout_s=self._timeout_s
            )
            found += [row for row in part.rows if row[2]["trace_id"] == trace_id]
            first = min(last, first + GREATEST_WIDTH_NS) if part.edge is None else part.edge
        return [row[2] for row in found[:limit]]

    async def aggregate(
        self, tenant: Tenant, selected: Selected, buckets: Buckets, fields: Sequence[str]
    ) -> Aggregated:
        """Counted by Loki where LogQL can say exactly what is meant, else from the records that the budget allows."""
        query = log_query(selected)
        if not (query.exact and counts.possible(selected.start, selected.end, buckets, fields)):
            return await super().aggregate(tenant, selected, buckets, fields)
        self.check(selected)

        async def ask(path: str, parameters: dict[str, str]) -> Any:
            return (await self._get(path, parameters, tenant, self._timeout_s)).json()

        counted, reached = await counts.count(ask, query.text, selected.end, buckets, fields)
        if reached < selected.end:  # less than a millisecond
            rest = await super().aggregate(tenant, replace(selected, start=reached), buckets, fields)
            counted = added(counted, rest)
        return counted

    async def entries(
        self, tenant: Tenant, query: str, span: tuple[int, int], *, descending: bool, limit: int, timeout_s: float
    ) -> list[Row]:
        """Up to `limit` entries of [first, last), the last ones when descending. Raises SourceFailed."""
        parameters = {
            "query": query,
            "start": str(span[0]),
            "end": str(span[1]),
            "limit": str(limit),
            "direction": "backward" if descending else "forward",
        }
        reply = await self._get("/loki/api/v1/query_range", parameters, tenant, timeout_s)
        return await off_loop(len(reply.body), lambda: rows(reply.json()))

    async def probe(self) -> None:
        await self._client.ready("/ready")

    async def version(self) -> str | None:
        reply = await self._client.get("/loki/api/v1/status/buildinfo", {}, timeout_s=self._timeout_s)
        found = reply.json() if reply.status == 200 else None
        return f"Loki {found.get('version', '')}".strip() if isinstance(found, dict) else None

    async def close(self) -> None:
        await self._client.close()

    async def _get(self, path: str, parameters: dict[str, str], tenant: Tenant, timeout_s: float) -> Reply:
        """An answer 200. Raises SourceFailed."""
        headers = {"X-Scope-OrgID": tenant.key, "X-Loki-Response-Encoding-Flags": "categorize-labels"}
        reply = await self._client.get(path, parameters, headers=headers, timeout_s=timeout_s)
        match reply.status:
            case 200:
                return reply
            case 429:
                raise SourceFailed("takes no more questions now")
            case 504 | 499:
                raise SourceFailed("took too long", "timeout")
            case _:
                raise unusable()


class _EntryReader:
    """Reader (see remote.walk). Loki gives the first or last N entries; those at the time where it stopped may be a part."""

    def __init__(self, store: LokiStore, tenant: Tenant, query: str) -> None:
        self._store, self._tenant, self._query = store, tenant, query

    async def __call__(self, first: int, last: int, *, descending: bool, wanted: int, timeout_s: float) -> Part:
        limit = min(max(wanted + 1, LEAST_ENTRIES), MOST_ENTRIES)
        found = await self._read((first, last), descending=descending, limit=limit, timeout_s=timeout_s)
        if len(found) < limit:
            return Part(found)
        edge = found[-1][0]
        whole = [row for row in found if row[0] != edge]
        if whole:
            return Part(whole, edge + 1 if descending else edge)
        # A page of entries at one and the same time: read that time alone, all of it.
        found = await self._read((edge, edge + 1), descending=descending, limit=MOST_ENTRIES, timeout_s=timeout_s)
        if len(found) >= MOST_ENTRIES:
            raise SourceFailed(f"{MOST_ENTRIES} or more records have one and the same time")
        return Part(found, edge if descending else edge + 1)

    async def _read(self, span: tuple[int, int], *, descending: bool, limit: int, timeout_s: float) -> list[Row]:
        found = await self._store.entries(
            self._tenant, self._query, span, descending=descending, limit=limit, timeout_s=timeout_s
        )
        return sorted(found, key=lambda row: row[:2], reverse=descending)
