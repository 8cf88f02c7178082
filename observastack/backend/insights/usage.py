"""How much of CPU and memory each service uses, from whichever metrics by OpenTelemetry's names are there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from observastack.backend.deadline import Budget
from observastack.backend.errors import ApiError
from observastack.backend.insights.reading import Range
from observastack.backend.metrics import Metrics
from observastack.backend.stores.ports import Tenant

POINTS = 6
"""Times at which usage is looked at, evenly over the range: each reads the samples of a few minutes."""


@dataclass(frozen=True)
class Way:
    """A way to get at percent by service. needs: metric names (OpenTelemetry) and further matchers of each; query:
    PromQL, {0}, {1} are the selectors."""

    query: str
    needs: tuple[tuple[str, str], ...]


_SHARE = "100 * sum by (service) ({0}) / sum by (service) ({1})"
# Attributes were renamed between versions of the conventions: a label that is not there matches `!=` and an empty text.
_USED: dict[str, tuple[Way, ...]] = {
    "cpu": (
        Way("100 * avg by (service) ({0})", (("k8s.container.cpu_limit_utilization", ""),)),
        Way(_SHARE, (("container.cpu.usage", ""), ("k8s.container.cpu_limit", ""))),
        Way("100 * avg by (service) (sum without (cpu_mode, state) ({0}))", (("process.cpu.utilization", ""),)),
        Way(
            "100 * avg by (service) (sum without (cpu_mode, state) ({0}))",
            (("system.cpu.utilization", ',cpu_mode!="idle",state!="idle"'),),
        ),
        Way("100 * avg by (service) (sum without (cpu_mode, state) (rate({0}[5m])))", (("process.cpu.time", ""),)),
    ),
    "memory": (
        Way("100 * avg by (service) ({0})", (("k8s.container.memory_limit_utilization", ""),)),
        Way(_SHARE, (("container.memory.usage", ""), ("k8s.container.memory_limit", ""))),
        Way("100 * avg by (service) ({0})", (("process.memory.utilization", ""),)),
        Way(
            "100 * avg by (service) ({0})",
            (("system.memory.utilization", ',system_memory_state=~"used|",state=~"used|"'),),
        ),
    ),
}
_REQUESTED: dict[str, tuple[Way, ...]] = {
    what: (Way(_SHARE, ((f"k8s.container.{what}_request", ""), (f"k8s.container.{what}_limit", ""))),)
    for what in ("cpu", "memory")
}


class Usage:
    """Asks for one tenant, within a time limit for all its questions together."""

    def __init__(self, metrics: Metrics, tenant: Tenant, budget: Budget) -> None:
        self._metrics, self._tenant, self._budget = metrics, tenant, budget
        self.complete = True
        """Whether every question was answered."""
        self._names: dict[str, str] | None = None

    async def used(self, what: str, over: Range, newest: int | None) -> dict[str, list[float]]:
        """Percent by service at each time where there is one, in order of time; empty without such metrics."""
        return await self._percents(_USED[what], over, newest)

    async def requested(self, what: str, over: Range, newest: int | None) -> dict[str, float]:
        found = await self._percents(_REQUESTED[what], over, newest)
        return {service: fmean(values) for service, values in found.items()}

    async def _percents(self, ways: tuple[Way, ...], over: Range, newest: int | None) -> dict[str, list[float]]:
        if newest is None:
            return {}
        known = await self._known()
        for way in ways:
            if not all(name in known for name, _ in way.needs):
                continue
            query = way.query.format(*(f'{{__name__="{known[name]}"{more}}}' for name, more in way.needs))
            found: dict[str, list[float]] = {}
            for place in reversed(range(POINTS)):
                at = newest - (newest - over.start) * place // POINTS
                for service, percent in (await self._instant(query, at)).items():
                    found.setdefault(service, []).append(percent)
            if found:
                return found
        return {}

    async def _known(self) -> dict[str, str]:
        """OpenTelemetry's names of the metrics that are there, and what each is called in this store."""
        if self._names is None:
            try:
                stored = await self._budget.hold(self._metrics.label_values(self._tenant, "__name__"))
            except (ApiError, TimeoutError):
                stored, self.complete = [], False
            plain = {
                re.sub(r"_(ratio|bytes|seconds_total)$", "", re.sub(r"[^a-zA-Z0-9]", "_", name)): name
                for name in stored
            }
            names = {name for ways in (*_USED.values(), *_REQUESTED.values()) for way in ways for name, _ in way.needs}
            self._names = {name: plain[key] for name in names if (key := name.replace(".", "_")) in plain}
        return self._names

    async def _instant(self, query: str, at: int) -> dict[str, float]:
        try:
            data: Any = await self._budget.hold(self._metrics.instant(self._tenant, query, at))
        except (ApiError, TimeoutError):
            self.complete = False
            return {}
        found = {one["metric"].get("service", ""): float(one["value"][1]) for one in data["result"]}
        return {service: percent for service, percent in found.items() if service and math.isfinite(percent)}
