"""What belongs to an item: by trace id, which both carry, or by service and nearness in time, which only suggests it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from observastack import defects
from observastack.backend.errors import unavailable
from observastack.backend.search.engine import Outcome, Search
from observastack.backend.search.model import CorrelateQuery, Filter
from observastack.backend.sources import SOURCES, SourceFailed, SourceName, Sources
from observastack.backend.stores.ports import Item, Selected, Stores, Tenant, Wanted
from observastack.backend.tenants import Tenants
from observastack.backend.wire import MAX_NS

Answers = list[tuple[SourceName, list[Item], Outcome]]


class Correlator:
    """Asks each store for its own part. Raises ApiError 503 when every asked one failed."""

    def __init__(self, stores: Stores, sources: Sources, search: Search, tenants: Tenants) -> None:
        self._stores, self._sources, self._search, self._tenants = stores, sources, search, tenants

    async def find(self, tenant: Tenant, query: CorrelateQuery) -> dict[str, Any]:
        """A Correlation document: items of the trace in order of time, then those of the window, the nearest first."""
        if defects.active("correlate_leak"):
            tenant = await self._tenants.another_than(tenant)
        traced = await self._traced(tenant, query)
        near = await self._near(tenant, query)
        answers = [*traced, *near]
        if all(outcome.status in ("error", "timeout") for _, _, outcome in answers):
            raise unavailable(", ".join(sorted({f"{name} ({one.reason})" for name, _, one in answers})))
        proved = sorted(_items(traced), key=_time)[: query.limit]
        known = {_key(item) for item in proved}
        suggested = [item for item in _items(near) if _key(item) not in known]
        if query.timestamp is not None:
            moment = query.timestamp
            suggested.sort(key=lambda item: abs(_time(item) - moment))
        suggested = suggested[: query.limit - len(proved)]
        return {
            "items": [*proved, *suggested],
            "links": [*_links(query, proved, "trace_id"), *_links(query, suggested, "service_window", proved)],
            "partial": any(outcome.status != "ok" for _, _, outcome in answers)
            or len(proved) + len(suggested) >= query.limit,
            "sources": self._statuses(answers, known | {_key(item) for item in suggested}),
        }

    async def _traced(self, tenant: Tenant, query: CorrelateQuery) -> Answers:
        if query.trace_id is None:
            return []
        trace = query.trace_id.lower()
        found = await asyncio.gather(
            self._ask("traces", lambda: self._stores.traces.spans(tenant, trace, query.limit)),
            self._ask("logs", lambda: self._stores.logs.of_trace(tenant, trace, query.limit)),
        )
        # The proof, whatever the store answered.
        return [
            (name, [item for item in items if item["trace_id"] == trace], outcome) for name, items, outcome in found
        ]

    async def _near(self, tenant: Tenant, query: CorrelateQuery) -> Answers:
        """The items next to the moment on both sides, of each signal."""
        if query.service is None or query.timestamp is None:
            return []
        moment, window = query.timestamp, query.window_s * 10**9
        filters = (Filter(field="service", operator="equals", value=query.service),)
        after = Selected(moment, min(moment + window, MAX_NS), filters)
        before = Selected(max(moment - window, 0), moment, filters)
        found: Answers = []
        for name in SOURCES:
            pages = await asyncio.gather(
                self._search.ask(name, tenant, Wanted(after, None, False, query.limit)),
                self._search.ask(name, tenant, Wanted(before, None, True, query.limit)),
            )
            for page in pages:
                found.append((name, [] if page.found is None else [row[2] for row in page.found.rows], page))
        return found

    async def _ask(
        self, name: SourceName, question: Callable[[], Coroutine[Any, Any, list[Item]]]
    ) -> tuple[SourceName, list[Item], Outcome]:
        began = time.perf_counter()
        try:
            items = await self._sources.ask(name, question)
        except SourceFailed as failure:
            return name, [], Outcome(None, failure.status, failure.reason, _ms_since(began))
        return name, items, Outcome(None, "ok", None, _ms_since(began))

    def _statuses(self, answers: Answers, given: set[str]) -> dict[str, dict[str, Any]]:
        """One status per source: of several questions the worst one."""
        order = ("ok", "partial", "timeout", "error")
        worst: dict[SourceName, Outcome] = {}
        for name, _, outcome in answers:
            if name not in worst or order.index(outcome.status) > order.index(worst[name].status):
                worst[name] = outcome
        return {
            name: self._search.status(name, outcome, sum(key.startswith(f"{name}:") for key in given))
            for name, outcome in worst.items()
        }


def _links(query: CorrelateQuery, items: list[Item], kind: str, proved: Iterable[Item] = ()) -> list[dict[str, str]]:
    """From the item that was asked about (else the first one) to each of the others."""
    first = next(iter([*proved, *items]), None)
    if first is None:
        return []
    origin = f"{query.source}:{query.item_id}" if query.source and query.item_id else _key(first)
    return [{"from": origin, "to": _key(item), "kind": kind} for item in items if _key(item) != origin]


def _items(answers: Answers) -> list[Item]:
    return [item for _, items, _ in answers for item in items]


def _key(item: Item) -> str:
    return f"{item['source']}:{item['id']}"


def _time(item: Item) -> int:
    return int(item["time_unix_nano"])


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
