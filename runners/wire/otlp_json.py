"""OTLP export requests as JSON, one a line: what the OpenTelemetry Collector's file exporter writes.

Ids are hex and 64-bit integers are decimal strings, as the OTLP specification (JSON Protobuf encoding) demands.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runners.ledger.items import Signal

_REQUESTS: dict[Signal, Callable[[bytes], Any]] = {
    "logs": ExportLogsServiceRequest.FromString,
    "traces": ExportTraceServiceRequest.FromString,
    "metrics": ExportMetricsServiceRequest.FromString,
}
_IDS = ("traceId", "spanId", "parentSpanId")


def to_json(signal: Signal, body: bytes | memoryview) -> bytes:
    """One protobuf export request as one line of OTLP/JSON, without the newline."""
    document = MessageToDict(_REQUESTS[signal](bytes(body)), use_integers_for_enums=True)
    for item in _identified(document):
        for link in item.get("links", ()):
            _hex(link)
        _hex(item)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _hex(item: dict[str, Any]) -> None:
    for name in _IDS:
        if name in item:  # protobuf's JSON mapping writes bytes as base64, OTLP wants hex
            item[name] = base64.b64decode(item[name]).hex()


def _identified(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        item
        for outer, inner, leaf in (
            ("resourceLogs", "scopeLogs", "logRecords"),
            ("resourceSpans", "scopeSpans", "spans"),
        )
        for resource in document.get(outer, [])
        for scope in resource.get(inner, [])
        for item in scope.get(leaf, [])
    ]
