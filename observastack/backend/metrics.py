"""PromQL for the routes: whichever store evaluates it, the same errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from observastack.backend.errors import ApiError, unavailable
from observastack.backend.promql.nodes import BadQuery, Impossible, TooMuch, Unsupported
from observastack.backend.search.fields import BadFilter
from observastack.backend.sources import SourceFailed, Sources
from observastack.backend.stores.ports import MetricStore, Tenant

T = TypeVar("T")
MAX_STEPS = 11_000
"""Points per series that a range query may return (Prometheus has the same limit)."""


class Metrics:
    """Asks the store for one tenant. Raises ApiError 400, 422, 501 or 503."""

    def __init__(self, store: MetricStore, sources: Sources) -> None:
        self._store, self._sources = store, sources

    async def instant(self, tenant: Tenant, query: str, at_ns: int) -> dict[str, Any]:
        return await self._ask(lambda: self._store.instant(tenant, query, at_ns))

    async def range(self, tenant: Tenant, query: str, *, start_ns: int, end_ns: int, step_ns: int) -> dict[str, Any]:
        if end_ns < start_ns:
            raise ApiError(422, "end lies before start")
        if (end_ns - start_ns) // step_ns >= MAX_STEPS:
            raise ApiError(422, f"more than {MAX_STEPS} points per series: use a larger step")
        return await self._ask(lambda: self._store.range(tenant, query, start=start_ns, end=end_ns, step=step_ns))

    async def label_names(self, tenant: Tenant) -> list[str]:
        return await self._ask(lambda: self._store.label_names(tenant))

    async def label_values(self, tenant: Tenant, label: str) -> list[str]:
        return await self._ask(lambda: self._store.label_values(tenant, label))

    async def _ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await self._sources.ask("metrics", question)
        except (Impossible, BadFilter) as error:
            raise ApiError(422, str(error), code="bad_query") from None
        except BadQuery as error:
            raise ApiError(400, str(error), code="bad_query") from None
        except Unsupported as error:
            raise ApiError(501, str(error)) from None
        except TooMuch as error:
            raise ApiError(422, str(error), code="too_much") from None
        except SourceFailed:
            raise unavailable("metrics") from None
