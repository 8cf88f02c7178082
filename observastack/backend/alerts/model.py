"""Requests and answers of the alert operations. The tenant is never in a body."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, model_validator

from observastack.backend.wire import moment, parse_time

Severity = Literal["critical", "error", "warning", "info"]
Status = Literal["active", "acknowledged", "silenced", "resolved"]
SEVERITIES: tuple[Severity, ...] = ("critical", "error", "warning", "info")
"""Worst first; the store keeps the place in this list."""
STATUSES: tuple[Status, ...] = ("active", "acknowledged", "silenced", "resolved")
HistoryAction = Literal[
    "fired", "refired", "acknowledged", "resolved", "resolved_by_source", "assigned", "silenced", "unsilenced"
]
MAX_BULK = 200


def _time(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, str):
        raise ValueError("must be RFC 3339")
    try:
        return moment(parse_time(value))
    except (ValueError, OverflowError) as error:
        raise ValueError(str(error)) from None


Moment = Annotated[
    datetime, BeforeValidator(_time, json_schema_input_type=str), Field(description="RFC 3339, with an offset")
]
Text = Annotated[StrictStr, Field(pattern=r"^[^\x00]*$")]
Note = Annotated[Text | None, Field(max_length=1_000)]
Username = Annotated[Text, Field(min_length=1, max_length=200)]


class Step(BaseModel):
    """One entry of an alert's history. user: null for what the source or the clock did."""

    ts: str
    action: HistoryAction
    user: str | None
    note: str | None


class Alert(BaseModel):
    """history: only in answers about a single alert. acknowledged_at, assignee: cleared when it fires again."""

    id: UUID
    fingerprint: str
    severity: Severity
    title: str
    source: str
    service: str | None
    status: Status
    assignee: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str | None
    acknowledged_at: str | None
    resolved_at: str | None
    updated_at: str
    generator_url: str | None
    history: list[Step] | None = None


class AlertPage(BaseModel):
    """total: alerts that the filters match, on all pages."""

    items: list[Alert]
    next_cursor: str | None
    total: int


class Statistics(BaseModel):
    """by_severity: of what is not resolved. new_15m: times that an alert fired. median_time_to_acknowledge_s: of what
    was acknowledged in the last 30 days, null when nothing was."""

    total: int
    by_status: dict[str, int]
    by_severity: dict[str, int]
    new_15m: int
    resolved_24h: int
    median_time_to_acknowledge_s: float | None


class Remark(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Note = None


class Assignment(BaseModel):
    """assignee: a user of the tenant, null to take it from everybody."""

    model_config = ConfigDict(extra="forbid")

    assignee: Username | None
    note: Note = None


class Bulk(BaseModel):
    """One action on many alerts; each is judged alone. duration_s: how long to silence."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["acknowledge", "resolve", "assign", "silence"]
    ids: list[UUID] = Field(min_length=1, max_length=MAX_BULK)
    assignee: Username | None = None
    note: Note = None
    duration_s: int = Field(3_600, ge=1, le=30 * 86_400, strict=True)


class BulkItem(BaseModel):
    """status: what the single operation would have answered. alert: as it is now, null when it failed."""

    id: UUID
    ok: bool
    status: int
    message: str | None
    alert: Alert | None


class BulkResult(BaseModel):
    results: list[BulkItem]
    succeeded: int
    failed: int


class Matcher(BaseModel):
    """A condition on a label, as Alertmanager has it: a label that is not there has the value "". A regular expression
    (RE2) must fit the whole value."""

    model_config = ConfigDict(extra="forbid")

    name: StrictStr = Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,127}$")
    value: Text = Field(max_length=1_000)
    is_regex: StrictBool = False
    is_equal: StrictBool = True


class SilenceRequest(BaseModel):
    """starts_at: default now. The tenant's matcher is added; another tenant's is refused."""

    model_config = ConfigDict(extra="forbid")

    matchers: list[Matcher] = Field(min_length=1, max_length=20)
    starts_at: Moment | None = None
    ends_at: Moment
    comment: Text = Field(min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.starts_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must lie after starts_at")
        return self


class Silence(BaseModel):
    """matchers: the tenant's first. matched: alerts that are not resolved and that the matchers fit."""

    id: UUID
    matchers: list[Matcher]
    starts_at: str
    ends_at: str
    comment: str
    created_by: str
    created_at: str
    state: Literal["active", "pending", "expired"]
    matched: int


class Silences(BaseModel):
    items: list[Silence]


class Received(BaseModel):
    """What became of the alerts of one delivery. ignored: nothing new, or of another tenant."""

    received: int
    created: int
    updated: int
    ignored: int


Document = dict[str, Any]
