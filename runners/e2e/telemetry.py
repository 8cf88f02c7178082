"""Known items, and the OTLP/JSON requests that carry them (OpenTelemetry protocol, JSON Protobuf encoding)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Attribute = str | int | float | bool


@dataclass(frozen=True)
class Log:
    """One log record. time: ns since 1970."""

    time: int
    body: str
    severity: int = 9
    severity_text: str = "INFO"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True)
class Span:
    """One span. start, duration: ns. kind, status: OTLP's numbers."""

    start: int
    name: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    duration: int = 25_000_000
    kind: int = 2
    status: int = 0
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One sample of a gauge or, with counter, of a cumulative monotonic sum."""

    time: int
    name: str
    value: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    counter: bool = False


def new_trace_id() -> str:
    return secrets.token_hex(16)


def new_span_id() -> str:
    return secrets.token_hex(8)


def logs_request(service: str, logs: Sequence[Log]) -> dict[str, Any]:
    records = [
        {
            "timeUnixNano": str(one.time), "severityNumber": one.severity, "severityText": one.severity_text,
            "body": {"stringValue": one.body}, "attributes": _attributes(one.attributes),
            **({"traceId": one.trace_id} if one.trace_id else {}), **({"spanId": one.span_id} if one.span_id else {}),
        }
        for one in logs
    ]  # fmt: skip
    return {"resourceLogs": [{"resource": _resource(service), "scopeLogs": [{"logRecords": records}]}]}


def spans_request(service: str, spans: Sequence[Span]) -> dict[str, Any]:
    records = [
        {
            "traceId": one.trace_id, "spanId": one.span_id, "parentSpanId": one.parent_id, "name": one.name,
            "kind": one.kind, "startTimeUnixNano": str(one.start), "endTimeUnixNano": str(one.start + one.duration),
            "status": {"code": one.status}, "attributes": _attributes(one.attributes),
        }
        for one in spans
    ]  # fmt: skip
    return {"resourceSpans": [{"resource": _resource(service), "scopeSpans": [{"spans": records}]}]}


def points_request(service: str, points: Sequence[Point]) -> dict[str, Any]:
    by_name: dict[tuple[str, bool], list[Point]] = {}
    for one in points:
        by_name.setdefault((one.name, one.counter), []).append(one)
    metrics = []
    for (name, counter), group in by_name.items():
        data: dict[str, Any] = {
            "dataPoints": [
                {"timeUnixNano": str(one.time), "asDouble": one.value, "attributes": _attributes(one.attributes)}
                for one in group
            ]
        }
        if counter:
            data |= {"aggregationTemporality": 2, "isMonotonic": True}
        metrics.append({"name": name, "unit": "1", "sum" if counter else "gauge": data})
    return {"resourceMetrics": [{"resource": _resource(service), "scopeMetrics": [{"metrics": metrics}]}]}


def _resource(service: str) -> dict[str, Any]:
    return {"attributes": _attributes({"service.name": service})}


def _attributes(values: Mapping[str, Attribute]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Attribute) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
