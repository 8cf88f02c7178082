"""Spans in PostgreSQL: whole traces and their summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from observastack.backend.stores.embedded.signal import EmbeddedSignal
from observastack.backend.stores.ports import Summary, Tenant

_SUMMARIES = """
SELECT DISTINCT ON (trace_id) trace_id::text, first_value(service) OVER ordered, first_value(name) OVER ordered,
       min(ts) OVER whole, max(ts + duration) OVER whole, count(*) OVER whole, count(*) FILTER (WHERE status = 2) OVER whole
FROM spans WHERE tenant_id = %(tenant)s AND trace_id = ANY(%(traces)s::uuid[])
WINDOW ordered AS (PARTITION BY trace_id ORDER BY parent_id IS NOT NULL, ts, id), whole AS (PARTITION BY trace_id)
"""


class EmbeddedTraces(EmbeddedSignal):
    """TraceStore."""

    async def spans(self, tenant: Tenant, trace_id: str, limit: int) -> list[dict[str, Any]]:
        return await self.of_trace(tenant, trace_id, limit)

    async def summaries(self, tenant: Tenant, trace_ids: Sequence[str]) -> dict[str, Summary]:
        parameters = {"tenant": tenant.number, "traces": list(trace_ids)}
        return {
            trace.replace("-", ""): Summary(service, name, start, end - start, spans, errors)
            for trace, service, name, start, end, spans, errors in await self.rows(tenant, _SUMMARIES, parameters)
        }
