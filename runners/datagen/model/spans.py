"""Spans of a request: one per visit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runners.datagen.model.requests import Request
from runners.datagen.model.shapes import MAX_VISITS, Visit
from runners.ledger.identity import Identity
from runners.ledger.items import Resource, Span, SpanEvent, Value


def spans(request: Request, identity: Identity, tenant: int, fleet: Sequence[Resource], per: int) -> Iterator[Span]:
    """per: instances of each service. Parents come before children; a child lies inside its parent in time."""
    trace_id = identity.trace_id(tenant, request.number)
    first = request.number * MAX_VISITS
    ids = [identity.span_id(tenant, first + position) for position in range(len(request.shape.visits))]
    for position, (visit, (start, end)) in enumerate(zip(request.shape.visits, request.times, strict=True)):
        yield Span(
            first + position,
            fleet[visit.service * per + request.instances[visit.service]],
            trace_id,
            ids[position],
            ids[visit.parent] if visit.parent >= 0 else b"",
            visit.operation.name,
            visit.operation.kind,
            start,
            end,
            visit.status_code,
            visit.error[1].format_map(request.fields) if visit.error else "",
            _attributes(visit, request.fields),
            _events(visit, request.fields, end),
        )


def _attributes(visit: Visit, fields: dict[str, str]) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        key: value.format_map(fields) if isinstance(value, str) and "{" in value and key != "http.route" else value
        for key, value in visit.operation.attributes.items()
    }
    if (status := visit.http_status) is not None:
        attributes["http.response.status_code"] = status
    if visit.error is not None:
        attributes["error.type"] = visit.error[0]
    return attributes


def _events(visit: Visit, fields: dict[str, str], end: int) -> tuple[SpanEvent, ...]:
    if visit.error is None or not visit.origin:
        return ()
    kind, message = visit.error
    return (SpanEvent(end, "exception", {"exception.type": kind, "exception.message": message.format_map(fields)}),)
