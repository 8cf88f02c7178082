"""Whole traces for the routes: an unknown trace and somebody else's are the same 404."""

from __future__ import annotations

import re
from collections.abc import Sequence

from observastack import defects
from observastack.backend.errors import ApiError, not_found, unavailable
from observastack.backend.sources import SourceFailed, Sources
from observastack.backend.stores.ports import Item, Stores, Summary, Tenant
from observastack.backend.tenants import Tenants

MAX_SPANS = 10_000
MAX_LOGS = 1_000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class Traces:
    """Reads traces of one tenant. Raises ApiError 422 for what is no trace id, 503 when the source gives no answer."""

    def __init__(self, stores: Stores, sources: Sources, tenants: Tenants) -> None:
        self._stores, self._sources, self._tenants = stores, sources, tenants

    async def spans(self, tenant: Tenant, trace_id: str) -> tuple[list[Item], bool]:
        """The first MAX_SPANS in order of start, and whether there are more. Raises ApiError 404 when this tenant has none."""
        found = await self._spans(tenant, _id(trace_id), MAX_SPANS + 1)
        if not found:
            if defects.active("foreign_403"):
                await self._refuse_foreign(_id(trace_id))
            raise not_found()
        return found[:MAX_SPANS], len(found) > MAX_SPANS

    async def logs(self, tenant: Tenant, trace_id: str) -> tuple[list[Item], bool]:
        """Log records of the trace in order of time, the first MAX_LOGS, and whether there are more. Raises ApiError 404
        for an unknown trace. Without the spans it looks everywhere, and only where nothing is found they are missed."""
        trace_id, away = _id(trace_id), None
        try:
            known = (await self.summaries(tenant, [trace_id])).get(trace_id)
        except ApiError as problem:
            known, away = None, problem
        around = None if known is None else (known.start, known.start + max(known.duration, 0))
        try:
            found = await self._sources.ask(
                "logs", lambda: self._stores.logs.of_trace(tenant, trace_id, MAX_LOGS + 1, around)
            )
        except SourceFailed:
            raise unavailable("logs") from None
        if not found and known is None:
            raise away or not_found()
        return found[:MAX_LOGS], len(found) > MAX_LOGS

    async def summaries(self, tenant: Tenant, trace_ids: Sequence[str]) -> dict[str, Summary]:
        """Those of the traces that the tenant has."""
        if not trace_ids:
            return {}
        try:
            return await self._sources.ask("traces", lambda: self._stores.traces.summaries(tenant, trace_ids))
        except SourceFailed:
            raise unavailable("traces") from None

    async def _refuse_foreign(self, trace_id: str) -> None:
        """For a defect. Raises ApiError 403 when any tenant has the trace."""
        for key, number in (await self._tenants.all()).items():
            if await self._spans(Tenant(number, key), trace_id, 1):
                raise ApiError(403, "the trace is another tenant's")

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
