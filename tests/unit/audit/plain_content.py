"""For `plain_judge`: a stored item as the platform's API shows it: whose it claims to be, and whether it says what was sent.

Shape: `{"time_unix_nano", "service", "trace_id", "content": {…}}`, the search item of the platform's API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners.audit.source import Source
from runners.ledger.items import ITEM_ATTRIBUTE, RUN_ATTRIBUTE, Histogram, Item, LogRecord, Sample, Signal, Span
from runners.ledger.shown import BOUND, series_of, shown_at
from runners.ledger.shown import piece as piece_of
from runners.ledger.sight import WHOLE, Sight, label_name, labels, same_labels

Document = Mapping[str, Any]

_KINDS = {"UNSPECIFIED": 0, "INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}


def claim(source: Source, signal: Signal, item: Document, sight: Sight = WHOLE) -> tuple[int, int] | None:
    """(tenant, number) that the item's identity names; None when it is not an identity of this run."""
    content = item.get("content") or {}
    if signal == "logs":
        return source.identity.of_log_id((content.get("attributes") or {}).get(ITEM_ATTRIBUTE))
    if signal == "traces":
        return source.identity.of_span_id(content.get("span_id"))
    attributes = content.get("attributes") or {}
    if sight.labels:
        instance = attributes.get(label_name("service.instance.id"))
    else:
        instance = (content.get("resource") or {}).get("service.instance.id")
    time = _integer(item.get("time_unix_nano"))
    if not isinstance(instance, str) or time is None:
        return None
    return source.sample_number(instance, content.get("name") or "", attributes, time, sight)


def marked(source: Source, item: Document, sight: Sight = WHOLE) -> bool:
    """Does the item carry this run's mark?"""
    content = item.get("content") or {}
    if sight.labels:
        return bool((content.get("attributes") or {}).get(label_name(RUN_ATTRIBUTE)) == source.identity.run)
    return bool((content.get("resource") or {}).get(RUN_ATTRIBUTE) == source.identity.run)


def intact(stored: Document, sent: Item, sight: Sight = WHOLE) -> bool:
    """Does the stored item say exactly what was sent, as far as the store can show it?"""
    content = stored.get("content") or {}
    if isinstance(sent, Histogram):
        told = _piece(content, sent)
        return told is not None and intact(stored, told, sight)
    if sight.labels and isinstance(sent, Sample):
        return bool(
            stored.get("service") == sent.resource.service
            and same_labels(content.get("attributes") or {}, labels(sent.resource, sent.attributes))
            and content.get("name") == sent.name
            and _same_value(content.get("value"), sent)
            and _integer(stored.get("time_unix_nano")) == sight.time(sent.time)
        )
    if (
        stored.get("service") != sent.resource.service
        or content.get("resource") != sent.resource.attributes
        or (content.get("attributes") or {}) != sent.attributes
    ):
        return False
    if isinstance(sent, LogRecord):
        return _same_log(stored, content, sent)
    if isinstance(sent, Span):
        return _same_span(stored, content, sent)
    return _same_sample(stored, content, sent)


def piece(stored: Document, sent: Item) -> tuple[int, int]:
    """(which of the samples that a store shows the item as this one is, -1 for none of them; how many these are)."""
    if not isinstance(sent, Histogram):
        return 0, 1
    name, le = _named(stored.get("content") or {}, sent)
    found = piece_of(sent, name, le)
    return -1 if found is None else found, series_of(sent)


def _named(content: Document, sent: Histogram) -> tuple[str, object]:
    return str(content.get("name")).removeprefix(sent.name), (content.get("attributes") or {}).get(BOUND)


def _piece(content: Document, sent: Histogram) -> Sample | None:
    """The sample that is expected in the place of this one."""
    suffix, le = _named(content, sent)
    place = piece_of(sent, suffix, le)
    if place is None:
        return None
    one = shown_at(sent, place)
    attributes = sent.attributes if one.le is None else {**sent.attributes, BOUND: one.le}
    return Sample(
        sent.seq, sent.resource, sent.name + suffix, sent.unit, "counter", sent.start, sent.time, one.value, attributes
    )


def _same_log(stored: Document, content: Document, sent: LogRecord) -> bool:
    return bool(
        _integer(stored.get("time_unix_nano")) == sent.time
        and content.get("body") == sent.body
        and content.get("severity_number") == sent.severity_number
        and content.get("severity_text") == sent.severity_text
        and stored.get("trace_id") == sent.trace_id.hex()
        and content.get("span_id") == sent.span_id.hex()
    )


def _same_span(stored: Document, content: Document, sent: Span) -> bool:
    return bool(
        _integer(stored.get("time_unix_nano")) == sent.start
        and stored.get("trace_id") == sent.trace_id.hex()
        and content.get("span_id") == sent.span_id.hex()
        and (content.get("parent_span_id") or "") == sent.parent_span_id.hex()
        and content.get("name") == sent.name
        and _enum(content.get("kind"), _KINDS) == sent.kind
        and _enum(content.get("status_code"), _STATUS) == sent.status_code
        and (content.get("status_message") or "") == sent.status_message
        and _integer(content.get("duration_ns")) == sent.end - sent.start
        and _same_events(content.get("events") or [], sent)
    )


def _same_events(stored: list[Document], sent: Span) -> bool:
    return len(stored) == len(sent.events) and all(
        _integer(one.get("time_unix_nano")) == event.time
        and one.get("name") == event.name
        and (one.get("attributes") or {}) == event.attributes
        for one, event in zip(stored, sent.events, strict=True)
    )


def _same_sample(stored: Document, content: Document, sent: Sample) -> bool:
    return bool(
        content.get("name") == sent.name
        and (content.get("unit") or "") == sent.unit
        and content.get("type") == ("gauge" if sent.instrument == "gauge" else "sum")
        and _same_value(content.get("value"), sent)
        and _integer(stored.get("time_unix_nano")) == sent.time
    )


def _same_value(value: object, sent: Sample) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == sent.value


def _integer(value: object) -> int | None:
    """An integer, or one written as decimal text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return None


def _enum(value: object, names: Mapping[str, int]) -> int | None:
    """A number, or its name with or without OTLP's prefix (SPAN_KIND_SERVER, server)."""
    if value is None:
        return 0
    if isinstance(value, str):
        upper = value.upper()
        return names.get(upper.rpartition("_")[2], names.get(upper))
    return _integer(value)
