"""Traces of Tempo as search items: the protobuf answer is OTLP, so that every type comes back as it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from observastack.backend.search.item import item
from observastack.backend.stores.ports import Row
from observastack.backend.stores.remote.client import unusable
from observastack.ingest.otlp.values import attributes, clean, to_json

_NO_PARENT = (b"", bytes(8))
_MAX_SERVICE = 255


def rows(body: bytes) -> list[Row]:
    """The spans in order of start; one that Tempo holds twice is there once. Raises SourceFailed for anything else.

    The message `tempopb.Trace` has the field numbers of OTLP's TracesData, also where the names are older ones.
    """
    try:
        found = dict(_spans(TracesData.FromString(body)))
    except (DecodeError, ValueError):
        raise unusable() from None
    return sorted(found.values(), key=lambda row: row[:2])


def _spans(trace: TracesData) -> Iterator[tuple[tuple[int, int], Row]]:
    for group in trace.resource_spans:
        resource = attributes(group.resource.attributes)
        name = resource.get("service.name")
        service = name[:_MAX_SERVICE] if isinstance(name, str) and name else "unknown_service"
        for scope in group.scope_spans:
            for span in scope.spans:
                row = _row(span, service, resource)
                yield row[:2], row


def _row(span: Span, service: str, resource: dict[str, Any]) -> Row:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    content = {
        "name": clean(span.name),
        "span_id": span.span_id.hex(),
        "parent_span_id": None if span.parent_span_id in _NO_PARENT else span.parent_span_id.hex(),
        "kind": int(span.kind),
        "status_code": int(span.status.code),
        "status_message": clean(span.status.message) or None,
        "duration_ns": end - start if end else 0,
        "attributes": attributes(span.attributes),
        "events": [
            {
                "time_unix_nano": str(event.time_unix_nano),
                "name": clean(event.name),
                "attributes": attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": attributes(link.attributes)}
            for link in span.links
        ],
        "resource": resource,
    }
    # Through JSON: the same values as from the embedded store, which filters can be evaluated on.
    plain: dict[str, Any] = orjson.loads(to_json(content))
    digest = blake2b(span.trace_id + span.span_id + bytes([span.kind]), digest_size=8).digest()
    tie = int.from_bytes(digest, "big", signed=True)
    found = item("traces", (start, f"{tie & (1 << 64) - 1:016x}"), service, span.trace_id.hex(), plain)
    return start, tie, found
