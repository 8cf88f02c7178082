"""Instant and range queries in the form of Prometheus' HTTP API (data: resultType, result)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from observastack.backend.database import Database
from observastack.backend.deadline import within
from observastack.backend.errors import ApiError, unavailable
from observastack.backend.promql import storage
from observastack.backend.promql.compile import compile_query, selectors
from observastack.backend.promql.evaluate import Data, Labels, Vector, evaluate, matrix, result_type, unique
from observastack.backend.promql.nodes import BadQuery, Node, Selector, TooMuch, Unsupported
from observastack.backend.promql.storage import Tenant
from observastack.backend.sources import TIMEOUT_S, SourceFailed, Sources

T = TypeVar("T")
MAX_STEPS = 11_000
"""Points per series that a range query may return (Prometheus has the same limit)."""


class Metrics:
    """Evaluates PromQL for one tenant, off the event loop. Raises ApiError 400, 422, 501 or 503."""

    def __init__(self, database: Database, sources: Sources) -> None:
        self._database, self._sources = database, sources

    async def instant(self, tenant: Tenant, query: str, at_ns: int) -> dict[str, Any]:
        node = _compiled(query)
        data = await self._load(tenant, node, at_ns, at_ns)
        return await _off_loop(_instant, node, at_ns, data)

    async def range(self, tenant: Tenant, query: str, *, start_ns: int, end_ns: int, step_ns: int) -> dict[str, Any]:
        if end_ns < start_ns:
            raise ApiError(422, "end lies before start")
        if (end_ns - start_ns) // step_ns >= MAX_STEPS:
            raise ApiError(422, f"more than {MAX_STEPS} points per series: use a larger step")
        node = _compiled(query)
        if result_type(node) == "matrix":
            raise ApiError(
                400, "a range query needs an instant vector or a scalar, not a range selector", code="bad_query"
            )
        data = await self._load(tenant, node, start_ns, end_ns)
        return await _off_loop(_range, node, range(start_ns, end_ns + 1, step_ns), data)

    async def label_values(self, tenant: Tenant, label: str) -> list[str]:
        async def read() -> list[dict[str, str]]:
            async with self._database.tenant(tenant.number) as connection:
                return await storage.all_labels(connection, tenant)

        found = await self._guarded(read)
        return sorted({labels[label] for labels in found if label in labels})

    async def _load(self, tenant: Tenant, node: Node, start_ns: int, end_ns: int) -> Data:
        async def read() -> Data:
            async with self._database.tenant(tenant.number) as connection:
                return await storage.load(connection, tenant, selectors(node), start_ns, end_ns)

        return await self._guarded(read)

    async def _guarded(self, read: Callable[[], Awaitable[T]]) -> T:
        try:
            return await within(TIMEOUT_S, self._entered(read))
        except TooMuch as error:
            raise ApiError(422, str(error), code="too_much") from None
        except (SourceFailed, TimeoutError, psycopg.OperationalError, PoolTimeout):
            raise unavailable("metrics") from None

    async def _entered(self, read: Callable[[], Awaitable[T]]) -> T:
        await self._sources.enter("metrics")
        return await read()


def _compiled(query: str) -> Node:
    try:
        return compile_query(query)
    except BadQuery as error:
        raise ApiError(400, str(error), code="bad_query") from None
    except Unsupported as error:
        raise ApiError(501, str(error)) from None


async def _off_loop(work: Any, *arguments: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await asyncio.to_thread(work, *arguments)
    except BadQuery as error:
        raise ApiError(422, str(error), code="bad_query") from None
    return found


def _instant(node: Node, at_ns: int, data: Data) -> dict[str, Any]:
    kind = result_type(node)
    if kind == "matrix":
        assert isinstance(node, Selector)
        result: Any = [
            {
                "metric": dict(labels),
                "values": [[ts / 1e9, text(value)] for ts, value in zip(times, values, strict=True)],
            }
            for labels, times, values in matrix(node, at_ns, data)
        ]
        return {"resultType": kind, "result": result}
    value = evaluate(node, at_ns, data)
    if isinstance(value, float):
        return {"resultType": kind, "result": [at_ns / 1e9, text(value)]}
    result = [{"metric": dict(labels), "value": [at_ns / 1e9, text(number)]} for labels, number in unique(value)]
    return {"resultType": kind, "result": result}


def _range(node: Node, times: range, data: Data) -> dict[str, Any]:
    found: dict[Labels, list[list[Any]]] = {}
    for at_ns in times:
        value = evaluate(node, at_ns, data)
        vector: Vector = [((), value)] if isinstance(value, float) else unique(value)
        for labels, number in vector:
            found.setdefault(labels, []).append([at_ns / 1e9, text(number)])
    result = [{"metric": dict(labels), "values": values} for labels, values in sorted(found.items())]
    return {"resultType": "matrix", "result": result}


def text(value: float) -> str:
    """A sample value as Prometheus writes it: always text, so that NaN and infinities survive JSON."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
