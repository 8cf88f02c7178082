"""HTTP answers: OTLP export responses, and the error envelope of the platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from observastack import defects
from observastack.ingest.formats import JSON, PROTOBUF, Route
from observastack.store.rows import Signal


@dataclass(frozen=True, slots=True)
class Response:
    """headers: in addition to content-type and content-length, which `send` adds."""

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


def success(route: Route, rejected: int, message: str, request_id: str, *, json: bool) -> Response:
    """Export…ServiceResponse; partial_success is set when items were rejected.

    Loki and remote write know no partial success: theirs is a 400, which no client of theirs sends again, though the
    accepted items are stored. That is what Loki and Prometheus themselves answer.
    """
    signal = route.signal
    rejected = 0 if defects.active("partial_success_silent") else rejected
    if route.api != "otlp":
        return error(400, "partly_rejected", message, request_id) if rejected else Response(204, b"", "text/plain")
    if json:
        partial = {_REJECTED_JSON[signal]: str(rejected), "errorMessage": message}  # int64 is a text in protobuf's JSON
        return document(200, {"partialSuccess": partial} if rejected else {})
    return Response(200, _RESPONSES[signal](rejected, message) if rejected else b"", PROTOBUF)


def document(status: int, content: Any) -> Response:
    return Response(status, orjson.dumps(content), JSON)


def error(
    status: int, code: str, message: str, request_id: str, *, retry_after_s: int = 1,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:  # fmt: skip
    """{"error": {code, message, request_id, details}}; 429 and 503 say when to come again."""
    content = {"error": {"code": code, "message": message, "request_id": request_id, "details": []}}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if status in (429, 503):
        names.setdefault("retry-after", str(retry_after_s))
    return Response(status, orjson.dumps(content), JSON, names)


def _logs(rejected: int, message: str) -> bytes:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


def _traces(rejected: int, message: str) -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


def _metrics(rejected: int, message: str) -> bytes:
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


_RESPONSES: dict[Signal, Callable[[int, str], bytes]] = {"logs": _logs, "traces": _traces, "metrics": _metrics}
_REJECTED_JSON: dict[Signal, str] = {
    "logs": "rejectedLogRecords", "traces": "rejectedSpans", "metrics": "rejectedDataPoints",
}  # fmt: skip
