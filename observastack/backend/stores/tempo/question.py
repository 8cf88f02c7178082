"""Structured filters as a search of Tempo: `tags` for 1.x, TraceQL from 2.0 on.

Both only narrow which traces are fetched; which spans match is decided on the spans. Texts are quoted here, always.
"""

from __future__ import annotations

import json
from typing import Any

from observastack.backend.search.model import Filter
from observastack.backend.stores.ports import Selected

_STATUS = {0: "unset", 1: "ok", 2: "error"}


def tags(selected: Selected) -> dict[str, str]:
    """Parameter `tags`: logfmt pairs, all of which some span of the trace has. Source: Tempo 1.5 API, "Search"."""
    pairs = {}
    for one in selected.filters:
        if one.operator != "equals":
            continue
        if one.field == "service" and _plain(one.value):
            pairs["service.name"] = one.value
        elif one.field == "name" and _plain(one.value):
            pairs["name"] = one.value
    return {"tags": " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items())} if pairs else {}


def traceql(selected: Selected) -> dict[str, str]:
    """Parameter `q`. Source: TraceQL documentation; not tested against a server (none can be had here)."""
    conditions = [written for one in selected.filters if (written := _condition(one)) is not None]
    return {"q": "{ " + " && ".join(conditions) + " }" if conditions else "{}"}


def _condition(one: Filter) -> str | None:
    if one.operator != "equals":
        return None
    match one.field:
        case "service" if isinstance(one.value, str):
            return f"resource.service.name = {_quoted(one.value)}"
        case "name" if isinstance(one.value, str):
            return f"name = {_quoted(one.value)}"
        case "status" if one.value in _STATUS:
            return f"status = {_STATUS[one.value]}"
        case _:
            return None


def _plain(value: Any) -> bool:
    """logfmt has no escapes for control characters; such a text is left to the filter on the spans."""
    return isinstance(value, str) and value.isprintable() and value != ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
