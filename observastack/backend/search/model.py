"""Requests and answers of search. The tenant is never in a body."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, StringConstraints, model_validator

from observastack.backend.sources import SOURCES, SourceName
from observastack.backend.wire import parse_time

DEFAULT_RANGE_NS = 3_600 * 10**9
DEFAULT_LIMIT = 50


def _time(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be RFC 3339 or nanoseconds as a decimal string")
    try:
        return parse_time(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(str(error)) from None


Nanoseconds = Annotated[
    int,
    BeforeValidator(_time, json_schema_input_type=str),
    Field(description="RFC 3339, or nanoseconds since 1970 as a decimal string"),
]


class TimeRange(BaseModel):
    """from is inside, to is outside."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: Nanoseconds = Field(alias="from")
    end: Nanoseconds = Field(alias="to")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError("to lies before from")
        return self


def last_hour() -> TimeRange:
    now = time.time_ns()
    return TimeRange(start=now - DEFAULT_RANGE_NS, end=now + 1)


class Filter(BaseModel):
    """field: service, severity, body, trace_id, span_id, name, status, kind, duration_ns, value, attributes.<key>
    or resource.<key>. value: a text or number; [low, high] for range; true or false for exists."""

    model_config = ConfigDict(extra="forbid")

    field: StrictStr = Field(min_length=1, max_length=300, pattern=r"^[^\x00]+$")
    operator: Literal["equals", "not_equals", "contains", "regex", "range", "exists", "gt", "lt"]
    value: Any = None


class Selection(BaseModel):
    """What all signal queries share."""

    model_config = ConfigDict(extra="forbid")

    free_text: str | None = Field(
        None, max_length=1_000, pattern=r"^[^\x00]*$", description="found in log bodies, span names, metric names"
    )
    time_range: TimeRange = Field(default_factory=last_hour, description="default: the last hour")
    filters: list[Filter] = Field(default_factory=list, max_length=20)

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, body: Any) -> Any:
        """A key with null is a key that was not sent."""
        return {key: value for key, value in body.items() if value is not None} if isinstance(body, dict) else body


class SignalQuery(Selection):
    """A page of one signal."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=1_000, strict=True)
    cursor: str | None = Field(None, max_length=2_000, description="next_cursor of the page before")
    sort_order: Literal["asc", "desc"] = "desc"


class SearchQuery(SignalQuery):
    """A page over the asked signals."""

    type: Literal["logs", "metrics", "traces", "all"] = "all"


FacetField = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=300, pattern=r"^[^\x00]+$")]


class ExportQuery(Selection):
    """Everything that matches, without pages."""

    type: Literal["logs", "metrics", "traces", "all"] = "all"


class AggregateQuery(Selection):
    """Counts over time and by value. fields: what else to count by, as in filters."""

    type: Literal["logs", "metrics", "traces", "all"] = "all"
    buckets: int = Field(60, ge=1, le=120, strict=True)
    fields: list[FacetField] = Field(default_factory=list, max_length=5)


class CorrelateQuery(BaseModel):
    """What belongs together: by a trace id, which proves it, or by service and time, which suggests it.

    source, item_id: the item that the question begins at; window_s: seconds before and after `timestamp`.
    """

    model_config = ConfigDict(extra="forbid")

    trace_id: str | None = Field(None, pattern=r"^[0-9a-fA-F]{32}$")
    source: SourceName | None = None
    item_id: str | None = Field(None, min_length=1, max_length=200)
    timestamp: Nanoseconds | None = None
    service: str | None = Field(None, min_length=1, max_length=300)
    window_s: int = Field(300, ge=1, le=3_600, strict=True)
    limit: int = Field(100, ge=1, le=1_000, strict=True)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.trace_id is None and (self.service is None or self.timestamp is None):
            raise ValueError("trace_id is needed, or service and timestamp")
        if any("\0" in text for text in (self.service or "", self.item_id or "")):
            raise ValueError("a text cannot contain the character NUL")
        return self


def sources_of(kind: str) -> tuple[SourceName, ...]:
    return SOURCES if kind == "all" else tuple(source for source in SOURCES if source == kind)


class Item(BaseModel):
    """A log record, a span or a sample. content depends on the source."""

    id: str
    timestamp: str = Field(description="RFC 3339 with nanoseconds")
    time_unix_nano: str
    source: SourceName
    service: str
    trace_id: str | None
    content: dict[str, Any]


class SourceStatus(BaseModel):
    """implementation: the adapter that was asked. reason: why the status is not ok."""

    status: Literal["ok", "partial", "error", "timeout"]
    count: int
    reason: str | None = None
    implementation: str
    latency_ms: float


class Stats(BaseModel):
    """matched: items on this page."""

    matched: int
    latency_ms: float
    sources: dict[str, SourceStatus]


class SearchResult(BaseModel):
    """partial: the budget ended or a source failed before everything was searched; next_cursor goes on from there."""

    items: list[Item]
    stats: Stats
    facets: dict[str, dict[str, int]]
    next_cursor: str | None
    partial: bool


class AggregateRange(BaseModel):
    """Nanoseconds since 1970 as decimal strings."""

    model_config = ConfigDict(populate_by_name=True)

    start: str = Field(alias="from")
    end: str = Field(alias="to")


class Bucket(BaseModel):
    time_unix_nano: str
    counts: dict[str, int]


class Aggregate(BaseModel):
    """keys: which counts a bucket can have. total: all that was counted. partial: the budget ended or a source failed
    before everything was counted."""

    time_range: AggregateRange
    step_ns: int
    keys: list[str]
    buckets: list[Bucket]
    total: int
    facets: dict[str, dict[str, int]]
    sources: dict[str, SourceStatus]
    partial: bool


class Link(BaseModel):
    """Ends are `source:id`. trace_id: both carry it; service_window: same service, near in time."""

    model_config = ConfigDict(populate_by_name=True)

    origin: str = Field(alias="from")
    to: str
    kind: Literal["trace_id", "service_window"]


class Correlation(BaseModel):
    items: list[Item]
    links: list[Link]
    partial: bool
    sources: dict[str, SourceStatus]


class PastSearch(BaseModel):
    id: str
    ts: str
    query: dict[str, Any]
    matched: int | None
    latency_ms: float | None


class SearchHistory(BaseModel):
    items: list[PastSearch]
    next_cursor: str | None
