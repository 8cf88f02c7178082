"""Samples in PostgreSQL: pages of them, and PromQL evaluated here on what a query needs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from observastack import defects
from observastack.backend.promql import storage
from observastack.backend.promql.compile import AGGREGATIONS, FUNCTIONS, compile_query, selectors
from observastack.backend.promql.evaluate import Data, Labels, Vector, evaluate, matrix, result_type, unique
from observastack.backend.promql.nodes import BadQuery, Impossible, Node, Selector
from observastack.backend.stores.embedded.signal import EmbeddedSignal, answering
from observastack.backend.stores.ports import Tenant


class EmbeddedMetrics(EmbeddedSignal):
    """MetricStore. Evaluation runs off the event loop."""

    functions: Sequence[str] = sorted(FUNCTIONS)
    aggregations: Sequence[str] = sorted(AGGREGATIONS)

    async def instant(self, tenant: Tenant, query: str, at: int) -> dict[str, Any]:
        node = compile_query(query)
        data = await self.load(tenant, node, at, at)
        return await _off_loop(_instant, node, at, data)

    async def range(self, tenant: Tenant, query: str, *, start: int, end: int, step: int) -> dict[str, Any]:
        node = compile_query(query)
        if result_type(node) == "matrix":
            raise BadQuery("a range query needs an instant vector or a scalar, not a range selector")
        data = await self.load(tenant, node, start, end)
        return await _off_loop(_range, node, range(start, end + 1, step), data)

    async def label_names(self, tenant: Tenant) -> list[str]:
        found = await self._labels(tenant)
        return await asyncio.to_thread(lambda: sorted({label for labels in found for label in labels}))

    async def label_values(self, tenant: Tenant, label: str) -> list[str]:
        found = await self._labels(tenant)
        return await asyncio.to_thread(lambda: sorted({labels[label] for labels in found if label in labels}))

    async def _labels(self, tenant: Tenant) -> list[dict[str, str]]:
        with answering():
            leak = defects.active("label_values_leak")
            async with self._database.listing(tenant.number, unrestricted=leak) as connection:
                return await storage.all_labels(connection, tenant)

    async def load(self, tenant: Tenant, node: Node, start: int, end: int) -> Data:
        """What a query needs to be evaluated at any time in [start, end]."""
        with answering():
            async with self._database.tenant(tenant.number) as connection:
                return await storage.load(connection, tenant, selectors(node), start, end)


async def _off_loop(work: Any, *arguments: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await asyncio.to_thread(work, *arguments)
    except BadQuery as error:
        raise Impossible(str(error)) from None
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
