"""The decoders as specifications: JSON means what protobuf means, the walker means what the parser means."""

from __future__ import annotations

import base64
import gzip
import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Exemplar,
    ExponentialHistogram,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)  # fmt: skip
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from observastack.ingest.body import gunzip, unzstd
from observastack.ingest.otlp import BadRequest, Batch, Dictionary, TooLarge, decode
from observastack.ingest.otlp.samples import Unusual, parse, walk
from observastack.ingest.otlp.values import attributes, number, to_json
from observastack.store.rows import Signal, natural_key, row_fields
from observastack.tests.gateway import gauge, metrics, pairs, point, value

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
NOW = 1_790_000_000 * 10**9
doubles = st.floats(allow_nan=False) | st.just(math.nan)  # one NaN: JSON cannot tell them apart
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ints = st.integers(-(2**63), 2**63 - 1)
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | ints | doubles | texts | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(texts | st.just("service.name"), anything, max_size=4)
times = st.sampled_from([0, 1, NOW, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
ids16 = st.binary(min_size=16, max_size=16) | st.sampled_from([b"", bytes(16), b"short"])
ids8 = st.binary(min_size=8, max_size=8) | st.sampled_from([b"", bytes(8), b"short"])
points = st.builds(
    lambda ts, content, flags, attrs, start, exemplar: NumberDataPoint(
        time_unix_nano=ts, start_time_unix_nano=start, flags=flags, attributes=pairs(attrs),
        exemplars=[Exemplar(as_int=1, trace_id=bytes(16))] if exemplar else [], **content,
    ),
    times,
    doubles.map(lambda x: {"as_double": x}) | ints.map(lambda x: {"as_int": x}) | st.just({}),
    st.sampled_from([0, 0, 0, 1, 2, 256]), maps, st.sampled_from([0, NOW]), st.sampled_from([False, False, False, True]),
)  # fmt: skip


@st.composite
def log_requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_logs.add(resource=Resource(attributes=pairs(draw(maps))))
        for _ in range(draw(st.integers(0, 3))):
            record = group.scope_logs.add().log_records.add(
                time_unix_nano=draw(times), observed_time_unix_nano=draw(times), severity_text=draw(texts),
                trace_id=draw(ids16), span_id=draw(ids8), attributes=pairs(draw(maps)), body=value(draw(anything)),
            )  # fmt: skip
            record.severity_number = draw(st.sampled_from([0, 1, 9, 24, 25, -1, 70_000]))  # type: ignore[assignment]  # numbers outside the enum on purpose
    return request


@st.composite
def trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_spans.add(resource=Resource(attributes=pairs(draw(maps))))
        for _ in range(draw(st.integers(0, 3))):
            span = group.scope_spans.add().spans.add(
                trace_id=draw(ids16), span_id=draw(ids8), parent_span_id=draw(ids8), name=draw(texts),
                start_time_unix_nano=draw(times), end_time_unix_nano=draw(times), attributes=pairs(draw(maps)),
            )  # fmt: skip
            span.kind = draw(st.sampled_from([0, 1, 5, 6]))  # type: ignore[assignment]  # numbers outside the enum on purpose
            span.status.code = draw(st.sampled_from([0, 1, 2, 3]))  # type: ignore[assignment]  # numbers outside the enum on purpose
            span.status.message = draw(texts)
            for _ in range(draw(st.integers(0, 2))):
                span.events.add(time_unix_nano=draw(times), name=draw(texts), attributes=pairs(draw(maps)))
                span.links.add(trace_id=draw(ids16), span_id=draw(ids8), attributes=pairs(draw(maps)))
    return request


@st.composite
def metric_requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_metrics.add(resource=Resource(attributes=pairs(draw(maps))))
        for _ in range(draw(st.integers(0, 3))):
            metric = Metric(name=draw(texts), description=draw(texts), unit=draw(texts))
            kind = draw(st.sampled_from(["gauge", "sum", "sum", "histogram", "exponential", "none"]))
            content = draw(st.lists(points, max_size=4))
            if kind == "gauge":
                metric.gauge.CopyFrom(Gauge(data_points=content))
            elif kind == "sum":
                metric.sum.CopyFrom(Sum(data_points=content, is_monotonic=draw(st.booleans())))
                metric.sum.aggregation_temporality = draw(st.sampled_from([0, 1, 2, 3]))  # type: ignore[assignment]  # numbers outside the enum on purpose
            elif kind == "histogram":
                metric.histogram.CopyFrom(Histogram(data_points=[HistogramDataPoint()] * len(content)))
            elif kind == "exponential":
                metric.exponential_histogram.CopyFrom(ExponentialHistogram())
            group.scope_metrics.add().metrics.append(metric)
    return request


def otlp_json(message: Message) -> bytes:
    """OTLP/JSON, written independently of the decoder: protobuf JSON, ids in hexadecimal, enums as numbers."""

    def hexadecimal(node: Any) -> Any:
        if isinstance(node, list):
            return [hexadecimal(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            key: base64.b64decode(item).hex() if key in ("traceId", "spanId", "parentSpanId") else hexadecimal(item)
            for key, item in node.items()
        }

    return json.dumps(hexadecimal(MessageToDict(message, use_integers_for_enums=True))).encode()


def run(signal: Signal, body: bytes, *, as_json: bool = False, dictionary: Dictionary | None = None) -> Batch:
    return decode(
        signal, body, json=as_json, tenant=1, dictionary=dictionary or Dictionary(), first_id=1 << 20, now=NOW
    )


@settings(max_examples=150, deadline=None)
@given(log_requests())
def test_logs_in_json_mean_the_same_as_in_protobuf(request: ExportLogsServiceRequest) -> None:
    assert run("logs", otlp_json(request), as_json=True) == run("logs", request.SerializeToString())


@settings(max_examples=150, deadline=None)
@given(trace_requests())
def test_traces_in_json_mean_the_same_as_in_protobuf(request: ExportTraceServiceRequest) -> None:
    assert run("traces", otlp_json(request), as_json=True) == run("traces", request.SerializeToString())


@settings(max_examples=150, deadline=None)
@given(metric_requests())
def test_metrics_in_json_mean_the_same_as_in_protobuf(request: ExportMetricsServiceRequest) -> None:
    assert run("metrics", otlp_json(request), as_json=True) == run("metrics", request.SerializeToString())


@settings(max_examples=300, deadline=None)
@given(metric_requests())
def test_the_walker_reads_what_the_parser_reads_also_from_memory(request: ExportMetricsServiceRequest) -> None:
    body, dictionary = request.SerializeToString(), Dictionary()
    expected = parse(body, 1, Dictionary(), 0)
    for _ in range(2):  # the second time every series is remembered
        try:
            assert walk(body, 1, dictionary, 0) == expected
        except Unusual:
            assert run("metrics", body).rows == parse(body, 1, Dictionary(), 1 << 20).rows


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    for signal in ("logs", "traces", "metrics"):
        for as_json in (False, True):
            try:
                run(signal, body, as_json=as_json)
            except BadRequest:
                pass


@settings(max_examples=300, deadline=None)
@given(metric_requests(), st.data())
def test_the_walker_never_accepts_what_the_parser_refuses(
    request: ExportMetricsServiceRequest, data: st.DataObject
) -> None:
    body = bytearray(request.SerializeToString() + gauge("m", [point(1.5, a="b")]))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    mutated = bytes(body)

    def outcome(reader: Callable[[bytes, int, Dictionary, int], Batch]) -> Batch | str:
        try:
            return reader(mutated, 1, Dictionary(), 0)
        except DecodeError:
            return "refused"

    try:
        walked = outcome(walk)
    except (Unusual, IndexError, OverflowError) as left_to_the_parser:
        assert left_to_the_parser
    except Exception as error:
        assert type(error).__name__ == "error", error  # struct.error
    else:
        assert walked == outcome(parse)


def test_the_usual_encoding_is_walked_and_not_parsed() -> None:
    assert len(walk(gauge("m", [point(1.0, a=1), point(2, a=2), point(3.5)]), 1, Dictionary(), 0).rows) == 3


def test_points_with_fields_in_another_order_are_read_right() -> None:
    attribute = NumberDataPoint(attributes=pairs({"k": "v"})).SerializeToString()
    rest = NumberDataPoint(time_unix_nano=NOW, as_double=2.5).SerializeToString()
    shuffled = attribute + rest
    assert NumberDataPoint.FromString(shuffled) == NumberDataPoint.FromString(rest + attribute)
    usual = gauge("m", [point(2.5, ts=NOW, k="v")])
    assert usual.count(rest + attribute) == 1
    assert run("metrics", usual.replace(rest + attribute, shuffled)).rows == run("metrics", usual).rows


def test_two_requests_glued_together_are_one() -> None:
    first, second = gauge("m", [point(1.0, ts=NOW)]), gauge("n", [point(2.0, ts=NOW)])
    assert len(run("metrics", first + second).rows) == 2


def test_a_series_belongs_to_its_tenant_resource_and_labels() -> None:
    def series(body: bytes, tenant: int = 1) -> int:
        batch = decode("metrics", body, json=False, tenant=tenant, dictionary=dictionary, first_id=0, now=NOW)
        return next(iter(batch.series))

    dictionary = Dictionary()
    base = gauge("m", [point(1.0, a=1, b=2)])
    assert series(base) == series(gauge("m", [point(9.0, b=2, a=1)]))  # the order of attributes does not matter
    others = {
        series(base, 2), series(gauge("m", [point(1.0, a=1)])), series(gauge("m", [point(1.0, a="1", b=2)])),
        series(gauge("n", [point(1.0, a=1, b=2)])), series(gauge("m", [point(1.0, a=1, b=2)], unit="s")),
        series(gauge("m", [point(1.0, a=1, b=2)], service="cart")),
        series(metrics([Metric(name="m", unit="1", sum=Sum(data_points=[point(1.0, a=1, b=2)]))])),
    }  # fmt: skip
    assert len(others) == 7
    assert series(base) not in others


def test_dictionary_rows_are_brought_along_until_they_are_committed() -> None:
    dictionary = Dictionary()
    body = gauge("m", [point(1.0)])
    first = run("metrics", body, dictionary=dictionary)
    second = run("metrics", body, dictionary=dictionary)
    assert first.series == second.series != {}
    assert first.resources == second.resources != {}
    dictionary.committed(1, first)
    third = run("metrics", body, dictionary=dictionary)
    assert (third.series, third.resources) == ({}, {})


def churning(begin: int, number: int) -> bytes:
    """A request of one metric with so many series of their own, as when a session's id is a label."""
    return gauge("m", [point(1.0, session=f"session {one}", flow="check-out") for one in range(begin, begin + number)])


def histogram(begin: int, number: int) -> bytes:
    data_points = [
        HistogramDataPoint(attributes=pairs({"session": one}), count=1, sum=1, bucket_counts=[1])
        for one in range(begin, begin + number)
    ]
    return metrics([Metric(name="h", histogram=Histogram(data_points=data_points, aggregation_temporality=CUMULATIVE))])


@pytest.mark.parametrize("request_of", [churning, histogram])
@pytest.mark.parametrize("limit", [("_MAX_MEMO", 100), ("_MAX_MEMO_BYTES", 5_000)])
def test_series_that_come_and_go_for_ever_do_not_fill_the_memory(
    request_of: Callable[[int, int], bytes], limit: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"observastack.ingest.otlp.batch.{limit[0]}", limit[1])
    dictionary, most = Dictionary(), 0
    for begin in range(0, 3_000, 30):
        body = request_of(begin, 30)
        found = run("metrics", body, dictionary=dictionary)
        assert found.rows == run("metrics", body).rows, "what is forgotten is known again by the same number"
        most = max(most, len(dictionary.series))
    assert 50 < most < 500


def test_what_is_known_of_a_series_takes_no_more_than_a_kilobyte() -> None:
    dictionary, bodies = Dictionary(), [churning(begin, 500) for begin in range(0, 5_000, 500)]
    run("metrics", churning(0, 1), dictionary=dictionary)
    tracemalloc.start()
    try:
        for body in bodies:
            run("metrics", body, dictionary=dictionary)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(dictionary.series) < 1_000


@given(doubles)
def test_doubles_survive_positional_notation(content: float) -> None:
    text = to_json(number(content)).decode()
    if math.isfinite(content):
        assert "e" not in text
        assert isinstance(json.loads(text), float)
        assert json.loads(text) == content
    else:
        assert json.loads(text) in ("NaN", "Infinity", "-Infinity")


@given(st.lists(st.tuples(texts, anything), max_size=5))
def test_attributes_are_json_and_the_last_of_equal_keys_wins(content: list[tuple[str, Any]]) -> None:
    read = json.loads(to_json(attributes(KeyValue(key=key, value=value(item)) for key, item in content)))
    assert set(read) == {key.replace("\0", "\ufffd") for key, _ in content}
    if content and isinstance(content[-1][1], int):
        assert read[content[-1][0].replace("\0", "\ufffd")] == content[-1][1]


def test_the_natural_key_is_read_back_from_the_row() -> None:
    dictionary = Dictionary()
    body = gauge("m", [point(1.0, ts=NOW, a=1)])
    [row] = run("metrics", body, dictionary=dictionary).rows
    assert natural_key("metrics", row, dictionary.series) == {
        "name": "m", "attributes": b'{"a":1}', "time_unix_nano": str(NOW),
    }  # fmt: skip
    assert [None if item is None else len(item) for item in row_fields(row)] == [8, 8, 8, 8, None]


@pytest.mark.parametrize("limit", [0, 99])
def test_zstd_stops_at_the_limit_too(limit: int) -> None:
    with pytest.raises(TooLarge):
        unzstd(bytes(cramjam.zstd.compress(bytes(100))), limit)
    with pytest.raises(TooLarge):
        unzstd(bytes(cramjam.zstd.compress(bytes(50))) * 2, limit)
    assert unzstd(bytes(cramjam.zstd.compress(bytes(100))), 100) == bytes(100)


@pytest.mark.parametrize("body", [b"", b"x", bytes(cramjam.zstd.compress(b"abc" * 100))[:-2]])
def test_what_is_no_zstd_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="not a zstd body"):
        unzstd(body, 1000)


@pytest.mark.parametrize("limit", [0, 99])
def test_inflation_stops_at_the_limit(limit: int) -> None:
    with pytest.raises(TooLarge):
        gunzip(gzip.compress(bytes(100)), limit)
    assert gunzip(gzip.compress(bytes(100)) + gzip.compress(b"x"), 101) == bytes(100) + b"x"
    with pytest.raises(TooLarge):
        gunzip(gzip.compress(bytes(100)) + gzip.compress(b"xy"), 101)
