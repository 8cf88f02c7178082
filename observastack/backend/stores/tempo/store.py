"""TraceStore on a Tempo."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from observastack.backend.deadline import Budget
from observastack.backend.sources import SourceFailed
from observastack.backend.stores.ports import Item, Row, Selected, Summary, Tenant
from observastack.backend.stores.remote.client import Reply, StoreClient, off_loop, unusable
from observastack.backend.stores.remote.predicate import Predicate, predicate, value_of
from observastack.backend.stores.remote.signal import RemoteSignal
from observastack.backend.stores.remote.walk import Part, Reader
from observastack.backend.stores.tempo.question import tags, traceql
from observastack.backend.stores.tempo.spans import rows

LEAST_TRACES, MOST_TRACES = 20, 200
"""Traces that one search may name; more are asked for in narrower parts of time."""
TRACES_OF_A_SECOND = 5_000
CONCURRENT = 4
"""Traces asked for at once for one tenant: each is 20 questions inside Tempo, of which 100 may wait (its defaults)."""
_PATIENCE_S = 0.05
_SECOND_NS = 10**9
_MAJOR = re.compile(r"v?(\d+)\.")


class TempoStore(RemoteSignal):
    """Every request carries the tenant in the header that Tempo separates tenants by."""

    implementation = "tempo"

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__("traces", timeout_s)
        self._client = StoreClient(url, timeout_s)
        self._knows_traceql: bool | None = None
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CONCURRENT))

    def reader(self, tenant: Tenant, selected: Selected) -> Reader:
        return _SpanReader(self, tenant, selected)

    def predicate(self, selected: Selected) -> Predicate:
        return predicate("traces", selected.filters, selected.free_text)

    def field(self, name: str) -> Callable[[Item], Any] | None:
        return value_of("traces", name)

    async def spans(self, tenant: Tenant, trace_id: str, limit: int) -> list[Item]:
        return [row[2] for row in (await self.trace(tenant, trace_id, self._timeout_s))[:limit]]

    async def summaries(self, tenant: Tenant, trace_ids: Sequence[str]) -> dict[str, Summary]:
        found = await asyncio.gather(*(self.trace(tenant, one, self._timeout_s) for one in trace_ids))
        return {one: _summary(rows) for one, rows in zip(trace_ids, found, strict=True) if rows}

    async def trace(self, tenant: Tenant, trace_id: str, timeout_s: float) -> list[Row]:
        """All spans of a trace; none for a trace that the tenant does not have."""
        reply = await self._get(f"/api/traces/{trace_id}", {}, tenant, timeout_s)
        return [] if reply.status == 404 else await off_loop(len(reply.body), lambda: rows(reply.body))

    async def search(
        self, tenant: Tenant, selected: Selected, span: tuple[int, int], *, most: int, timeout_s: float
    ) -> list[str]:
        """Ids of up to `most` traces that touch the seconds [first, last]. Raises SourceFailed."""
        question = traceql(selected) if await self._traceql() else tags(selected)
        parameters = {**question, "start": str(span[0]), "end": str(span[1]), "limit": str(most)}
        reply = await self._get("/api/search", parameters, tenant, timeout_s)
        try:
            # Tempo writes ids without their leading zeros.
            return [one["traceID"].rjust(32, "0") for one in reply.json().get("traces") or ()]
        except (KeyError, TypeError, AttributeError):
            raise unusable() from None

    async def probe(self) -> None:
        await self._client.ready("/ready")

    async def version(self) -> str | None:
        reply = await self._client.get("/api/status/buildinfo", {}, timeout_s=self._timeout_s)
        if reply.status != 200:
            return None
        found = reply.json()
        return f"Tempo {found.get('version', '')}".strip() if isinstance(found, dict) else None

    async def close(self) -> None:
        await self._client.close()

    async def _traceql(self) -> bool:
        """Whether this is Tempo 2 or later. Only an answer is remembered."""
        if self._knows_traceql is None:
            version = (await self.version() or "").removeprefix("Tempo ")
            major = _MAJOR.match(version)
            self._knows_traceql = major is not None and int(major[1]) >= 2
        return self._knows_traceql

    async def _get(self, path: str, parameters: dict[str, str], tenant: Tenant, timeout_s: float) -> Reply:
        """An answer 200 or 404. Raises SourceFailed. A full queue inside Tempo is waited for."""
        budget = Budget(timeout_s)
        accepted = "application/json" if parameters else "application/protobuf"
        headers = {"X-Scope-OrgID": tenant.key, "Accept": accepted}
        async with self._turns[tenant.key]:
            while True:
                reply = await self._client.get(path, parameters, headers=headers, timeout_s=max(budget.left, 0.05))
                if reply.status != 429 or budget.left < _PATIENCE_S:
                    break
                await asyncio.sleep(_PATIENCE_S)
        match reply.status:
            case 200 | 404:
                return reply
            case 429:
                raise SourceFailed("takes no more questions now")
            case 504:
                raise SourceFailed("took too long", "timeout")
            case _:
                raise unusable()


class _SpanReader:
    """Reader (see remote.walk). A search names traces, in no order; their spans that lie in the part are what counts."""

    def __init__(self, store: TempoStore, tenant: Tenant, selected: Selected) -> None:
        self._store, self._tenant, self._selected = store, tenant, selected
        self._fetched: dict[str, list[Row]] = {}

    async def __call__(self, first: int, last: int, *, descending: bool, wanted: int, timeout_s: float) -> Part:
        low, high, most = first, last, min(max(wanted, LEAST_TRACES), MOST_TRACES)
        while True:
            found = await self._store.search(
                self._tenant,
                self._selected,
                (low // _SECOND_NS, -(-high // _SECOND_NS)),
                most=most,
                timeout_s=timeout_s,
            )
            if len(found) < most:
                break
            if high - low <= _SECOND_NS:  # Tempo searches whole seconds: no narrower part, so all traces of this one
                if most >= TRACES_OF_A_SECOND:
                    raise SourceFailed(f"{TRACES_OF_A_SECOND} or more traces lie in one second")
                most = TRACES_OF_A_SECOND
                continue
            middle = low + (high - low) // 2
            low, high = (middle, high) if descending else (low, middle)
        # What touches this part and the one before is known; all else of that one would pile up in a long export.
        self._fetched = {one: self._fetched[one] for one in found if one in self._fetched}
        traces = await asyncio.gather(*(self._trace(one, timeout_s) for one in found))
        inside = [row for trace in traces for row in trace if low <= row[0] < high]
        ordered = sorted(inside, key=lambda row: row[:2], reverse=descending)
        whole = low == first and high == last
        return Part(ordered, None if whole else low if descending else high)

    async def _trace(self, trace_id: str, timeout_s: float) -> list[Row]:
        """A trace may touch several parts of one walk."""
        if trace_id not in self._fetched:
            self._fetched[trace_id] = await self._store.trace(self._tenant, trace_id, timeout_s)
        return self._fetched[trace_id]


def _summary(spans: Sequence[Row]) -> Summary:
    root = min(spans, key=lambda row: (row[2]["content"]["parent_span_id"] is not None, row[:2]))[2]
    start = min(row[0] for row in spans)
    end = max(row[0] + row[2]["content"]["duration_ns"] for row in spans)
    errors = sum(row[2]["content"]["status_code"] == 2 for row in spans)
    return Summary(root["service"], root["content"]["name"], start, end - start, len(spans), errors)
