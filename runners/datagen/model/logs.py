"""Log records of a request: what each visit wrote, with the trace context of its span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runners.datagen.model.requests import Request
from runners.datagen.model.shapes import MAX_VISITS, Visit
from runners.ledger.identity import Identity
from runners.ledger.items import ITEM_ATTRIBUTE, LogRecord, Resource, Value


def logs(request: Request, identity: Identity, tenant: int, fleet: Sequence[Resource], per: int) -> Iterator[LogRecord]:
    """Records in the order of visits, not of time. per: instances of each service."""
    trace_id = identity.trace_id(tenant, request.number)
    first = number = request.number * MAX_VISITS
    for position, (visit, (start, end)) in enumerate(zip(request.shape.visits, request.times, strict=True)):
        resource = fleet[visit.service * per + request.instances[visit.service]]
        for line in visit.lines:
            severity_number, severity_text = line.severity
            yield LogRecord(
                number,
                resource,
                start + (end - start) * round(line.at * 100) // 100,
                severity_number,
                severity_text,
                line.body.format_map(request.fields),
                trace_id,
                identity.span_id(tenant, first + position),
                _attributes(visit, request, start, end, identity.log_id(tenant, number)),
            )
            number += 1


def _attributes(visit: Visit, request: Request, start: int, end: int, item_id: str) -> dict[str, Value]:
    fields = request.fields
    attributes: dict[str, Value] = {
        "code.function.name": f"{visit.operation.service}.handlers.{visit.operation.name.split(' ')[0].lower()}",
        "thread.id": 1 + request.number % 16,
        "user.id": fields["user"],
        "app.duration_us": (end - start) // 1000,
        ITEM_ATTRIBUTE: item_id,
    }
    if (status := visit.http_status) is not None:
        attributes["http.response.status_code"] = status
    if visit.error is not None:
        attributes["exception.type"] = visit.error[0]
        attributes["exception.message"] = visit.error[1].format_map(fields)
    return attributes
