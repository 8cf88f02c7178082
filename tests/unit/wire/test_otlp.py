"""What the encoder writes is what a decoder reads: every field of every item, by protobuf's own classes."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from google.protobuf.json_format import Parse
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runners.ledger.items import LogRecord, Resource, Sample, Span, SpanEvent, SpanLink
from runners.wire.otlp import encode, encode_logs, encode_metrics, encode_traces
from runners.wire.otlp_json import to_json

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.text("abcdefghij._", min_size=1, max_size=10)
TIMES = st.integers(1, 2**63 - 1)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
ATTRIBUTES = st.dictionaries(NAMES, VALUES, max_size=5)
RESOURCES = st.sampled_from(
    [Resource(name, name, {"service.name": name, "app.tenant": "acme", "app.on": True}) for name in ("a", "b", "c")]
)
EVENTS = st.builds(SpanEvent, TIMES, TEXT, ATTRIBUTES)
LINKS = st.builds(SpanLink, st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), ATTRIBUTES)
SPANS = st.builds(
    Span, st.integers(0, 9), RESOURCES, st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8),
    st.sampled_from([b"", b"parent!!"]), TEXT, st.integers(1, 5), TIMES, TIMES, st.integers(0, 2), TEXT, ATTRIBUTES,
    st.lists(EVENTS, max_size=2).map(tuple), st.lists(LINKS, max_size=2).map(tuple),
)  # fmt: skip
LOGS = st.builds(
    LogRecord, st.integers(0, 9), RESOURCES, TIMES, st.integers(1, 24), TEXT, TEXT, st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8), ATTRIBUTES,
)  # fmt: skip
SAMPLES = st.builds(
    Sample, st.integers(0, 9), RESOURCES, NAMES, st.sampled_from(["1", "By"]),
    st.sampled_from(["gauge", "updown", "counter", "delta"]), TIMES, TIMES,
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), ATTRIBUTES,
)  # fmt: skip


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def by_resource(items: list[Any]) -> list[Any]:
    order = list(dict.fromkeys(item.resource.instance_id for item in items))
    return sorted(items, key=lambda item: order.index(item.resource.instance_id))


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Equal, and of equal types: True is not 1."""
    return one == two and {key: type(value) for key, value in one.items()} == {k: type(v) for k, v in two.items()}


@given(st.lists(LOGS, max_size=8))
def test_log_records_read_back(records: list[LogRecord]) -> None:
    read = [
        (entry.resource, record)
        for entry in ExportLogsServiceRequest.FromString(encode_logs(records)).resource_logs
        for record in entry.scope_logs[0].log_records
    ]
    assert len(read) == len(records)
    for sent, (resource, got) in zip(by_resource(records), read, strict=True):
        assert same(attributes(resource.attributes), dict(sent.resource.attributes))
        assert same(attributes(got.attributes), dict(sent.attributes))
        assert (got.time_unix_nano, got.body.string_value) == (sent.time, sent.body)
        assert (got.severity_number, got.severity_text) == (sent.severity_number, sent.severity_text)
        assert (got.trace_id, got.span_id) == (sent.trace_id, sent.span_id)


@given(st.lists(SPANS, max_size=8))
def test_spans_read_back(spans: list[Span]) -> None:
    read = [
        (entry.resource, span)
        for entry in ExportTraceServiceRequest.FromString(encode_traces(spans)).resource_spans
        for span in entry.scope_spans[0].spans
    ]
    assert len(read) == len(spans)
    for sent, (resource, got) in zip(by_resource(spans), read, strict=True):
        assert same(attributes(resource.attributes), dict(sent.resource.attributes))
        assert same(attributes(got.attributes), dict(sent.attributes))
        assert (got.trace_id, got.span_id, got.parent_span_id) == (sent.trace_id, sent.span_id, sent.parent_span_id)
        assert (got.name, got.kind) == (sent.name, sent.kind)
        assert (got.start_time_unix_nano, got.end_time_unix_nano) == (sent.start, sent.end)
        assert got.status.code == sent.status_code
        assert got.status.message == (sent.status_message if sent.status_code else "")
        assert [(e.time_unix_nano, e.name, attributes(e.attributes)) for e in got.events] == [
            (e.time, e.name, dict(e.attributes)) for e in sent.events
        ]
        assert [(e.trace_id, e.span_id, attributes(e.attributes)) for e in got.links] == [
            (e.trace_id, e.span_id, dict(e.attributes)) for e in sent.links
        ]


@given(st.lists(SAMPLES, max_size=8))
def test_samples_read_back(samples: list[Sample]) -> None:
    read = [
        (entry.resource, metric, point)
        for entry in ExportMetricsServiceRequest.FromString(encode_metrics(samples)).resource_metrics
        for metric in entry.scope_metrics[0].metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]
    assert len(read) == len(samples)
    for sent, (resource, metric, point) in zip(by_resource(samples), read, strict=True):
        assert same(attributes(resource.attributes), dict(sent.resource.attributes))
        assert same(attributes(point.attributes), dict(sent.attributes))
        assert point.flags == sent.ended
        if sent.ended:  # there is none
            assert point.WhichOneof("value") is None
        else:
            value = getattr(point, point.WhichOneof("value"))
            assert value == sent.value and type(value) is type(sent.value)
        assert (metric.name, metric.unit, point.time_unix_nano) == (sent.name, sent.unit, sent.time)
        assert metric.WhichOneof("data") == ("gauge" if sent.instrument == "gauge" else "sum")
        if sent.instrument != "gauge":
            assert metric.sum.aggregation_temporality == (1 if sent.instrument == "delta" else 2)
            assert metric.sum.is_monotonic == (sent.instrument != "updown")
            assert point.start_time_unix_nano == sent.start


@given(st.lists(SPANS, min_size=1, max_size=4))
def test_the_json_form_says_the_same(spans: list[Span]) -> None:
    body = encode_traces(spans)
    document = json.loads(to_json("traces", body))
    told = [span for entry in document["resourceSpans"] for span in entry["scopeSpans"][0]["spans"]]
    assert [span["traceId"] for span in told] == [span.trace_id.hex() for span in by_resource(spans)]
    for span in told:
        for name in ("traceId", "spanId", "parentSpanId"):
            span.pop(name, None)
        for link in span.get("links", ()):
            link.pop("traceId"), link.pop("spanId")
    plain = Parse(json.dumps(document), ExportTraceServiceRequest())
    expected = ExportTraceServiceRequest.FromString(body)
    for entry in expected.resource_spans:
        for span in entry.scope_spans[0].spans:
            for field in ("trace_id", "span_id", "parent_span_id"):
                span.ClearField(field)
            for link in span.links:
                link.ClearField("trace_id")
                link.ClearField("span_id")
    assert plain == expected


@pytest.mark.parametrize("signal", ["logs", "traces", "metrics"])
def test_nothing_is_an_empty_request(signal: str) -> None:
    assert encode(cast("Any", signal), []) == b""
