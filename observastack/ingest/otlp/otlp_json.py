"""OTLP/JSON to OTLP/protobuf.

The protobuf JSON mapping with two differences (OTLP specification, "JSON Protobuf Encoding"): trace and span ids are
hexadecimal, and unknown fields are ignored. Going through protobuf keeps one decoder and one set of checks per signal.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observastack.ingest.otlp.batch import BadRequest
from observastack.store.rows import Signal

_REQUESTS: dict[Signal, type[Message]] = {
    "logs": ExportLogsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_IDS = frozenset({"traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"})
# Fields below which an id can occur. Attributes are never entered: a key of theirs may be called traceId.
_PATH = frozenset(
    name
    for pair in (
        ("resourceLogs", "resource_logs"), ("scopeLogs", "scope_logs"), ("logRecords", "log_records"),
        ("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("spans", "spans"), ("links", "links"),
        ("resourceMetrics", "resource_metrics"), ("scopeMetrics", "scope_metrics"), ("metrics", "metrics"),
        ("gauge", "gauge"), ("sum", "sum"), ("histogram", "histogram"), ("exponentialHistogram", "exponential_histogram"),
        ("dataPoints", "data_points"), ("exemplars", "exemplars"),
    )
    for name in pair
)  # fmt: skip


def json_to_protobuf(signal: Signal, body: bytes) -> bytes:
    """Raises BadRequest."""
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise BadRequest(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadRequest("the JSON body must be an object")
    try:
        _rewrite_ids(document)
        return ParseDict(document, _REQUESTS[signal](), ignore_unknown_fields=True).SerializeToString()
    except BadRequest:
        raise
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequest(f"not an OTLP/JSON {signal} request: {error}") from error


def _rewrite_ids(node: dict[str, Any]) -> None:
    """Hexadecimal ids to base64, in place."""
    for key, value in node.items():
        if key in _IDS:
            node[key] = _base64_id(key, value)
        elif key in _PATH:
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, dict):
                    _rewrite_ids(item)


def _base64_id(key: str, value: Any) -> Any:
    if value is None:
        return None
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode()
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadRequest(f"{key} must be hexadecimal") from error
