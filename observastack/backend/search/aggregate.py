"""Counts over time and by value, over all asked sources: what a histogram above a list of results shows."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from observastack import defects
from observastack.backend.cache import Cache
from observastack.backend.errors import ApiError, unavailable
from observastack.backend.search.engine import Outcome, Search, delayed_by_defect, selection
from observastack.backend.search.fields import BadFilter
from observastack.backend.search.model import AggregateQuery, sources_of
from observastack.backend.sources import SourceFailed, SourceName, Sources
from observastack.backend.stores.ports import (
    ERROR_SPANS,
    FACET_VALUES,
    SAMPLES,
    SEVERITIES,
    SPANS,
    Aggregated,
    Buckets,
    Selected,
    Stores,
    Tenant,
)
from observastack.backend.tenants import Tenants

TTL_S = 5
_MS = 10**6
SETTLED_NS = 60 * 10**9
"""A range that ended so long ago changes hardly any more: its counts may come from the cache."""
_KEYS: dict[SourceName, tuple[str, ...]] = {
    "logs": tuple(reversed(SEVERITIES)),
    "traces": (SPANS, ERROR_SPANS),
    "metrics": (SAMPLES,),
}
_FACETS: dict[SourceName, tuple[str, ...]] = {
    "logs": ("service", "severity"),
    "traces": ("service",),
    "metrics": ("service",),
}


class Aggregation:
    """Sources fail one by one: the answer says which, and is an error only if all did."""

    def __init__(self, stores: Stores, sources: Sources, search: Search, cache: Cache, tenants: Tenants) -> None:
        self._stores, self._sources, self._search = stores, sources, search
        self._cache, self._tenants = cache, tenants

    async def counts(self, tenant: Tenant, query: AggregateQuery) -> dict[str, Any]:
        """An Aggregate document. Raises ApiError 422 for a filter or field without meaning, 503."""
        self._search.check(sources_of(query.type), selection(query, query.time_range))
        await delayed_by_defect()
        if query.time_range.end > time.time_ns() - SETTLED_NS:
            return await self._compute(tenant, query)
        question = query.model_dump(mode="json")
        return await self._cache.answer(
            tenant.number, "aggregate", question, lambda: self._compute(tenant, query), ttl_s=TTL_S
        )

    async def _compute(self, tenant: Tenant, query: AggregateQuery) -> dict[str, Any]:
        start, end = query.time_range.start, query.time_range.end
        buckets = Buckets(start, _step(end - start, query.buckets), query.buckets)
        names = sources_of(query.type)
        selected = selection(query, query.time_range)
        counted = await asyncio.gather(*(self._ask(name, tenant, selected, buckets, query.fields) for name in names))
        if all(answer is None for answer, _ in counted):
            reasons = ", ".join(f"{name} ({one.reason})" for name, (_, one) in zip(names, counted, strict=True))
            raise unavailable(reasons)
        sums: list[Counter[str]] = [Counter() for _ in range(buckets.count)]
        facets: dict[str, Counter[str]] = {name: Counter() for name in ("source", "service", "severity", *query.fields)}
        statuses: dict[str, dict[str, Any]] = {}
        for name, (answer, outcome) in zip(names, counted, strict=True):
            number = 0 if answer is None else sum(sum(one.values()) for one in answer.counts)
            statuses[name] = self._search.status(name, outcome, number)
            if number:
                facets["source"][name] = number
            if answer is not None:
                for total, one in zip(sums, answer.counts, strict=True):
                    total.update(one)
                for field, values in answer.facets.items():
                    facets[field].update(values)
        return {
            "time_range": {"from": str(start), "to": str(end)},
            "step_ns": buckets.step,
            "keys": [key for name in names for key in _KEYS[name]],
            "buckets": [
                {"time_unix_nano": str(start + place * buckets.step), "counts": dict(one)}
                for place, one in enumerate(sums)
            ],
            "total": sum(sum(one.values()) for one in sums),
            "facets": {name: dict(found.most_common(FACET_VALUES)) for name, found in facets.items()},
            "sources": statuses,
            "partial": any(outcome.status != "ok" for _, outcome in counted),
        }

    async def _ask(
        self, name: SourceName, tenant: Tenant, selected: Selected, buckets: Buckets, fields: list[str]
    ) -> tuple[Aggregated | None, Outcome]:
        wanted = tuple(dict.fromkeys((*_FACETS[name], *fields)))
        began = time.perf_counter()
        if defects.active("aggregate_leak"):
            tenant = await self._tenants.another_than(tenant)
        try:
            answer = await self._sources.ask(
                name, lambda: self._stores.of(name).aggregate(tenant, selected, buckets, wanted)
            )
        except BadFilter as error:
            raise ApiError(422, str(error), code="bad_filter") from None
        except SourceFailed as failure:
            return None, Outcome(None, failure.status, failure.reason, _ms_since(began))
        status, reason = ("ok", None) if answer.complete else ("partial", "budget used up")
        return answer, Outcome(None, status, reason, _ms_since(began))


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


def _step(length: int, count: int) -> int:
    """Nanoseconds of a bucket: whole milliseconds where they are longer than one, for real stores count in those."""
    step = max(1, -(-length // count))
    return step if step < _MS else -(-step // _MS) * _MS
