"""Items of all accounts in memory, in the shapes that this platform shows them in."""

from __future__ import annotations

import bisect
import itertools
import threading
from collections import defaultdict
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Row = dict[str, Any]
REQUESTS = {
    "logs": ExportLogsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


class Store:
    """Rows in order of time, per account and kind; an export request is stored whole or not at all."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[tuple[int, int, Row]]] = defaultdict(list)
        self._traces: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self._numbers = itertools.count()
        self._seen: dict[tuple[str, str], bool] = {}
        self._lock = threading.Lock()

    def add(self, account: str, kind: str, request: Any, key: str | None) -> None:
        rows = list({"logs": _logs, "traces": _spans, "metrics": _points}[kind](request))
        with self._lock:
            if key is not None and self._seen.setdefault((account, key), False):
                return
            for row in rows:
                row["ref"] = f"{kind}/{next(self._numbers)}"
                bisect.insort(self._rows[account, kind], (row["at"], next(self._numbers), row))
                if kind == "traces":
                    self._traces[account, row["trace"]].append(row)
            if key is not None:
                self._seen[account, key] = True

    def find(
        self,
        account: str,
        kind: str,
        *,
        since: int,
        until: int,
        text: str | None,
        top: int,
        before: tuple[int, int] | None,
    ) -> tuple[list[Row], tuple[int, int] | None]:
        """Newest first, and where the next page begins; None when there is none."""
        with self._lock:
            rows = self._rows[account, kind]
            high = bisect.bisect_left(rows, (until,)) if before is None else bisect.bisect_left(rows, before)
            found: list[tuple[int, int, Row]] = []
            for place in range(high - 1, -1, -1):
                if rows[place][0] < since or len(found) > top:
                    break
                if text is None or text in rows[place][2]["text"]:
                    found.append(rows[place])
        more = found[top - 1][:2] if len(found) > top else None
        return [row for _, _, row in found[:top]], more

    def all(self, account: str, kind: str, since: int, until: int) -> list[Row]:
        with self._lock:
            rows = self._rows[account, kind]
            part = rows[bisect.bisect_left(rows, (since,)) : bisect.bisect_left(rows, (until,))]
        return [row for _, _, row in part]

    def trace(self, account: str, trace: str) -> list[Row]:
        with self._lock:
            return list(self._traces.get((account, trace), ()))


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _pairs(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def _pairs(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _resource(resource: Any) -> tuple[str, dict[str, Any]]:
    tags = _pairs(resource.attributes)
    return str(tags.get("service.name", "?")), tags


def _logs(request: Any) -> Any:
    for group in request.resource_logs:
        app, host = _resource(group.resource)
        for record in itertools.chain.from_iterable(scope.log_records for scope in group.scope_logs):
            yield {
                "at": record.time_unix_nano, "app": app, "host": host, "text": str(_value(record.body)),
                "level": record.severity_number, "level_name": record.severity_text, "tags": _pairs(record.attributes),
                "trace": record.trace_id.hex(), "span": record.span_id.hex(),
            }  # fmt: skip


def _spans(request: Any) -> Any:
    for group in request.resource_spans:
        app, host = _resource(group.resource)
        for span in itertools.chain.from_iterable(scope.spans for scope in group.scope_spans):
            yield {
                "at": span.start_time_unix_nano, "app": app, "host": host, "text": span.name, "trace": span.trace_id.hex(),
                "span": span.span_id.hex(), "above": span.parent_span_id.hex(), "sort": span.kind, "code": span.status.code,
                "note": span.status.message, "took": span.end_time_unix_nano - span.start_time_unix_nano,
                "tags": _pairs(span.attributes),
                "marks": [
                    {"time_unix_nano": str(event.time_unix_nano), "name": event.name, "attributes": _pairs(event.attributes)}
                    for event in span.events
                ],
            }  # fmt: skip


def _points(request: Any) -> Any:
    for group in request.resource_metrics:
        app, host = _resource(group.resource)
        for metric in itertools.chain.from_iterable(scope.metrics for scope in group.scope_metrics):
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                number = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
                yield {
                    "at": point.time_unix_nano, "app": app, "host": host, "text": metric.name, "unit": metric.unit,
                    "form": kind, "number": number, "tags": _pairs(point.attributes),
                }  # fmt: skip
