"""Whole traces, and the search for them by what one of their spans is like."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from observastack.backend.database import Database
from observastack.backend.deadline import within
from observastack.backend.errors import ApiError, not_found, unavailable
from observastack.backend.search.rows import item, select, span
from observastack.backend.sources import TIMEOUT_S, SourceFailed, SourceName, Sources

MAX_SPANS = 10_000
MAX_LOGS = 1_000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")

_SUMMARIES = """
SELECT DISTINCT ON (trace_id) trace_id::text, first_value(service) OVER ordered, first_value(name) OVER ordered,
       min(ts) OVER whole, max(ts + duration) OVER whole, count(*) OVER whole, count(*) FILTER (WHERE status = 2) OVER whole
FROM spans WHERE tenant_id = %(tenant)s AND trace_id = ANY(%(traces)s::uuid[])
WINDOW ordered AS (PARTITION BY trace_id ORDER BY parent_id IS NOT NULL, ts, id), whole AS (PARTITION BY trace_id)
"""


class Traces:
    """Reads traces of one tenant, filtered span by span: a trace id that two tenants share shows each its own spans."""

    def __init__(self, database: Database, sources: Sources) -> None:
        self._database, self._sources = database, sources

    async def spans(self, tenant: int, trace_id: str) -> list[dict[str, Any]]:
        """Spans in order of start. Raises ApiError 404 when this tenant has none, 422 for what is no trace id."""
        rows = await self._of_trace("traces", tenant, trace_id, MAX_SPANS)
        if not rows:
            raise not_found()
        return [span(row) for row in rows]

    async def logs(self, tenant: int, trace_id: str) -> list[dict[str, Any]]:
        """Log records of the trace in order of time, the first MAX_LOGS. Raises ApiError 404 for an unknown trace."""
        rows = await self._of_trace("logs", tenant, trace_id, MAX_LOGS)
        if not rows and not await self._of_trace("traces", tenant, trace_id, 1):
            raise not_found()
        return [item("logs", row) for row in rows]

    async def summaries(self, tenant: int, trace_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Root service and name, start, duration, spans and errors of each trace."""
        if not trace_ids:
            return {}
        parameters = {"tenant": tenant, "traces": trace_ids}
        rows = await self._read("traces", tenant, _SUMMARIES, parameters)
        return {
            trace.replace("-", ""): {
                "service": service,
                "name": name,
                "start_ns": start,
                "duration_ns": end - start,
                "spans": spans,
                "errors": errors,
            }
            for trace, service, name, start, end, spans, errors in rows
        }

    async def _of_trace(self, source: SourceName, tenant: int, trace_id: str, limit: int) -> list[Any]:
        trace_id = trace_id.lower()
        if not _TRACE_ID.fullmatch(trace_id):
            raise ApiError(422, "a trace id has 32 hexadecimal digits")
        where = "s.tenant_id = %(tenant)s AND s.trace_id = %(trace)s::uuid"
        statement = select(source, where, descending=False, limit="%(limit)s")
        return await self._read(source, tenant, statement, {"tenant": tenant, "trace": trace_id, "limit": limit})

    async def _read(self, source: SourceName, tenant: int, statement: str, parameters: dict[str, Any]) -> list[Any]:
        try:
            return await within(TIMEOUT_S, self._rows(source, tenant, statement, parameters))
        except (SourceFailed, TimeoutError, psycopg.OperationalError, PoolTimeout):
            raise unavailable(source) from None

    async def _rows(self, source: SourceName, tenant: int, statement: str, parameters: dict[str, Any]) -> list[Any]:
        await self._sources.enter(source)
        async with self._database.tenant(tenant) as connection:
            return await (await connection.execute(statement.encode(), parameters)).fetchall()
