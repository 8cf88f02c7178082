"""A store with a gateway before it, as the contract tests use it: written through the one, read through the other."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observastack.backend.sources import SourceFailed
from observastack.backend.stores.ports import Item, Position, Selected, SignalStore, Tenant, Wanted
from observastack.config import Config
from observastack.tests.gateway import Gateway, pairs, value
from observastack.tests.platform import Tokens

SECOND = 10**9
HOUR = 3600 * SECOND


@dataclass
class World:
    """One adapter under test. base: a recent time (ns) at a full minute; all items lie near it. measured: a tenant with the
    samples that the PromQL tests share."""

    adapter: str
    config: Config
    gateway: Gateway
    base: int = field(default_factory=lambda: (time.time_ns() // (60 * SECOND) - 8) * 60 * SECOND)
    measured: Tenant | None = None
    _names: Any = field(default_factory=lambda: itertools.count(1))

    def tenant(self) -> Tenant:
        """A new one."""
        key = f"t{next(self._names)}-{uuid.uuid4().hex[:6]}"
        with psycopg.connect(**self.config.database.connection("owner"), autocommit=True) as connection:
            row = connection.execute(
                "INSERT INTO tenants(key, name) VALUES (%s, %s) RETURNING id", (key, key)
            ).fetchone()
        assert row is not None
        return Tenant(int(row[0]), key)

    def logs(self, tenant: Tenant, items: Sequence[Mapping[str, Any]], service: str = "shop", **resource: Any) -> None:
        """Items: ts and any of body, severity, severity_text, attributes, trace_id, span_id."""
        request = ExportLogsServiceRequest()
        group = request.resource_logs.add()
        group.resource.attributes.extend(pairs(_resource(service, resource)))
        scope = group.scope_logs.add()
        for one in items:
            record = scope.log_records.add(
                time_unix_nano=one["ts"],
                severity_number=one.get("severity", 9),
                severity_text=one.get("severity_text", "INFO"),
                trace_id=bytes.fromhex(one.get("trace_id", "")),
                span_id=bytes.fromhex(one.get("span_id", "")),
            )
            if one.get("body", "") is not None:
                record.body.CopyFrom(value(one.get("body", "")))
            record.attributes.extend(pairs(one.get("attributes", {})))
        self._post("logs", tenant, request.SerializeToString())

    def spans(self, tenant: Tenant, items: Sequence[Mapping[str, Any]], service: str = "shop", **resource: Any) -> None:
        """Items: ts, trace_id, span_id and any of duration, parent_id, kind, status, message, name, attributes, events,
        links."""
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.extend(pairs(_resource(service, resource)))
        scope = group.scope_spans.add()
        for one in items:
            span = scope.spans.add(
                start_time_unix_nano=one["ts"],
                end_time_unix_nano=one["ts"] + one.get("duration", SECOND // 10),
                trace_id=bytes.fromhex(one["trace_id"]),
                span_id=bytes.fromhex(one["span_id"]),
                parent_span_id=bytes.fromhex(one.get("parent_id", "")),
                name=one.get("name", "GET /"),
                kind=one.get("kind", 2),
            )
            span.status.code = one.get("status", 0)
            span.status.message = one.get("message", "")
            span.attributes.extend(pairs(one.get("attributes", {})))
            for at, name, attributes in one.get("events", ()):
                span.events.add(time_unix_nano=at, name=name, attributes=pairs(attributes))
            for trace_id, span_id, attributes in one.get("links", ()):
                span.links.add(
                    trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id), attributes=pairs(attributes)
                )
        self._post("traces", tenant, request.SerializeToString())

    def samples(
        self, tenant: Tenant, name: str, points: Sequence[tuple[int, float]], service: str = "shop", *,
        labels: Mapping[str, Any] | None = None, counter: bool = False, **resource: Any,
    ) -> None:  # fmt: skip
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add()
        group.resource.attributes.extend(pairs(_resource(service, resource)))
        metric = group.scope_metrics.add().metrics.add(name=name, unit="1")
        if counter:
            metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2  # type: ignore[assignment]
        target = metric.sum.data_points if counter else metric.gauge.data_points
        for ts, number in points:
            target.add(time_unix_nano=ts, as_double=number, attributes=pairs(labels or {}))
        self._post("metrics", tenant, request.SerializeToString())

    def histograms(self, tenant: Tenant, ts: int, service: str = "shop") -> None:
        """Fifty durations of one service as `latency` (ten below 0.1, forty below 0.5, all below 1), and the same seven
        sizes as the exponential histogram `size`: 1, 2, 2, 3, 5, 5, 7, with buckets of powers of two."""
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add()
        group.resource.attributes.extend(pairs(_resource(service, {})))
        metrics = group.scope_metrics.add().metrics
        classic, exponential = (
            metrics.add(name="latency", unit="s").histogram,
            metrics.add(name="size").exponential_histogram,
        )
        classic.aggregation_temporality = exponential.aggregation_temporality = 2  # type: ignore[assignment]
        classic.data_points.add(
            time_unix_nano=ts, count=50, sum=17.5, bucket_counts=[10, 30, 10, 0], explicit_bounds=[0.1, 0.5, 1.0]
        )
        point = exponential.data_points.add(time_unix_nano=ts, count=7, sum=25.0, scale=0)
        point.positive.offset = -1
        point.positive.bucket_counts.extend([1, 2, 1, 3])  # (0.5, 1], (1, 2], (2, 4], (4, 8]
        self._post("metrics", tenant, request.SerializeToString())

    def _post(self, signal: str, tenant: Tenant, body: bytes) -> None:
        token = Tokens(self.config)(tenant.key, ("agent",))
        answer = self.gateway.post(signal, body, token)
        assert answer.status_code == 200, answer.text
        assert b"rejected" not in answer.content, answer.content


def _resource(service: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    return {"service.name": service, **{key.replace("__", "."): value for key, value in resource.items()}}


async def until(question: Callable[[], Awaitable[bool]], what: str, patience_s: float = 10) -> None:
    """Ask until the answer is yes."""
    end = time.monotonic() + patience_s
    while not await question():
        assert time.monotonic() < end, f"not within {patience_s} s: {what}"
        await asyncio.sleep(0.02)


async def walk(
    store: SignalStore, tenant: Tenant, selected: Selected, *, limit: int = 1000, descending: bool = True
) -> list[Item]:
    """All items of all pages."""
    found: list[Item] = []
    after: Position | None = None
    for _ in range(1000):
        page = await store.page(tenant, Wanted(selected, after, descending, limit))
        assert len(page.rows) <= limit
        found += [row[2] for row in page.rows]
        if page.complete:
            return found
        assert page.frontier is not None
        after = page.frontier
    raise AssertionError("the walk does not end")


async def seen(store: SignalStore, tenant: Tenant, selected: Selected, count: int) -> None:
    """Wait until so many items can be read: a store may need a moment after its acknowledgement."""

    async def there() -> bool:
        try:
            return len(await walk(store, tenant, selected)) >= count
        except SourceFailed:  # Loki loses a question now and then while it starts
            return False

    await until(there, f"{count} items")
