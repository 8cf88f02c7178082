"""Spans to Grafana Tempo: OTLP over gRPC, the tenant in the metadata, trace data as it was sent.

gRPC because Tempo 1.5 reads the tenant of an OTLP/HTTP request nowhere. An acknowledged span is in Tempo's memory only until it
is a second or so old: what a kill of Tempo costs is said in docs/platform.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observastack.ingest.otlp import Batch
from observastack.ingest.otlp.spans import fault
from observastack.ingest.request import Request
from observastack.ingest.sinks.grpc import OK, RESOURCE_EXHAUSTED, Channel
from observastack.ingest.sinks.remote import Busy, RemoteSink
from observastack.store.rows import COLUMNS, row_fields, row_time
from observastack.store.write import Unavailable

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_MAX_MESSAGE, _MAX_SPANS = 2 << 20, 4000  # its receiver takes 4 MiB
_TOO_LARGE, _TOO_LONG = "TRACE_TOO_LARGE", "larger than max"  # of a trace, of a message
_Identity = tuple[bytes, bytes, int]
_BUSY = ("RATE_LIMITED", "LIVE_TRACES_EXCEEDED")  # its rate limit, its limit of live traces


class TempoSink(RemoteSink):
    keeps = "trace"

    def __init__(self, target: str, timeout_s: float) -> None:
        self._channel = Channel(target, timeout_s)

    def close(self) -> None:
        self._channel.close()

    def _put(self, request: Request, batch: Batch) -> None:
        kept = None if request.whole else {_identity(row) for row in batch.rows}
        if request.whole and len(request.otlp) <= _MAX_MESSAGE and len(batch.rows) <= _MAX_SPANS:
            self._send(request.tenant, request.otlp, batch, len(batch.rows))
        else:
            for message, spans in _cut(request.otlp, _MAX_SPANS, kept):
                self._send(request.tenant, message, batch, spans)

    def _send(self, tenant: str, message: bytes, batch: Batch, spans: int) -> None:
        """Raises Busy, Unavailable."""
        if not spans:
            return
        status, text = self._channel.unary(_METHOD, message, {"x-scope-orgid": tenant})
        if status == OK:
            return
        if (
            _TOO_LONG in text and spans > 1
        ):  # also said of what Tempo's own components pass on: it grows with the traces
            for part, some in _cut(message, (spans + 1) // 2):
                self._send(tenant, part, batch, some)
        elif _TOO_LONG in text or _TOO_LARGE in text:
            batch.refuse("refused by the trace store: too large", spans)
        elif status == RESOURCE_EXHAUSTED or any(known in text for known in _BUSY):
            raise Busy
        else:
            raise Unavailable(f"Tempo answers gRPC status {status}: {text[:200]}")


def _cut(body: bytes, most: int, kept: set[_Identity] | None = None) -> Iterator[tuple[bytes, int]]:
    """Messages of at most `most` spans and 2 MiB (or one span), with their numbers of spans. kept: only these, when given."""
    message, spans, size = ExportTraceServiceRequest(), 0, 0
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in group.scope_spans:
            target = None
            for span in scope.spans:
                if kept is not None and (
                    fault(span) or (span.trace_id, span.span_id, span.start_time_unix_nano) not in kept
                ):
                    continue
                length = span.ByteSize()
                if spans and (size + length > _MAX_MESSAGE or spans >= most):
                    yield message.SerializeToString(), spans
                    message, spans, size, target = ExportTraceServiceRequest(), 0, 0, None
                if target is None:
                    resource = message.resource_spans.add(resource=group.resource, schema_url=group.schema_url)
                    target = resource.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url)
                    size += group.resource.ByteSize() + scope.scope.ByteSize()
                target.spans.append(span)
                spans, size = spans + 1, size + length
    if spans:
        yield message.SerializeToString(), spans


def _identity(row: bytes) -> _Identity:
    """(trace id, span id, start in ns) of a row."""
    fields = dict(zip(COLUMNS["traces"], row_fields(row), strict=True))
    return fields["trace_id"] or b"", fields["span_id"] or b"", row_time(row)
