"""Structured filters to SQL conditions. Every value is a parameter; only names from the tables below become SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from observastack.backend.search.fields import (
    SEVERITIES,
    BadFilter,
    attribute_of,
    bounds,
    hexadecimal,
    is_number,
    numeric,
    pattern,
    string,
    unfit,
    wants_presence,
)
from observastack.backend.search.model import Filter
from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import SEVERITIES as SEVERITY_NAMES

_COLUMNS: dict[SourceName, dict[str, str]] = {
    "logs": {
        "service": "s.service",
        "severity": "s.severity",
        "body": "s.body",
        "trace_id": "s.trace_id",
        "span_id": "s.span_id",
        "attributes": "s.attrs",
    },
    "traces": {
        "service": "s.service",
        "name": "s.name",
        "trace_id": "s.trace_id",
        "span_id": "s.span_id",
        "status": "s.status",
        "kind": "s.kind",
        "duration_ns": "s.duration",
        "attributes": "s.attrs",
    },
    "metrics": {"service": "x.service", "name": "x.name", "value": "s.value", "attributes": "x.labels"},
}
_INDEXED = frozenset({"service", "trace_id"})
_TEXTS = frozenset({"service", "body", "name"})
_NUMBERS = frozenset({"severity", "status", "kind", "duration_ns", "value"})
_FREE_TEXT: dict[SourceName, str] = {"logs": "s.body", "traces": "s.name", "metrics": "x.name"}


@dataclass
class Conditions:
    """SQL that follows a WHERE, each part beginning with AND; and its parameters.

    indexed: no part needs to look at rows that the time index alone would skip, so no slicing is needed.
    """

    sql: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    indexed: bool = True

    def bind(self, value: Any) -> str:
        name = f"f{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s"

    def add(self, condition: str, *, indexed: bool = False) -> None:
        self.sql += f" AND {condition}"
        self.indexed = self.indexed and indexed


def conditions(source: SourceName, filters: Sequence[Filter], free_text: str | None) -> Conditions:
    """Raises BadFilter."""
    result = Conditions()
    if free_text:
        result.add(_contains(result, _FREE_TEXT[source], free_text))
    for one in filters:
        condition = _condition(result, source, one)
        if one.operator == "not_equals":
            condition = f"({condition}) IS NOT TRUE"  # what lacks the field is not equal either
        result.add(condition, indexed=one.field in _INDEXED and one.operator == "equals")
    return result


def facet(bound: Conditions, source: SourceName, name: str) -> str | None:
    """SQL for the text of a field's value, by which items are counted; None when this signal has no such field.

    Raises BadFilter.
    """
    if attribute := attribute_of(name):
        owner, key = attribute
        values = _COLUMNS[source]["attributes"] if owner == "attributes" else "r.attrs"
        return f"{values} ->> {bound.bind(key)}::text"
    if not any(name in columns for columns in _COLUMNS.values()):
        raise BadFilter(f"unknown field {name}")
    if (column := _COLUMNS[source].get(name)) is None:
        return None
    match name:
        case "severity":
            return severity_name(column)
        case "trace_id":
            return f"replace({column}::text, '-', '')"
        case "span_id":
            return f"lpad(to_hex({column}), 16, '0')"
        case _:
            return f"{column}::text"


def severity_name(column: str) -> str:
    """SQL for the name of a severity number: every four numbers have one."""
    return f"(ARRAY{list(SEVERITY_NAMES)})[CASE WHEN {column} <= 0 THEN 1 ELSE least(({column} + 3) / 4, 6) + 1 END]"


def _condition(bound: Conditions, source: SourceName, one: Filter) -> str:
    if attribute := attribute_of(one.field):
        owner, key = attribute
        if owner == "attributes":
            return _json(bound, _COLUMNS[source]["attributes"], key, one)
        table = "x" if source == "metrics" else "s"
        inner = _json(bound, "r.attrs", key, one)
        senders = f"SELECT r.resource_id FROM resources r WHERE r.tenant_id = s.tenant_id AND {inner}"  # noqa: S608 - no values
        return f"{table}.resource_id IN ({senders})"
    if not any(one.field in columns for columns in _COLUMNS.values()):
        raise BadFilter(f"unknown field {one.field}")
    compare = _KINDS.get(one.field) or (_text if one.field in _TEXTS else _number)
    column = _COLUMNS[source].get(one.field)
    # A field that this signal does not have: check the filter all the same, then match nothing.
    condition = compare(bound, column or "NULL", one)
    if column is None:
        return "NOT true" if not (one.operator == "exists" and one.value is False) else "true"
    return condition


def _text(bound: Conditions, column: str, one: Filter) -> str:
    match one.operator:
        case "equals" | "not_equals":
            return f"{column} = {bound.bind(string(one))}"
        case "contains":
            return _contains(bound, column, string(one))
        case "regex":
            return _matches(bound, column, pattern(one))
        case "exists":
            return _exists(f"{column} IS NOT NULL", one)
        case _:
            raise unfit(one)


def _number(bound: Conditions, column: str, one: Filter) -> str:
    match one.operator:
        case "equals" | "not_equals":
            return f"{column} = {bound.bind(numeric(one, one.value))}"
        case "gt" | "lt":
            return f"{column} {'>' if one.operator == 'gt' else '<'} {bound.bind(numeric(one, one.value))}"
        case "range":
            low, high = bounds(one)
            return f"{column} BETWEEN {bound.bind(low)} AND {bound.bind(high)}"
        case "exists":
            return _exists(f"{column} IS NOT NULL", one)
        case _:
            raise unfit(one)


def _severity(bound: Conditions, column: str, one: Filter) -> str:
    """A number, or a name: equals means the name's range of four numbers, gt above and lt below it."""
    named = isinstance(one.value, str) and one.value.lower() in SEVERITIES
    if not named:
        return _number(bound, column, one)
    low = SEVERITIES[one.value.lower()]
    match one.operator:
        case "equals" | "not_equals":
            return f"{column} BETWEEN {bound.bind(low)} AND {bound.bind(low + 3)}"
        case "gt":
            return f"{column} > {bound.bind(low + 3)}"
        case "lt":
            return f"{column} < {bound.bind(low)}"
        case _:
            return _number(bound, column, one)


def _trace_id(bound: Conditions, column: str, one: Filter) -> str:
    if one.operator == "exists":
        return _exists(f"{column} IS NOT NULL", one)
    return f"{column} = {bound.bind(hexadecimal(one, 32))}::uuid"


def _span_id(bound: Conditions, column: str, one: Filter) -> str:
    if one.operator == "exists":
        return _exists(f"{column} IS NOT NULL", one)
    value = int(hexadecimal(one, 16), 16)
    return f"{column} = {bound.bind(value - (1 << 64) if value >> 63 else value)}"


def _json(bound: Conditions, column: str, key: str, one: Filter) -> str:
    name = f"{bound.bind(key)}::text"
    match one.operator:
        case "equals" | "not_equals":
            if isinstance(one.value, bool) or is_number(one.value):
                return f"{column} @> {bound.bind(Jsonb({key: one.value}))}"
            return f"{column} ->> {name} = {bound.bind(string(one))}"
        case "contains":
            return _contains(bound, f"({column} ->> {name})", string(one))
        case "regex":
            return _matches(bound, f"({column} ->> {name})", pattern(one))
        case "exists":
            return _exists(f"{column} ? {name}", one)
        case _:
            number = f"(CASE WHEN jsonb_typeof({column} -> {name}) = 'number' THEN ({column} ->> {name})::numeric END)"
            return _number(bound, number, one)


_KINDS: dict[str, Callable[[Conditions, str, Filter], str]] = {
    "severity": _severity,
    "trace_id": _trace_id,
    "span_id": _span_id,
}


def _contains(bound: Conditions, column: str, needle: str) -> str:
    escaped = needle.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    # Collation C folds only ASCII, and costs a quarter less than the database's.
    collation = ' COLLATE "C"' if needle.isascii() else ""
    return f"{column}{collation} ILIKE {bound.bind(f'%{escaped}%')}"


def _matches(bound: Conditions, column: str, pattern: str) -> str:
    """The second half is evaluated when the statement is planned: a bad pattern is an error even if no row is read."""
    value = bound.bind(pattern)
    return f"({column} ~ {value} AND ('' ~ {value}) IS NOT NULL)"


def _exists(condition: str, one: Filter) -> str:
    return condition if wants_presence(one) else f"NOT ({condition})"
