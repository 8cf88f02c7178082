"""One row of a signal table to one search item; the statements that make the rows."""

from __future__ import annotations

from typing import Any

import orjson

from observastack.backend.search.item import item as common_item
from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import Item
from observastack.backend.wire import hex_id, number

TYPES = {1: "gauge", 2: "sum"}

_SELECT: dict[SourceName, tuple[str, str]] = {
    "logs": (
        "s.ts, s.id, s.service, s.trace_id::text, s.span_id, s.severity, s.severity_text, s.body, s.attrs, r.attrs",
        "logs s LEFT JOIN resources r ON r.tenant_id = s.tenant_id AND r.resource_id = s.resource_id",
    ),
    "traces": (
        "s.ts, s.id, s.service, s.trace_id::text, s.span_id, s.parent_id, s.name, s.kind, s.status, s.status_message,"
        " s.duration, s.attrs, s.events, s.links, r.attrs",
        "spans s LEFT JOIN resources r ON r.tenant_id = s.tenant_id AND r.resource_id = s.resource_id",
    ),
    "metrics": (
        "s.ts, s.id, x.service, x.name, x.type, x.unit, s.value, s.int_value, x.monotonic, x.temporality, x.labels,"
        " r.attrs",
        "samples s JOIN series x ON x.tenant_id = s.tenant_id AND x.series_id = s.series_id"
        " LEFT JOIN resources r ON r.tenant_id = x.tenant_id AND r.resource_id = x.resource_id",
    ),
}


# Whoever reads samples is not shown markers of series that have ended (`store.rows.STALE`). Only a NaN is looked at closely.
_SHOWN = {"metrics": " AND (s.value < 'NaN' OR float8send(s.value) <> '\\x7ff0000000000002')"}


def shown(source: SourceName) -> str:
    """What a condition on `s` must say besides."""
    return _SHOWN.get(source, "")


def select(source: SourceName, where: str, *, descending: bool, limit: str | None = None) -> str:
    """The statement for rows in (ts, id) order. where: a condition on `s` (and `x`, the series of a sample)."""
    columns, tables = _SELECT[source]
    direction = "DESC" if descending else "ASC"
    where += shown(source)
    text = f"SELECT {columns} FROM {tables} WHERE {where} ORDER BY s.ts {direction}, s.id {direction}"  # noqa: S608 - no values, only this package's text
    return text if limit is None else f"{text} LIMIT {limit}"


def tables(source: SourceName, *, resource: bool) -> str:
    """What to read from for the columns of `s` (and `x`); with `r` only where a resource's attributes are asked for."""
    found = _SELECT[source][1]
    return found if resource else found.partition(" LEFT JOIN resources")[0]


def item(source: SourceName, row: tuple[Any, ...]) -> Item:
    """The search item of a row of `select`."""
    match source:
        case "logs":
            return _log(row)
        case "traces":
            return span(row)
        case "metrics":
            return _sample(row)


def _log(row: tuple[Any, ...]) -> Item:
    ts, id_, service, trace_id, span_id, severity, severity_text, body, attributes, resource = row
    content = {
        "body": body,
        "severity_number": severity,
        "severity_text": severity_text,
        "attributes": attributes,
        "resource": resource or {},
        "span_id": hex_id(span_id),
    }
    return _item("logs", (ts, id_), service, trace_id, content)


def span(row: tuple[Any, ...]) -> Item:
    (
        ts,
        id_,
        service,
        trace_id,
        span_id,
        parent,
        name,
        kind,
        status,
        message,
        duration,
        attributes,
        events,
        links,
        res,
    ) = row
    content = {
        "name": name,
        "span_id": hex_id(span_id),
        "parent_span_id": hex_id(parent),
        "kind": kind,
        "status_code": status,
        "status_message": message,
        "duration_ns": duration,
        "attributes": attributes,
        "events": events or [],
        "links": links or [],
        "resource": res or {},
    }
    return _item("traces", (ts, id_), service, trace_id, content)


def _sample(row: tuple[Any, ...]) -> Item:
    ts, id_, service, name, type_, unit, value, exact, monotonic, temporality, attributes, resource = row
    content = {
        "name": name,
        "type": TYPES.get(type_, "unknown"),
        "unit": unit,
        "value": number(value) if exact is None else exact,
        "monotonic": monotonic,
        "temporality": temporality,
        "attributes": attributes,
        "resource": resource or {},
    }
    return _item("metrics", (ts, id_), service, None, content)


def _item(
    source: SourceName, when: tuple[int, int], service: str, trace_id: str | None, content: dict[str, Any]
) -> Item:
    ts, id_ = when
    return common_item(
        source, (ts, str(id_)), service, None if trace_id is None else trace_id.replace("-", ""), content
    )


def line(source: SourceName, row: tuple[Any, ...]) -> bytes:
    """The item as one line of NDJSON."""
    return orjson.dumps(item(source, row), option=orjson.OPT_APPEND_NEWLINE)
