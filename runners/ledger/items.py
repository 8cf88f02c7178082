"""Telemetry items as plain values: what a generator makes, an encoder writes and an audit compares.

All times are Unix nanoseconds. `seq` is the item's number within its tenant and signal: with the run and the tenant it
names the item, and everything else about it can be computed again from these three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Signal = Literal["logs", "traces", "metrics"]
SIGNALS: tuple[Signal, ...] = ("logs", "traces", "metrics")

Value: TypeAlias = str | int | float | bool
Attributes: TypeAlias = Mapping[str, Value]

# The resource attribute that says which run an item belongs to, and the log attribute that says which item it is.
RUN_ATTRIBUTE = "testbed.run.id"
ITEM_ATTRIBUTE = "testbed.item.id"
# The resource attribute that says whose an item is; `runners.target.marks` looks for it in every answer.
TENANT_ATTRIBUTE = "app.tenant"


class Resource(NamedTuple):
    """What emitted an item: one instance of a service."""

    service: str
    instance_id: str
    attributes: Attributes


class SpanEvent(NamedTuple):
    time: int
    name: str
    attributes: Attributes


class SpanLink(NamedTuple):
    """To a span of another trace."""

    trace_id: bytes
    span_id: bytes
    attributes: Attributes


class Span(NamedTuple):
    """kind and status_code: the numbers of opentelemetry/proto/trace/v1; parent_span_id: empty for a root."""

    seq: int
    resource: Resource
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start: int
    end: int
    status_code: int
    status_message: str
    attributes: Attributes
    events: tuple[SpanEvent, ...]
    links: tuple[SpanLink, ...] = ()

    def key(self) -> dict[str, Any]:
        """How a person finds it in the platform."""
        return {"trace_id": self.trace_id.hex(), "span_id": self.span_id.hex()}


class LogRecord(NamedTuple):
    """severity_number: 1..24 as in opentelemetry/proto/logs/v1."""

    seq: int
    resource: Resource
    time: int
    severity_number: int
    severity_text: str
    body: str
    trace_id: bytes
    span_id: bytes
    attributes: Attributes

    def key(self) -> dict[str, Any]:
        """How a person finds it in the platform."""
        return {
            "time_unix_nano": str(self.time),
            "trace_id": self.trace_id.hex(),
            "span_id": self.span_id.hex(),
            "body": self.body,
        }


Instrument = Literal["gauge", "updown", "counter", "delta"]


class Sample(NamedTuple):
    """One number data point. counter: cumulative monotonic sum; updown: cumulative sum; delta: monotonic delta sum.

    start: when a sum's interval began (0 for a gauge). ended: it is a marker: its series has ended, and there is no value.
    """

    seq: int
    resource: Resource
    name: str
    unit: str
    instrument: Instrument
    start: int
    time: int
    value: int | float
    attributes: Attributes
    ended: bool = False

    def key(self) -> dict[str, Any]:
        """How a person finds it in the platform."""
        return {"name": self.name, "attributes": dict(self.attributes), "time_unix_nano": str(self.time)}


class Exemplar(NamedTuple):
    """A measurement that a histogram counted, and the span that it was taken of."""

    value: float
    time: int
    trace_id: bytes
    span_id: bytes


class Histogram(NamedTuple):
    """One data point of a cumulative histogram.

    Classic: bounds, and counts of one bucket more; scale is None. Exponential: bucket i of counts holds what lies in
    (base^(offset+i), base^(offset+i+1)] with base = 2^(2^-scale), `zero` what is not above zero_threshold; no bounds.
    total: how many were counted; sum: of their values. ended: it is a marker: its series have ended, and nothing was counted.
    """

    seq: int
    resource: Resource
    name: str
    unit: str
    start: int
    time: int
    total: int
    sum: float
    counts: tuple[int, ...]
    bounds: tuple[float, ...]
    scale: int | None
    offset: int
    zero: int
    zero_threshold: float
    attributes: Attributes
    exemplars: tuple[Exemplar, ...] = ()
    ended: bool = False

    def key(self) -> dict[str, Any]:
        """How a person finds it in the platform: by its count."""
        return {
            "name": f"{self.name}_count", "attributes": dict(self.attributes), "time_unix_nano": str(self.time),
        }  # fmt: skip


Point: TypeAlias = Sample | Histogram
Item: TypeAlias = Span | LogRecord | Sample | Histogram


def moment(item: Item) -> int:
    """The time under which a platform files the item: a span's start, a record's or sample's time."""
    return item.start if isinstance(item, Span) else item.time
