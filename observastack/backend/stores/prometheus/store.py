"""MetricStore on a Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from observastack import defects
from observastack.backend.promql.nodes import BadQuery, Impossible
from observastack.backend.sources import SourceFailed
from observastack.backend.stores.ports import Aggregated, Buckets, Item, Selected, Tenant
from observastack.backend.stores.prometheus import counts
from observastack.backend.stores.prometheus.enforce import LABEL, quoted, scoped
from observastack.backend.stores.prometheus.functions import AGGREGATIONS, FUNCTIONS
from observastack.backend.stores.prometheus.samples import MS, SampleReader, exact, label_of, lookup, moment, selector
from observastack.backend.stores.remote.client import Reply, StoreClient, off_loop, unusable
from observastack.backend.stores.remote.predicate import Predicate, predicate, value_of
from observastack.backend.stores.remote.signal import RemoteSignal
from observastack.backend.stores.remote.walk import Reader

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class PrometheusStore(RemoteSignal):
    """Asks by POST and form: queries may be longer than addresses are."""

    implementation = "prometheus"
    functions: Sequence[str] = FUNCTIONS
    aggregations: Sequence[str] = AGGREGATIONS

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__("metrics", timeout_s)
        self._client = StoreClient(url, timeout_s)
        self._closed: bool | None = None

    async def instant(self, tenant: Tenant, query: str, at: int) -> dict[str, Any]:
        return await self._query(scoped(query, tenant.key), moment(at // MS), self._timeout_s)

    async def range(self, tenant: Tenant, query: str, *, start: int, end: int, step: int) -> dict[str, Any]:
        form = {
            "query": scoped(query, tenant.key),
            "start": moment(start // MS),
            "end": moment(end // MS),
            "step": moment(max(step // MS, 1)),
        }
        return await self._ask("/api/v1/query_range", form, self._timeout_s)

    async def label_names(self, tenant: Tenant) -> list[str]:
        return await self._names("/api/v1/labels", tenant)

    async def label_values(self, tenant: Tenant, label: str) -> list[str]:
        if not _LABEL_NAME.fullmatch(label):
            return []
        return await self._names(f"/api/v1/label/{label}/values", tenant)

    def reader(self, tenant: Tenant, selected: Selected) -> Reader:
        return SampleReader(self._query, selector(selected, tenant.key))

    def predicate(self, selected: Selected) -> Predicate:
        return predicate("metrics", selected.filters, selected.free_text, lookup)

    def field(self, name: str) -> Callable[[Item], Any] | None:
        return value_of("metrics", name, lookup)

    async def aggregate(
        self, tenant: Tenant, selected: Selected, buckets: Buckets, fields: Sequence[str]
    ) -> Aggregated:
        """Counted by Prometheus where matchers can say exactly what is meant, else from what the budget allows to read."""
        self.check(selected)
        for name in fields:
            self.field(name)
        if "value" in fields or not exact(selected) or not counts.possible(selected.start, selected.end, buckets):
            return await super().aggregate(tenant, selected, buckets, fields)

        async def ask(path: str, form: dict[str, str]) -> dict[str, Any]:
            return await self._ask(path, form, self._timeout_s)

        labels = {name: counts.NAME if name == "name" else label_of(name) for name in fields}
        wanted = counts.Counting(selector(selected, tenant.key), await self._closed_ranges(), labels)
        return await counts.count(ask, wanted, selected.start, selected.end, buckets)

    async def _closed_ranges(self) -> bool:
        """Whether this is a Prometheus before 3. Only an answer is remembered."""
        if self._closed is None:
            major = re.search(r"\d+", await self.version() or "")
            self._closed = major is not None and int(major[0]) < 3
        return self._closed

    async def probe(self) -> None:
        await self._client.ready("/-/ready")

    async def version(self) -> str | None:
        found = await self._data(await self._client.get("/api/v1/status/buildinfo", {}, timeout_s=self._timeout_s))
        return f"Prometheus {found.get('version', '')}".strip() if isinstance(found, dict) else None

    async def close(self) -> None:
        await self._client.close()

    async def _query(self, query: str, time: str, timeout_s: float) -> dict[str, Any]:
        return await self._ask("/api/v1/query", {"query": query, "time": time}, timeout_s)

    async def _ask(self, path: str, form: dict[str, str], timeout_s: float) -> dict[str, Any]:
        # Its own limit a little below ours, so that Prometheus stops working on what nobody waits for.
        sent = {**form, "timeout": f"{max(int(timeout_s * 900), 50)}ms"}
        data = await self._data(await self._client.post(path, sent, timeout_s=timeout_s))
        if not isinstance(data, dict) or not {"resultType", "result"} <= data.keys():
            raise unusable()
        return {"resultType": data["resultType"], "result": data["result"]}

    async def _names(self, path: str, tenant: Tenant) -> list[str]:
        parameters = {} if defects.active("label_values_leak") else {"match[]": f"{{{LABEL}={quoted(tenant.key)}}}"}
        found = await self._data(await self._client.get(path, parameters, timeout_s=self._timeout_s))
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise unusable()
        return sorted(found)

    @staticmethod
    async def _data(reply: Reply) -> Any:
        """The data of an answer. Raises BadQuery, Impossible, SourceFailed."""
        document = await off_loop(len(reply.body), reply.json) if reply.status in (200, 400, 422, 503) else None
        if not isinstance(document, dict):
            raise unusable()
        if document.get("status") == "success":
            return document.get("data")
        # Prometheus HTTP API: 400 for what cannot be a query, 422 for one that cannot be executed, 503 for timeouts.
        message = str(document.get("error", ""))[:300]
        match document.get("errorType"):
            case "bad_data":
                raise BadQuery(f"not PromQL: {message}")
            case "execution":
                raise Impossible(message)
            case "timeout" | "canceled":
                raise SourceFailed("took too long", "timeout")
            case _:
                raise unusable()
