"""Spans of requests: one per visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from runners.datagen.model.requests import Requests
from runners.datagen.model.shapes import MAX_VISITS, Visit
from runners.ledger.identity import Identity
from runners.ledger.items import Resource, Span, SpanEvent, SpanLink, Value


class SpanIds(NamedTuple):
    """parent: empty for a root; cause: trace id and span id that a link points to, empty where there is none."""

    trace: bytes
    span: bytes
    parent: bytes
    cause_trace: bytes = b""
    cause_span: bytes = b""


def spans(requests: Requests, identity: Identity, tenant: int, fleet: Sequence[Resource]) -> list[Span]:
    """Request by request; parents come before children, and a child lies inside its parent in time."""
    of = requests.tables
    numbers = requests.span_numbers.tolist()
    traces, rows = requests.trace_numbers.tolist(), requests.row.tolist()
    owners, firsts = requests.request.tolist(), requests.first.tolist()
    ids = [identity.span_id(tenant, number) for number in numbers]
    fields = [requests.fields(index) for index in range(len(requests))]
    found = []
    nested, base = np.flatnonzero(requests.nested).tolist(), requests.base.tolist()
    above = {index: identity.span_id(tenant, base[owners[index]] * MAX_VISITS) for index in nested}
    told = None if requests.heard is None else set(requests.heard.tolist())
    for index, (row, owner, start, end, instance) in enumerate(
        zip(rows, owners, requests.start.tolist(), requests.end.tolist(), requests.instance.tolist(), strict=True)
    ):
        if told is not None and index not in told:
            continue
        first, parent, link = firsts[owner], int(of.parent[row]), int(of.link[row])
        own = SpanIds(
            identity.trace_id(tenant, traces[index]), ids[index],
            ids[first + parent] if parent >= 0 else above.get(index, b""),
            *((identity.trace_id(tenant, traces[first + link]), ids[first + link]) if link >= 0 else ()),
        )  # fmt: skip
        visit = of.kinds[of.kind[row]]
        found.append(
            span(
                visit,
                fields[owner].of(visit),
                own,
                number=numbers[index],
                resource=fleet[instance],
                start=start,
                end=end,
            )
        )
    return found


def span(
    visit: Visit, fields: Mapping[str, str], ids: SpanIds, *, number: int, resource: Resource, start: int, end: int
) -> Span:
    """What a visit looks like as a span."""
    operation = visit.operation
    return Span(
        number, resource, ids.trace, ids.span, ids.parent, operation.name, operation.kind, start, end, visit.status_code,
        visit.error[1].format_map(fields) if visit.error else "", _attributes(visit, fields), _events(visit, fields, end),
        (SpanLink(ids.cause_trace, ids.cause_span, {}),) if ids.cause_span else (),
    )  # fmt: skip


def _attributes(visit: Visit, fields: Mapping[str, str]) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        key: value.format_map(fields) if isinstance(value, str) and "{" in value and key != "http.route" else value
        for key, value in visit.operation.attributes.items()
    }
    if visit.http_status is not None:
        attributes["http.response.status_code"] = visit.http_status
    if visit.attempt:
        attributes["http.request.resend_count"] = visit.attempt
    if visit.error is not None:
        attributes["error.type"] = visit.error[0]
    return attributes


def _events(visit: Visit, fields: Mapping[str, str], end: int) -> tuple[SpanEvent, ...]:
    if visit.error is None or not visit.origin:
        return ()
    kind, message = visit.error
    return (SpanEvent(end, "exception", {"exception.type": kind, "exception.message": message.format_map(fields)}),)
