"""A stored item as the platform's API shows it: whose it claims to be, and whether it says what was sent.

Shape: `{"time_unix_nano", "service", "trace_id", "content": {…}}`, the search item of the platform's API.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from runners.audit.source import Source
from runners.ledger.items import (
    ITEM_ATTRIBUTE,
    RUN_ATTRIBUTE,
    Attributes,
    Histogram,
    LogRecord,
    Resource,
    Sample,
    Signal,
    Span,
)
from runners.ledger.pushed import shown_as
from runners.ledger.shown import BOUND, bounds_of, shown
from runners.ledger.sight import WHOLE, Sight, label_name, labels, same_labels

Document = Mapping[str, Any]

_KINDS = {"UNSPECIFIED": 0, "INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}
_ITEM_LABEL = label_name(ITEM_ATTRIBUTE)
_MOST_LABELS = 50_000
_LABELS: dict[tuple[object, ...], Mapping[str, str]] = {}


def id_of(signal: Signal, content: Document, sight: Sight = WHOLE) -> object:
    """The text in which a record or a span says who it is."""
    if signal == "logs":
        return (content.get("attributes") or {}).get(_ITEM_LABEL if sight.labels else ITEM_ATTRIBUTE)
    return content.get("span_id")


def claim(source: Source, signal: Signal, item: Document, sight: Sight = WHOLE) -> tuple[int, int] | None:
    """(tenant, number) that the item's identity names; None when it is not an identity of this run."""
    content = item.get("content") or {}
    if signal == "logs":
        return source.identity.of_log_id(id_of(signal, content, sight))
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


def intact(stored: Document, sent: Span | LogRecord | Sample, sight: Sight = WHOLE) -> bool:
    """Does the stored item say exactly what was sent, as far as the store can show it?"""
    content = stored.get("content") or {}
    if isinstance(sent, Sample):
        return _same_sample(stored, content, sent, sight)
    if sight.labels and isinstance(sent, LogRecord):
        return bool(
            content.get("body") == sent.body
            and _integer(stored.get("time_unix_nano")) == sight.time(sent.time)
            and content.get("attributes") == shown_as(sent)
        )
    if (
        stored.get("service") != sent.resource.service
        or content.get("resource") != sent.resource.attributes
        or (content.get("attributes") or {}) != sent.attributes
    ):
        return False
    return _same_log(stored, content, sent) if isinstance(sent, LogRecord) else _same_span(stored, content, sent)


class Pieces:
    """A histogram as a store shows it: one sample for each bucket, the count and the sum."""

    def __init__(self, sent: Histogram) -> None:
        self._sent, self._shown, self._places = sent, tuple(shown(sent)), _places(bounds_of(sent))

    def __len__(self) -> int:
        return len(self._shown)

    def place(self, stored: Document) -> int:
        """Which of them a stored sample claims to be; -1 for none."""
        content = stored.get("content") or {}
        le = (content.get("attributes") or {}).get(BOUND)
        key = str(content.get("name")).removeprefix(self._sent.name), le if isinstance(le, str | None) else ""
        return self._places.get(key, -1)

    def intact(self, stored: Document, place: int, sight: Sight = WHOLE) -> bool:
        """Does it say what was sent?"""
        if place < 0:
            return False
        sent, one = self._sent, self._shown[place]
        attributes = sent.attributes if one.le is None else {**sent.attributes, BOUND: one.le}
        told = Sample(
            sent.seq, sent.resource, sent.name + one.suffix, sent.unit, "counter", sent.start, sent.time, one.value, attributes
        )  # fmt: skip
        return _same_sample(stored, stored.get("content") or {}, told, sight)


@lru_cache(maxsize=512)
def _places(bounds: tuple[str, ...]) -> Mapping[tuple[str, str | None], int]:
    found: dict[tuple[str, str | None], int] = {
        ("_bucket", bound): place for place, bound in enumerate((*bounds, "+Inf"))
    }
    return found | {("_count", None): len(bounds) + 1, ("_sum", None): len(bounds) + 2}


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


def _same_sample(stored: Document, content: Document, sent: Sample, sight: Sight) -> bool:
    if not (
        _same_value(content.get("value"), sent)
        and stored.get("service") == sent.resource.service
        and content.get("name") == sent.name
        and _integer(stored.get("time_unix_nano")) == sight.time(sent.time)
    ):
        return False
    attributes = content.get("attributes") or {}
    if sight.labels:
        return same_labels(attributes, _labels(sent.resource, sent.attributes))
    return bool(
        attributes == sent.attributes
        and content.get("resource") == sent.resource.attributes
        and (content.get("unit") or "") == sent.unit
        and content.get("type") == ("gauge" if sent.instrument == "gauge" else "sum")
    )


def _labels(resource: Resource, attributes: Attributes) -> Mapping[str, str]:
    """Kept: a series has one set of labels for every tick."""
    key = (resource.instance_id, *attributes.items())
    found = _LABELS.get(key)
    if found is None:
        if len(_LABELS) >= _MOST_LABELS:
            _LABELS.clear()
        found = _LABELS[key] = labels(resource, attributes)
    return found


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
