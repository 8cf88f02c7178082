"""Services whose logs or spans come unusually often or seldom, against what they did before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from observastack.backend.insights.reading import Range, Reading, of_service
from observastack.backend.insights.robust import Anomaly, anomaly
from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import ERROR_SPANS, SEVERITIES, SPANS
from observastack.backend.wire import rfc3339

BUCKETS = 48
BUDGET_S = 4.0
SERVICES = 10
_SIGNALS: dict[SourceName, dict[str, tuple[str, ...]]] = {
    "logs": {"logs": SEVERITIES, "error logs": ("error", "fatal")},
    "traces": {"spans": (SPANS, ERROR_SPANS), "error spans": (ERROR_SPANS,)},
}


@dataclass(frozen=True)
class Series:
    """Items per minute of one service in each bucket."""

    service: str
    signal: str
    values: tuple[float, ...]


async def series(
    reading: Reading, over: Range, services: Mapping[SourceName, Sequence[str]]
) -> tuple[list[Series], bool]:
    """The series of the services, and whether all of them could be read within the budget."""
    until = time.monotonic() + BUDGET_S

    async def one(source: SourceName, service: str) -> tuple[list[Series], bool]:
        if time.monotonic() > until:
            return [], False
        found = await reading.over_time(source, over, BUCKETS, (of_service(service),))
        if found is None or not found.complete:
            return [], False
        minutes = over.seconds / BUCKETS / 60
        return [
            Series(service, signal, tuple(sum(bucket.get(key, 0) for key in keys) / minutes for bucket in found.counts))
            for signal, keys in _SIGNALS[source].items()
        ], True

    answers = await asyncio.gather(
        *(one(source, service) for source in _SIGNALS for service in services.get(source, ())[:SERVICES])
    )
    return [found for several, _ in answers for found in several], all(complete for _, complete in answers)


def found(several: Sequence[Series], over: Range, sigma: float) -> list[dict[str, Any]]:
    """FoundAnomaly documents, the largest deviation first."""
    step = (over.end - over.start) / BUCKETS
    items = []
    for one in several:
        begin = next((place for place, value in enumerate(one.values) if value), len(one.values))
        # Before its first item a service did not exist: those zeros say nothing about what is usual.
        unusual = anomaly(one.values[begin:], sigma)
        if unusual is not None:
            items.append(_document(one, unusual, over.start + begin * step, begin, step))
    return sorted(items, key=lambda item: -abs(item["deviation"]))


def _document(one: Series, unusual: Anomaly, first: float, begin: int, step: float) -> dict[str, Any]:
    times = [round((first + place * step) / 1e9, 3) for place in range(len(one.values) - begin)]
    return {
        "id": f"{one.service}:{one.signal}",
        "service": one.service,
        "signal": one.signal,
        "unit": "per minute",
        "now": round(unusual.now, 3),
        "expected": round(unusual.expected, 3),
        "deviation": round(unusual.deviation, 2),
        "direction": unusual.direction,
        "since": rfc3339(int(first + unusual.since * step)),
        "points": [[ts, round(value, 3)] for ts, value in zip(times, one.values[begin:], strict=True)],
        "band": [[ts, round(low, 3), round(high, 3)] for ts, (low, high) in zip(times, unusual.bands, strict=True)],
    }
