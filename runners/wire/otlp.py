"""OTLP export requests as protobuf, made with the message classes of opentelemetry-proto.

Plain and slow on purpose: this encoder is the reference that any faster one is compared with, byte for byte after
parsing. Format: https://opentelemetry.io/docs/specs/otlp/ and opentelemetry-proto v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TypeVar, cast

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    HistogramDataPoint,
    Metric,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from runners.ledger.items import Attributes, Histogram, Item, LogRecord, Point, Resource, Sample, Signal, Span, Value

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = InstrumentationScope(name="testbed", version="1")
PATHS: dict[Signal, str] = {"logs": "/v1/logs", "traces": "/v1/traces", "metrics": "/v1/metrics"}

_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
"""The specification's equivalent of Prometheus' marker of a series that has ended."""
_Item = TypeVar("_Item", Span, LogRecord, Point)


def encode(signal: Signal, items: Sequence[Item]) -> bytes:
    """One export request with all items; items of one resource stand together, else the order is kept."""
    if signal == "logs":
        return encode_logs(cast("Sequence[LogRecord]", items))
    if signal == "traces":
        return encode_traces(cast("Sequence[Span]", items))
    return encode_metrics(cast("Sequence[Point]", items))


def encode_logs(records: Iterable[LogRecord]) -> bytes:
    request = ExportLogsServiceRequest()
    for resource, group in _by_resource(records):
        entry = request.resource_logs.add(schema_url=SCHEMA_URL)
        entry.resource.CopyFrom(resource_message(resource))
        scope = entry.scope_logs.add(scope=SCOPE)
        for record in group:
            scope.log_records.append(log_message(record))
    return request.SerializeToString(deterministic=True)


def log_message(record: LogRecord) -> LogMessage:
    """One record as OTLP's LogRecord."""
    message = LogMessage(
        time_unix_nano=record.time,
        observed_time_unix_nano=record.time,
        severity_number=record.severity_number,  # type: ignore[arg-type]
        severity_text=record.severity_text,
        trace_id=record.trace_id,
        span_id=record.span_id,
        flags=1 if record.trace_id else 0,
    )
    message.body.string_value = record.body
    message.attributes.extend(_attributes(record.attributes))
    return message


def encode_traces(spans: Iterable[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    for resource, group in _by_resource(spans):
        entry = request.resource_spans.add(schema_url=SCHEMA_URL)
        entry.resource.CopyFrom(resource_message(resource))
        scope = entry.scope_spans.add(scope=SCOPE)
        for span in group:
            scope.spans.append(span_message(span))
    return request.SerializeToString(deterministic=True)


def span_message(span: Span) -> SpanMessage:
    """One span as OTLP's Span."""
    message = SpanMessage(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=span.name,
        kind=span.kind,  # type: ignore[arg-type]
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        flags=0x101,  # sampled; the context-is-remote bits are known and say "not remote"
    )
    message.attributes.extend(_attributes(span.attributes))
    if span.status_code:
        message.status.code = span.status_code  # type: ignore[assignment]
        message.status.message = span.status_message
    for event in span.events:
        added = message.events.add(time_unix_nano=event.time, name=event.name)
        added.attributes.extend(_attributes(event.attributes))
    for link in span.links:
        to = message.links.add(trace_id=link.trace_id, span_id=link.span_id, flags=0x101)
        to.attributes.extend(_attributes(link.attributes))
    return message


def encode_metrics(points: Iterable[Point]) -> bytes:
    request = ExportMetricsServiceRequest()
    for resource, group in _by_resource(points):
        entry = request.resource_metrics.add(schema_url=SCHEMA_URL)
        entry.resource.CopyFrom(resource_message(resource))
        add_points(entry.scope_metrics.add(scope=SCOPE), group)
    return request.SerializeToString(deterministic=True)


def add_points(scope: ScopeMetrics, points: Iterable[Point]) -> None:
    """The metrics of these points, which are of one resource."""
    for (name, unit, instrument), same in groupby(points, key=_metric_of):
        metric = scope.metrics.add(name=name, unit=unit)
        if instrument in ("histogram", "exponential"):
            _histograms(metric, cast("Iterable[Histogram]", same))
        else:
            _points(metric, instrument, cast("Iterable[Sample]", same))


def _metric_of(point: Point) -> tuple[str, str, str]:
    """Points of one metric, in a row, are told together."""
    if isinstance(point, Sample):
        return point.name, point.unit, point.instrument
    return point.name, point.unit, "histogram" if point.scale is None else "exponential"


def _histograms(metric: Metric, points: Iterable[Histogram]) -> None:
    for one in points:
        data = metric.histogram if one.scale is None else metric.exponential_histogram
        data.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        point = data.data_points.add(
            time_unix_nano=one.time, start_time_unix_nano=one.start, count=one.total, sum=one.sum
        )
        if isinstance(point, HistogramDataPoint):
            point.bucket_counts.extend(one.counts)
            point.explicit_bounds.extend(one.bounds)
        else:
            point.scale, point.zero_count, point.zero_threshold = one.scale or 0, one.zero, one.zero_threshold
            point.positive.offset = one.offset
            point.positive.bucket_counts.extend(one.counts)
        for exemplar in one.exemplars:
            point.exemplars.add(
                time_unix_nano=exemplar.time, as_double=exemplar.value, trace_id=exemplar.trace_id,
                span_id=exemplar.span_id,
            )  # fmt: skip
        if one.ended:
            point.flags = _NO_VALUE
        point.attributes.extend(_attributes(one.attributes))


def _points(metric: Metric, instrument: str, samples: Iterable[Sample]) -> None:
    if instrument == "gauge":
        target = metric.gauge.data_points
    else:
        metric.sum.aggregation_temporality = (
            AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
            if instrument == "delta"
            else AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        metric.sum.is_monotonic = instrument != "updown"
        target = metric.sum.data_points
    for sample in samples:
        point = target.add(time_unix_nano=sample.time, start_time_unix_nano=sample.start)
        if sample.ended:
            point.flags = _NO_VALUE
        elif isinstance(sample.value, float):
            point.as_double = sample.value
        else:
            point.as_int = sample.value
        point.attributes.extend(_attributes(sample.attributes))


def _by_resource(items: Iterable[_Item]) -> Iterator[tuple[Resource, list[_Item]]]:
    groups: dict[str, tuple[Resource, list[_Item]]] = {}
    for item in items:
        resource = item.resource
        found = groups.get(resource.instance_id)
        if found is None:
            found = groups[resource.instance_id] = (resource, [])
        found[1].append(item)
    return iter(groups.values())


def resource_message(resource: Resource) -> ResourceMessage:
    return ResourceMessage(attributes=_attributes(resource.attributes))


def _attributes(attributes: Attributes) -> list[KeyValue]:
    return [_key_value(key, value) for key, value in attributes.items()]


@lru_cache(maxsize=16384, typed=True)
def _key_value(key: str, value: Value) -> KeyValue:
    """Cached: most attributes come from small sets, and copying a message costs a third of building it."""
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))
