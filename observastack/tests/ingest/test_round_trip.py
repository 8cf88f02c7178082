"""What was sent is what can be read: exact values of the three signals, in protobuf and JSON, plain and gzip."""

from __future__ import annotations

import gzip
import json
import math
import time
import uuid
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, Sum
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from observastack.config import Config
from observastack.tests.gateway import Gateway, Reader, gauge, logs, metrics, pairs, point
from observastack.tests.platform import Tokens


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    return shared_gateway


@pytest.fixture
def reader(shared_platform: Config) -> Reader:
    return Reader(shared_platform)


@pytest.fixture
def token(shared_platform: Config, tenant: str) -> str:
    return Tokens(shared_platform)(tenant)


ATTRIBUTES: dict[str, Any] = {
    "text": "naïve ☃ \"quoted\" \\ \n", "empty": "", "whole": 42, "large": 2**63 - 1, "negative": -(2**63),
    "double": 0.1, "one": 1.0, "huge": 1.7976931348623157e308, "tiny": 5e-324, "1e22": 1e22, "yes": True, "no": False,
    "none": None, "list": [1, "two", 3.5, [True]], "map": {"deep": {"er": [1e300]}},
}  # fmt: skip


def test_a_log_record_keeps_every_value(gateway: Gateway, reader: Reader, token: str, tenant: str) -> None:
    now, trace_id, span_id = time.time_ns(), uuid.uuid4(), uuid.uuid4().bytes[:8]
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(pairs({"service.name": "checkout", "host.name": "h-1", "pid": 7}))
    record = group.scope_logs.add().log_records.add(
        time_unix_nano=now, severity_text="Warning", trace_id=trace_id.bytes, span_id=span_id
    )
    record.severity_number = SeverityNumber.SEVERITY_NUMBER_WARN
    record.body.string_value = "payment failed ☃"
    record.attributes.extend(pairs(ATTRIBUTES))

    answer = gateway.post("logs", request.SerializeToString(), token)

    assert answer.status_code == 200
    assert ExportLogsServiceResponse.FromString(answer.content) == ExportLogsServiceResponse()
    [row] = reader.rows(
        tenant,
        "SELECT ts, severity, severity_text, trace_id, span_id, l.service, body, l.attrs, r.attrs FROM logs l "
        "JOIN resources r USING (tenant_id, resource_id)",
    )
    assert row[:7] == (
        now, 13, "Warning", trace_id, int.from_bytes(span_id, "big", signed=True), "checkout", "payment failed ☃"
    )  # fmt: skip
    assert row[7] == ATTRIBUTES
    assert {key: type(item) for key, item in row[7].items()} == {key: type(item) for key, item in ATTRIBUTES.items()}
    assert row[8] == {"service.name": "checkout", "host.name": "h-1", "pid": 7}


def test_a_span_keeps_every_value(gateway: Gateway, reader: Reader, token: str, tenant: str) -> None:
    now, trace_id = time.time_ns(), uuid.uuid4()
    span_id, parent = uuid.uuid4().bytes[:8], uuid.uuid4().bytes[:8]
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs({"service.name": "cart"}))
    span = group.scope_spans.add().spans.add(
        trace_id=trace_id.bytes, span_id=span_id, parent_span_id=parent, name="GET /cart", kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=now, end_time_unix_nano=now + 123_456_789,
    )  # fmt: skip
    span.attributes.extend(pairs(ATTRIBUTES))
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "boom"
    span.events.add(time_unix_nano=now + 5, name="exception", attributes=pairs({"line": 3}))
    span.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)))

    assert gateway.post("traces", request.SerializeToString(), token).status_code == 200

    [row] = reader.rows(
        tenant,
        "SELECT ts, duration, trace_id, span_id, parent_id, name, kind, status, status_message, service, attrs, events, "
        "links FROM spans",
    )
    assert row[:10] == (
        now, 123_456_789, trace_id, int.from_bytes(span_id, "big", signed=True),
        int.from_bytes(parent, "big", signed=True), "GET /cart", 2, 2, "boom", "cart",
    )  # fmt: skip
    assert row[10] == ATTRIBUTES
    assert row[11] == [{"time_unix_nano": str(now + 5), "name": "exception", "attributes": {"line": 3}}]
    assert row[12] == [{"trace_id": bytes(range(16)).hex(), "span_id": bytes(range(8)).hex(), "attributes": {}}]


@pytest.mark.parametrize("sent", [0.1, -0.0, 1e308, 5e-324, math.inf, -math.inf, 0, 42, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_sample_keeps_its_value(gateway: Gateway, reader: Reader, token: str, tenant: str, sent: float) -> None:
    now = time.time_ns()
    assert gateway.post("metrics", gauge("queue.depth", [point(sent, ts=now, shard=3)]), token).status_code == 200

    [row] = reader.rows(
        tenant,
        "SELECT ts, value, int_value, name, type, unit, service, labels FROM samples JOIN series USING (tenant_id, series_id)",
    )
    assert row[0] == now
    assert (row[1] if row[2] is None else row[2]) == sent
    assert row[3:] == ("queue.depth", 1, "1", "checkout", {"shard": 3})


def test_nan_is_stored_as_a_sample_and_as_text_in_attributes(
    gateway: Gateway, reader: Reader, token: str, tenant: str
) -> None:
    assert gateway.post("metrics", gauge("ratio", [point(math.nan)]), token).status_code == 200
    assert (
        gateway.post("logs", logs(["x"], attributes={"ratio": math.nan, "least": -math.inf}), token).status_code == 200
    )

    assert math.isnan(reader.rows(tenant, "SELECT value FROM samples")[0][0])
    assert reader.rows(tenant, "SELECT attrs FROM logs") == [({"ratio": "NaN", "least": "-Infinity"},)]


def test_nul_characters_become_replacement_characters(
    gateway: Gateway, reader: Reader, token: str, tenant: str
) -> None:
    assert gateway.post("logs", logs(["a\0b"], attributes={"k\0": "v\0"}), token).status_code == 200
    assert reader.rows(tenant, "SELECT body, attrs FROM logs") == [("a\ufffdb", {"k\ufffd": "v\ufffd"})]


def test_sums_keep_temporality_and_monotonicity(gateway: Gateway, reader: Reader, token: str, tenant: str) -> None:
    total = Metric(
        name="requests", unit="{request}", description="all of them",
        sum=Sum(data_points=[point(7, code="200")], aggregation_temporality=2, is_monotonic=True),  # type: ignore[arg-type]
    )  # fmt: skip
    assert gateway.post("metrics", metrics([total]), token).status_code == 200
    assert reader.rows(tenant, "SELECT type, temporality, monotonic, unit, description FROM series") == [
        (2, 2, True, "{request}", "all of them")
    ]


def test_a_series_is_stored_once_and_a_resource_is_stored_once(
    gateway: Gateway, reader: Reader, token: str, tenant: str
) -> None:
    for number in range(5):
        assert gateway.post("metrics", gauge("depth", [point(number, shard=1)]), token).status_code == 200
        assert gateway.post("logs", logs(["x"]), token).status_code == 200
    assert (reader.count(tenant, "samples"), reader.count(tenant, "series"), reader.count(tenant, "resources")) == (
        5,
        1,
        1,
    )


def test_json_and_gzip_are_accepted_and_answered_in_kind(
    gateway: Gateway, reader: Reader, token: str, tenant: str
) -> None:
    now, trace_id = time.time_ns(), uuid.uuid4()
    document = {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]},
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "timeUnixNano": str(now), "severityNumber": 9, "traceId": trace_id.hex.upper(),
                                "body": {"stringValue": "json"}, "unknownField": 1,
                                "attributes": [{"key": "traceId", "value": {"intValue": "5"}}],
                            }
                        ]
                    }
                ],
            }
        ]
    }  # fmt: skip
    body = json.dumps(document).encode()
    plain = gateway.post("logs", body, token, content_type="application/json; charset=utf-8")
    zipped = gateway.post("logs", gzip.compress(body), token, content_type="application/json", content_encoding="gzip")
    two = gzip.compress(logs(["p"], ts=now)[:10]) + gzip.compress(logs(["p"], ts=now)[10:])
    members = gateway.post("logs", two, token, content_encoding="gzip")

    assert (plain.status_code, zipped.status_code, members.status_code) == (200, 200, 200)
    assert plain.headers["content-type"] == "application/json"
    assert plain.json() == {}
    assert (
        reader.rows(tenant, "SELECT ts, trace_id, body, attrs FROM logs WHERE body = 'json'")
        == [(now, trace_id, "json", {"traceId": 5})] * 2
    )
    assert reader.count(tenant, "logs") == 3
