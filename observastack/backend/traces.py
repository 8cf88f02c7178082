"""Whole traces for the routes: an unknown trace and somebody else's are the same 404."""

from __future__ import annotations

import re
from collections.abc import Sequence

from observastack.backend.errors import ApiError, not_found, unavailable
from observastack.backend.sources import SourceFailed, Sources
from observastack.backend.stores.ports import Item, Stores, Summary, Tenant

MAX_SPANS = 10_000
MAX_LOGS = 1_000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class Traces:
    """Reads traces of one tenant. Raises ApiError 422 for what is no trace id, 503 when the source gives no answer."""

    def __init__(self, stores: Stores, sources: Sources) -> None:
        self._stores, self._sources = stores, sources

    async def spans(self, tenant: Tenant, trace_id: str) -> list[Item]:
        """Spans in order of start. Raises ApiError 404 when this tenant has none."""
        found = await self._spans(tenant, _id(trace_id), MAX_SPANS)
        if not found:
            raise not_found()
        return found

    async def logs(self, tenant: Tenant, trace_id: str) -> list[Item]:
        """Log records of the trace in order of time, the first MAX_LOGS. Raises ApiError 404 for an unknown trace."""
        trace_id = _id(trace_id)
        try:
            found = await self._sources.ask("logs", lambda: self._stores.logs.of_trace(tenant, trace_id, MAX_LOGS))
        except SourceFailed:
            raise unavailable("logs") from None
        if not found and not await self._spans(tenant, trace_id, 1):
            raise not_found()
        return found

    async def summaries(self, tenant: Tenant, trace_ids: Sequence[str]) -> dict[str, Summary]:
        """Those of the traces that the tenant has."""
        if not trace_ids:
            return {}
        try:
            return await self._sources.ask("traces", lambda: self._stores.traces.summaries(tenant, trace_ids))
        except SourceFailed:
            raise unavailable("traces") from None

    async def _spans(self, tenant: Tenant, trace_id: str, limit: int) -> list[Item]:
        try:
            return await self._sources.ask("traces", lambda: self._stores.traces.spans(tenant, trace_id, limit))
        except SourceFailed:
            raise unavailable("traces") from None


def _id(text: str) -> str:
    text = text.lower()
    if not _TRACE_ID.fullmatch(text):
        raise ApiError(422, "a trace id has 32 hexadecimal digits")
    return text
