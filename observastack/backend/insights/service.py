"""The insights of one tenant, put together from what the stores say; at most half a minute old."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from statistics import fmean
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from observastack import defects
from observastack.backend.alerts.listing import Listing
from observastack.backend.cache import Cache
from observastack.backend.deadline import Budget
from observastack.backend.errors import unavailable
from observastack.backend.insights import anomalies
from observastack.backend.insights.prices import Amount
from observastack.backend.insights.reading import ERROR_SPANS, SERVER_SPANS, SERVICES, Counts, Range, Reading
from observastack.backend.insights.robust import change_pct, quantile
from observastack.backend.insights.usage import Usage
from observastack.backend.metrics import Metrics
from observastack.backend.sources import SourceName, Sources
from observastack.backend.stores.ports import Stores, Tenant
from observastack.config import Prices

DAY_S = 86_400
ANSWER_S = 6.0
"""All questions of one answer together; what does not fit makes it partial."""
USAGE_S = 4.0
_CHEAP = ("trace", "debug")
Document = dict[str, Any]


class Insights:
    """Raises ApiError 503 when no store answers at all; one that fails makes an answer `partial`."""

    def __init__(self, stores: Stores, sources: Sources, *, cache: Cache, alerts: Listing, prices: Prices) -> None:
        self._stores, self._sources, self._cache = stores, sources, cache
        self._alerts, self._prices = alerts, prices
        self._metrics = Metrics(stores.metrics, sources)

    async def dashboard(self, tenant: Tenant, over: Range) -> Document:
        return await self._cached(tenant, "dashboard", over, lambda: self._dashboard(tenant, over))

    async def utilization(self, tenant: Tenant, over: Range) -> Document:
        return await self._cached(tenant, "utilization", over, lambda: self._utilization(tenant, over))

    async def cost(self, tenant: Tenant, over: Range) -> Document:
        return await self._cached(tenant, "cost", over, lambda: self._cost(tenant, over))

    async def anomalies(self, tenant: Tenant, over: Range, sigma: float) -> Document:
        return await self._cached(tenant, f"anomalies {sigma}", over, lambda: self._anomalies(tenant, over, sigma))

    async def _cached(
        self, tenant: Tenant, name: str, over: Range, compute: Callable[[], Awaitable[Document]]
    ) -> Document:
        return await self._cache.answer(tenant.number, f"insights {name}", [over.start, over.end], compute)

    async def _dashboard(self, tenant: Tenant, over: Range) -> Document:
        budget = Budget(ANSWER_S)
        reading = Reading(self._stores, self._sources, tenant, budget)
        logs, spans, samples = await _all(reading, over)
        earlier = await _all(reading, over.before())
        amounts = await self._amounts(reading, over, (logs, spans, samples))
        before = await self._amounts(reading, over, earlier)
        comparable = all(one.complete for one in (logs, spans, samples, *earlier))
        cost, cost_before = self._total(amounts), self._total(before)
        if defects.active("insights_wrong_total"):
            cost *= 1.1
        requests, failed = await self._requests(reading, over)
        cheap = sum(logs.severities.get(name, 0) for name in _CHEAP)
        saved = 0.0
        if logs.total:
            of_logs = sum(one.bytes_logs for one in amounts.values()) / 10**9 * self._prices.per_gb_logs
            saved = of_logs * cheap / logs.total
        usage = Usage(self._metrics, tenant, Budget(min(USAGE_S, budget.left)))
        newest = await reading.newest_sample(over)
        active = await self._active(tenant, budget)
        items = sum(one.items for one in amounts.values())
        days = over.seconds / DAY_S
        return {
            "time_range": {"from": str(over.start), "to": str(over.end)},
            "cost": {
                "amount": cost,
                "currency": self._prices.currency,
                "change_pct": change_pct(cost_before, cost) if comparable else None,
            },
            "cpu": _used(await usage.used("cpu", over, newest)),
            "memory": _used(await usage.used("memory", over, newest)),
            "ingest": {
                "bytes_per_day": round(sum(one.bytes for one in amounts.values()) / days),
                "items_per_day": round(items / days),
                "change_pct": change_pct(float(sum(one.items for one in before.values())), float(items))
                if comparable
                else None,
            },
            "savings": {"amount": saved, "share_pct": round(saved / cost * 100, 2) if cost else 0.0},
            "services": len(amounts),
            "error_pct": round(failed.total / requests.total * 100, 3) if requests.total else None,
            "alerts_active": active,
            "partial": active is None
            or not all(one.complete for one in (logs, spans, samples, requests, failed, reading, usage)),
        }

    async def _utilization(self, tenant: Tenant, over: Range) -> Document:
        budget = Budget(ANSWER_S)
        reading = Reading(self._stores, self._sources, tenant, budget)
        counted = await _all(reading, over)
        requests, failed = await self._requests(reading, over)
        usage = Usage(self._metrics, tenant, Budget(min(USAGE_S, budget.left)))
        newest = await reading.newest_sample(over)
        used = {what: await usage.used(what, over, newest) for what in ("cpu", "memory")}
        asked = {what: await usage.requested(what, over, newest) for what in ("cpu", "memory")}
        items = []
        for service in _largest(*counted):
            number = requests.by_service.get(service, 0)
            durations = await reading.durations_ms(service, over) if number else []
            shares = {
                what: {
                    "used_pct": _rounded(fmean(used[what][service])) if service in used[what] else None,
                    "requested_pct": _rounded(asked[what].get(service)),
                }
                for what in ("cpu", "memory")
            }
            items.append(
                {
                    "service": service,
                    **shares,
                    "requests_per_s": round(number / over.seconds, 6) if number else None,
                    "error_pct": round(failed.by_service.get(service, 0) / number * 100, 3) if number else None,
                    "p95_ms": _rounded(quantile(durations, 0.95)),
                }
            )
        return {
            "items": items,
            "partial": not all(one.complete for one in (*counted, requests, failed, reading, usage)),
        }

    async def _cost(self, tenant: Tenant, over: Range) -> Document:
        budget = Budget(ANSWER_S)
        reading = Reading(self._stores, self._sources, tenant, budget)
        counted = await _all(reading, over)
        earlier = await _all(reading, over.before())
        amounts = await self._amounts(reading, over, counted)
        before = await self._amounts(reading, over, earlier)
        comparable = all(one.complete for one in (*counted, *earlier))
        total = self._total(amounts)
        items: list[Document] = []
        for service, amount in amounts.items():
            cost = amount.cost(self._prices)
            items.append(
                {
                    "service": service,
                    "cost": cost,
                    "share_pct": round(cost / total * 100, 2) if total else 0.0,
                    "change_pct": change_pct(before[service].cost(self._prices), cost)
                    if comparable and service in before
                    else None,
                    "bytes": amount.bytes,
                    "logs": amount.logs,
                    "spans": amount.spans,
                    "samples": amount.samples,
                }
            )
        items.sort(key=lambda item: -item["cost"])
        if defects.active("insights_wrong_total"):
            total *= 1.1
        prices = self._prices
        return {
            "currency": prices.currency,
            "total": total,
            "items": items,
            "model": {
                "per_gb_logs": prices.per_gb_logs,
                "per_gb_traces": prices.per_gb_traces,
                "per_million_samples": prices.per_million_samples,
            },
            "partial": not all(one.complete for one in (*counted, reading)),
        }

    async def _anomalies(self, tenant: Tenant, over: Range, sigma: float) -> Document:
        budget = Budget(ANSWER_S)
        reading = Reading(self._stores, self._sources, tenant, budget)
        sources: tuple[SourceName, ...] = ("logs", "traces")
        counted = await asyncio.gather(*(reading.counts(source, over) for source in sources))
        _any(counted)
        services = {source: _largest(one) for source, one in zip(sources, counted, strict=True)}
        found, complete = await anomalies.series(reading, over, services)
        return {
            "sigma": sigma,
            "baseline": {"buckets": anomalies.BUCKETS - 1, "step_s": over.seconds / anomalies.BUCKETS},
            "items": anomalies.found(found, over, sigma),
            "partial": not complete or not all(one.complete for one in counted),
        }

    async def _requests(self, reading: Reading, over: Range) -> tuple[Counts, Counts]:
        """Server spans, and those of them with an error."""
        return (
            await reading.counts("traces", over, (SERVER_SPANS,)),
            await reading.counts("traces", over, (SERVER_SPANS, ERROR_SPANS)),
        )

    async def _amounts(self, reading: Reading, over: Range, counted: tuple[Counts, ...]) -> dict[str, Amount]:
        """Each service's; the sizes of items are those of the range that is asked for, also for the one before."""
        logs, spans, samples = counted
        amounts = {}
        for service in _largest(*counted):
            sizes: dict[SourceName, float] = {}
            of_sources: tuple[tuple[SourceName, Counts], ...] = (("logs", logs), ("traces", spans))
            for source, one in of_sources:
                if one.by_service.get(service):
                    sizes[source] = (await reading.mean_size(source, service, over)) or 0.0
            amounts[service] = Amount(
                logs=logs.by_service.get(service, 0),
                spans=spans.by_service.get(service, 0),
                samples=samples.by_service.get(service, 0),
                bytes_logs=logs.by_service.get(service, 0) * sizes.get("logs", 0.0),
                bytes_spans=spans.by_service.get(service, 0) * sizes.get("traces", 0.0),
            )
        return amounts

    def _total(self, amounts: dict[str, Amount]) -> float:
        return sum(amount.cost(self._prices) for amount in amounts.values())

    async def _active(self, tenant: Tenant, budget: Budget) -> int | None:
        try:
            statistics = await budget.hold(self._alerts.statistics(tenant.number))
        except (psycopg.OperationalError, PoolTimeout, TimeoutError):
            return None
        return int(statistics["by_status"]["active"])


async def _all(reading: Reading, over: Range) -> tuple[Counts, Counts, Counts]:
    """Logs, spans, samples. Raises ApiError 503 when none could be counted."""
    logs, spans, samples = await asyncio.gather(
        reading.counts("logs", over), reading.counts("traces", over), reading.counts("metrics", over)
    )
    _any((logs, spans, samples))
    return logs, spans, samples


def _any(counted: tuple[Counts, ...] | list[Counts]) -> None:
    if all(one.failed for one in counted):
        raise unavailable("every store")


def _largest(*counted: Counts) -> list[str]:
    """The services with the most items."""
    sums: dict[str, int] = {}
    for one in counted:
        for service, number in one.by_service.items():
            sums[service] = sums.get(service, 0) + number
    return sorted(sums, key=lambda service: (-sums[service], service))[:SERVICES]


def _used(by_service: dict[str, list[float]]) -> Document:
    """Over all services; the change is that of the range's second half against its first."""
    series = list(by_service.values())
    if not series:
        return {"used_pct": None, "change_points": None}
    longest = max(len(values) for values in series)
    # Series that begin later are aligned at the end.
    means = [fmean(v[place - longest] for v in series if len(v) >= longest - place) for place in range(longest)]
    half = longest // 2
    change = fmean(means[half:]) - fmean(means[:half]) if half else None
    return {"used_pct": _rounded(fmean(means)), "change_points": _rounded(change)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
