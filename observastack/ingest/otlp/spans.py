"""ExportTraceServiceRequest to rows."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from observastack import defects
from observastack.ingest.otlp.batch import Batch, Dictionary
from observastack.ingest.otlp.values import attributes, clean, to_json
from observastack.store.rows import INT64_MAX, NULL, field, span_row

_ZERO_TRACE, _ZERO_SPAN = bytes(16), bytes(8)


def decode_spans(body: bytes, tenant: int, dictionary: Dictionary, first_id: int, now: int) -> Batch:  # noqa: ARG001 - a span has a time of its own
    """Raises DecodeError."""
    batch = Batch("traces")
    item = first_id
    orphaned, eventless = defects.active("span_parent_lost"), defects.active("span_events_lost")
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = dictionary.resource(tenant, group.resource, batch)
        for scope in group.scope_spans:
            for span in scope.spans:
                if reason := fault(span):
                    batch.reject(reason)
                    continue
                start, end, parent = (
                    min(span.start_time_unix_nano, INT64_MAX),
                    span.end_time_unix_nano,
                    span.parent_span_id,
                )
                message = span.status.message
                batch.rows.append(
                    span_row(
                        ts=start,
                        item=item,
                        resource=resource.resource_id,
                        duration=end - start if end else 0,
                        span_id=span.span_id,
                        parent_id=b"" if parent == _ZERO_SPAN or orphaned else parent,
                        trace_id=span.trace_id,
                        kind=span.kind,
                        status=span.status.code,
                        service=resource.service_field,
                        name=field(clean(span.name).encode()),
                        status_message=field(clean(message).encode()) if message else NULL,
                        attrs=to_json(attributes(span.attributes)),
                        events=_events(span) if span.events and not eventless else None,
                        links=_links(span) if span.links else None,
                    )
                )
                item += 1
    return batch


def fault(span: Span) -> str | None:
    """Why the span cannot be stored."""
    if len(span.trace_id) != 16 or span.trace_id == _ZERO_TRACE or len(span.span_id) != 8 or span.span_id == _ZERO_SPAN:
        return "trace_id must have 16 bytes and span_id 8, not all zero"
    if len(span.parent_span_id) not in (0, 8):
        return "parent_span_id must have 8 bytes"
    if not (0 <= span.kind <= 5 and 0 <= span.status.code <= 2):
        return "unknown kind or status code"
    if span.end_time_unix_nano > INT64_MAX:
        return "end time beyond the year 2262"
    return None


def _events(span: Span) -> bytes:
    return to_json(
        [
            {
                # a text, as in OTLP/JSON: beyond 2^53 many JSON readers lose digits
                "time_unix_nano": str(event.time_unix_nano),
                "name": clean(event.name),
                "attributes": attributes(event.attributes),
            }
            for event in span.events
        ]
    )


def _links(span: Span) -> bytes:
    return to_json(
        [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": attributes(link.attributes),
            }
            for link in span.links
        ]
    )
