"""What insights read of the stores: counts by service, sizes and durations of samples of items. Bounded work: counting
ends at the stores' own budgets, samples have a fixed number, services beyond the largest are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import orjson

from observastack.backend.deadline import Budget
from observastack.backend.search.model import Filter
from observastack.backend.sources import SourceFailed, SourceName, Sources
from observastack.backend.stores.ports import Aggregated, Buckets, Item, Selected, Stores, Tenant, Wanted

SERVICES = 20
"""The services with the most items; a tenant with more sees these."""
SIZED = 100
TIMED = 500
_CONCURRENT = 2
SERVER = 2
ERROR = 2


@dataclass(frozen=True)
class Range:
    """[start, end) in ns since 1970."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e9

    def before(self) -> Range:
        """The range of the same length that ends where this one begins."""
        return Range(max(0, 2 * self.start - self.end), self.start)


@dataclass
class Counts:
    """Items by service. complete: everything of the range was counted. failed: nothing was."""

    by_service: dict[str, int] = field(default_factory=dict)
    complete: bool = True
    failed: bool = False
    severities: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.by_service.values())


class Reading:
    """One tenant's stores. A store that fails makes what it would have said missing, and the answer partial.

    It is not asked again for this answer: a store that hangs costs one time limit, not one for each question. All
    questions together have one too, which stores that are slow but answer would else exceed.
    """

    def __init__(self, stores: Stores, sources: Sources, tenant: Tenant, budget: Budget) -> None:
        self._stores, self._sources, self._tenant, self._budget = stores, sources, tenant, budget
        self._turns = asyncio.Semaphore(_CONCURRENT)
        self._away: set[SourceName] = set()
        self.complete = True
        """Whether every sample of items could be read."""

    async def counts(self, source: SourceName, over: Range, filters: Sequence[Filter] = ()) -> Counts:
        fields = ("service", "severity") if source == "logs" else ("service",)
        found = await self.over_time(source, over, 1, filters, fields)
        if found is None:
            return Counts(complete=False, failed=True)
        services, severities = found.facets.get("service", {}), found.facets.get("severity", {})
        return Counts(services, found.complete, severities=severities)

    async def over_time(
        self, source: SourceName, over: Range, buckets: int, filters: Sequence[Filter], fields: Sequence[str] = ()
    ) -> Aggregated | None:
        """None when the store failed."""
        parts = Buckets(over.start, max(1, -(-(over.end - over.start) // buckets)), buckets)
        selected = Selected(over.start, over.end, tuple(filters))
        async with self._turns:
            if source in self._away:
                return None
            try:
                return await self._budget.hold(
                    self._sources.ask(
                        source, lambda: self._stores.of(source).aggregate(self._tenant, selected, parts, fields)
                    )
                )
            except (SourceFailed, TimeoutError):
                self._away.add(source)
                return None

    async def mean_size(self, source: SourceName, service: str, over: Range) -> float | None:
        """Bytes of an item as JSON, over the newest ones; None when there is none."""
        items = await self._newest(source, over, (of_service(service),), SIZED)
        return fmean(len(orjson.dumps(item)) for item in items) if items else None

    async def durations_ms(self, service: str, over: Range) -> list[float]:
        """Of the newest server spans."""
        filters = (of_service(service), SERVER_SPANS)
        return [item["content"]["duration_ns"] / 1e6 for item in await self._newest("traces", over, filters, TIMED)]

    async def newest_sample(self, over: Range) -> int | None:
        """Time (ns) of the newest metric sample."""
        items = await self._newest("metrics", over, (), 1)
        return int(items[0]["time_unix_nano"]) if items else None

    async def _newest(self, source: SourceName, over: Range, filters: Sequence[Filter], limit: int) -> list[Item]:
        wanted = Wanted(Selected(over.start, over.end, tuple(filters)), None, True, limit)
        async with self._turns:
            if source in self._away:
                self.complete = False
                return []
            try:
                found: Any = await self._budget.hold(
                    self._sources.ask(source, lambda: self._stores.of(source).page(self._tenant, wanted))
                )
            except (SourceFailed, TimeoutError):
                self._away.add(source)
                self.complete = False
                return []
        return [row[2] for row in found.rows]


def of_service(service: str) -> Filter:
    return Filter(field="service", operator="equals", value=service)


SERVER_SPANS = Filter(field="kind", operator="equals", value=SERVER)
ERROR_SPANS = Filter(field="status", operator="equals", value=ERROR)
