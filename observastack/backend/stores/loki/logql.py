"""Structured filters as LogQL. Every text is quoted here; no caller's text is ever LogQL.

LogQL only narrows what is read: it selects at least all records that match, what they are is decided on the records.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from observastack import defects
from observastack.backend.search.fields import SEVERITIES, bounds, numeric
from observastack.backend.search.model import Filter
from observastack.backend.stores.ports import Selected

ALL = '{service_name=~".+"}'
"""Every stream has this label: Loki makes it from service.name, and the gateway sets it."""


@dataclass(frozen=True)
class LogQuery:
    """text: a log query. exact: it selects nothing but what matches."""

    text: str
    exact: bool


def log_query(selected: Selected) -> LogQuery:
    stream, stages, exact = ALL, [], True
    if selected.free_text:
        stages.append(_contains(selected.free_text))
        exact = selected.free_text.isascii()
    for one in selected.filters:
        written = _written(one)
        exact = exact and written is not None and one.field in ("service", "severity", "trace_id")
        if written is None:
            continue
        if written.startswith("{"):
            # Streams have one service: of two filters on it the second one finds out on the records.
            exact, stream = exact and stream == ALL, written if stream == ALL else stream
        else:
            stages.append(written)
    return LogQuery(" ".join((stream, *stages)), exact)


def of_trace(trace_id: str) -> str:
    return f"{ALL} | trace_id={quoted(trace_id)}"


def quoted(text: str) -> str:
    """A LogQL string: double quotes and Go's escapes, of which JSON's are a part. Never backticks: they escape nothing."""
    if defects.active("logql_unescaped"):
        return f'"{text}"'
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """The text as a regular expression (RE2: a backslash may precede any ASCII punctuation, and nothing else)."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _written(one: Filter) -> str | None:
    """A stream selector or a stage that every match passes; None when LogQL cannot say it."""
    match one.field, one.operator:
        case "service", "equals":
            return f"{{service_name={quoted(one.value)}}}" if isinstance(one.value, str) and one.value else None
        case "body", "contains" if isinstance(one.value, str) and one.value.isascii():
            return _contains(one.value)
        case "body", "equals" if isinstance(one.value, str) and one.value:
            return f"|= {quoted(one.value)}"
        case (("trace_id" | "span_id"), "equals") if isinstance(one.value, str):
            return f"| {one.field}={quoted(one.value.lower())}"
        case "severity", ("equals" | "gt" | "range"):
            return _severity(one)
        case _:
            return None


def _contains(needle: str) -> str:
    if needle.isascii():
        return f"|~ {quoted('(?is)' + literal(needle))}"
    return f"|~ {quoted('(?is)' + '.*'.join(literal(part) for part in re.split(r'[^ -~]+', needle)))}"


def _severity(one: Filter) -> str | None:
    """Numbers above 0 only: a record without a severity has no such label, and would not pass any comparison."""
    low: float
    high: float | None
    if isinstance(one.value, str) and one.value.lower() in SEVERITIES:
        first = SEVERITIES[one.value.lower()]
        low, high = (first, first + 3) if one.operator == "equals" else (first + 4, None)
        if one.operator == "range":
            return None
    elif one.operator == "range":
        low, high = bounds(one)
    else:
        low = numeric(one, one.value)
        high = low if one.operator == "equals" else None
        if one.operator == "gt":
            return f"| severity_number > {low:.15g}" if low >= 0 else None
    if low <= 0:
        return None
    return f"| severity_number >= {low:.15g}" + ("" if high is None else f" | severity_number <= {high:.15g}")
