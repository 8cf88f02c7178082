"""Filters evaluated here, on search items: exactly what `stores.embedded.filters` means in SQL.

A store's own query language narrows what is read; what an item is, only its exact form can say. Regular expressions run
in RE2, whose time is linear in the text: a filter cannot hold up the event loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import re2

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
from observastack.backend.stores.ports import Item

Predicate = Callable[[Item], bool]
Lookup = Callable[[Item, str, str], tuple[bool, Any]]
"""(item, "attributes" or "resource", key) → whether the key is there, and its value."""
Test = Callable[[Any], bool]
"""Of a value; None: the field is not there."""

FREE_TEXT: dict[SourceName, str] = {"logs": "body", "traces": "name", "metrics": "name"}
_PATHS: dict[SourceName, dict[str, Callable[[Item], Any]]] = {
    "logs": {
        "service": lambda item: item["service"],
        "severity": lambda item: item["content"]["severity_number"],
        "body": lambda item: item["content"]["body"],
        "trace_id": lambda item: item["trace_id"],
        "span_id": lambda item: item["content"]["span_id"],
    },
    "traces": {
        "service": lambda item: item["service"],
        "name": lambda item: item["content"]["name"],
        "trace_id": lambda item: item["trace_id"],
        "span_id": lambda item: item["content"]["span_id"],
        "status": lambda item: item["content"]["status_code"],
        "kind": lambda item: item["content"]["kind"],
        "duration_ns": lambda item: item["content"]["duration_ns"],
    },
    "metrics": {
        "service": lambda item: item["service"],
        "name": lambda item: item["content"]["name"],
        "value": lambda item: item["content"]["value"],
    },
}
_KNOWN = frozenset().union(*_PATHS.values())
_TEXTS = frozenset({"service", "body", "name"})


def stored(item: Item, where: str, key: str) -> tuple[bool, Any]:
    """The Lookup of items that keep attributes as they were sent."""
    values = item["content"][where]
    return key in values, values.get(key)


def predicate(
    source: SourceName, filters: Sequence[Filter], free_text: str | None, lookup: Lookup = stored
) -> Predicate:
    """Whether an item passes all filters. Raises BadFilter."""
    tests: list[Predicate] = []
    if free_text:
        tests.append(_on(_PATHS[source][FREE_TEXT[source]], _contains(free_text)))
    tests += [_single(source, one, lookup) for one in filters]
    return lambda item: all(test(item) for test in tests)


def value_of(source: SourceName, name: str, lookup: Lookup = stored) -> Callable[[Item], Any] | None:
    """Reads a field out of an item; None when this signal has no such field. Raises BadFilter."""
    if attribute := attribute_of(name):
        return lambda item: lookup(item, *attribute)[1]
    if name not in _KNOWN:
        raise BadFilter(f"unknown field {name}")
    return _PATHS[source].get(name)


def _single(source: SourceName, one: Filter, lookup: Lookup) -> Predicate:
    read = value_of(source, one.field, lookup)
    if attribute := attribute_of(one.field):
        if one.operator == "exists":
            wanted = wants_presence(one)
            return lambda item: lookup(item, *attribute)[0] is wanted
        test = _attribute(one)
    elif one.operator == "exists":
        wanted = wants_presence(one)
        return (lambda item: (read(item) is not None) is wanted) if read is not None else (lambda _: not wanted)
    else:
        test = _KINDS.get(one.field, _text if one.field in _TEXTS else _number)(one)
    present: Test = lambda value: value is not None and test(value)  # noqa: E731 - composed, not defined
    decided: Test = (lambda value: not present(value)) if one.operator == "not_equals" else present
    if read is None:  # a field that this signal does not have
        return lambda _: decided(None)
    return _on(read, decided)


def _on(read: Callable[[Item], Any], test: Test) -> Predicate:
    return lambda item: test(read(item))


def _text(one: Filter) -> Test:
    match one.operator:
        case "equals" | "not_equals":
            wanted = string(one)
            return lambda value: bool(value == wanted)
        case "contains":
            return _contains(string(one))
        case "regex":
            return _regex(one)
        case _:
            raise unfit(one)


def _number(one: Filter) -> Test:
    match one.operator:
        case "equals" | "not_equals":
            wanted = numeric(one, one.value)
            return lambda value: bool(value == wanted)
        case "gt":
            low = numeric(one, one.value)
            return lambda value: _finite(value) and bool(value > low)
        case "lt":
            high = numeric(one, one.value)
            return lambda value: _finite(value) and bool(value < high)
        case "range":
            first, last = bounds(one)
            return lambda value: _finite(value) and bool(first <= value <= last)
        case _:
            raise unfit(one)


def _severity(one: Filter) -> Test:
    """A number, or a name: equals means the name's range of four numbers, gt above and lt below it."""
    if not (isinstance(one.value, str) and one.value.lower() in SEVERITIES):
        return _number(one)
    low = SEVERITIES[one.value.lower()]
    match one.operator:
        case "equals" | "not_equals":
            return lambda value: bool(low <= value <= low + 3)
        case "gt":
            return lambda value: bool(value > low + 3)
        case "lt":
            return lambda value: bool(value < low)
        case _:
            return _number(one)


def _id(digits: int) -> Callable[[Filter], Test]:
    def make(one: Filter) -> Test:
        wanted = hexadecimal(one, digits)
        return lambda value: bool(value == wanted)

    return make


_KINDS: dict[str, Callable[[Filter], Test]] = {"severity": _severity, "trace_id": _id(32), "span_id": _id(16)}


def _attribute(one: Filter) -> Test:
    match one.operator:
        case "equals" | "not_equals":
            if isinstance(one.value, bool):
                return lambda value: value is one.value
            if is_number(one.value):
                return lambda value: not isinstance(value, bool) and bool(value == one.value)
            wanted = string(one)
            return lambda value: text(value) == wanted
        case "contains":
            contains = _contains(string(one))
            return lambda value: contains(text(value))
        case "regex":
            matches = _regex(one)
            return lambda value: matches(text(value))
        case _:
            number = _number(one)
            return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and number(value)


def _contains(needle: str) -> Test:
    folded = needle.lower()
    return lambda value: isinstance(value, str) and folded in value.lower()


def _regex(one: Filter) -> Test:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern(one), options)
    except re2.error:
        raise BadFilter(f"{one.field}: not a regular expression that can be evaluated (RE2 syntax)") from None
    return lambda value: isinstance(value, str) and compiled.search(value) is not None


def text(value: Any) -> str | None:
    """A JSON value as PostgreSQL's ->> writes it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float)
