"""Requests and answers of insights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from observastack.backend.promql.duration import duration_ns
from observastack.backend.search.model import TimeRange

Step = Annotated[
    int,
    BeforeValidator(duration_ns, json_schema_input_type=str | float),
    Field(description="Seconds, or a duration such as 5m", ge=1_000_000_000),
]


class Window(BaseModel):
    """Nanoseconds since 1970 as decimal strings."""

    model_config = ConfigDict(populate_by_name=True)

    start: str = Field(alias="from")
    end: str = Field(alias="to")


class Cost(BaseModel):
    amount: float
    currency: str
    change_pct: float | None


class Usage(BaseModel):
    used_pct: float | None
    change_points: float | None


class Intake(BaseModel):
    """Averages over the time range. bytes: size of the items as JSON."""

    bytes_per_day: int
    items_per_day: int
    change_pct: float | None


class Savings(BaseModel):
    """What log records of severity trace and debug cost."""

    amount: float
    share_pct: float


class Dashboard(BaseModel):
    """Changes are against the time range of the same length before. partial: something could not be counted in time."""

    time_range: Window
    cost: Cost
    cpu: Usage
    memory: Usage
    ingest: Intake
    savings: Savings
    services: int
    error_pct: float | None
    alerts_active: int | None
    partial: bool


class Share(BaseModel):
    """Percent of the limit. requested_pct: what is reserved of it."""

    used_pct: float | None
    requested_pct: float | None


class ServiceUtilization(BaseModel):
    """requests_per_s, error_pct: of server spans. p95_ms: of the newest server spans, at most 500."""

    service: str
    cpu: Share
    memory: Share
    requests_per_s: float | None
    error_pct: float | None
    p95_ms: float | None


class ResourceUtilization(BaseModel):
    items: list[ServiceUtilization]
    partial: bool


class ServiceCost(BaseModel):
    """bytes: of log records and spans, as JSON; how many there are times what a sample of them measures."""

    service: str
    cost: float
    share_pct: float
    change_pct: float | None
    bytes: int
    logs: int
    spans: int
    samples: int


class PriceModel(BaseModel):
    """A GB has 10⁹ bytes."""

    per_gb_logs: float
    per_gb_traces: float
    per_million_samples: float


class CostBreakdown(BaseModel):
    currency: str
    total: float
    items: list[ServiceCost]
    model: PriceModel
    partial: bool


class BaselineOf(BaseModel):
    buckets: int
    step_s: float


class FoundAnomaly(BaseModel):
    """now against expected (the median before), deviation in robust standard deviations. points [time s, value]; band
    [time s, low, high]: what is usual."""

    id: str
    service: str
    signal: Literal["logs", "error logs", "spans", "error spans"]
    unit: str
    now: float
    expected: float
    deviation: float
    direction: Literal["up", "down"]
    since: str
    points: list[tuple[float, float]]
    band: list[tuple[float, float, float]]


class Anomalies(BaseModel):
    sigma: float
    baseline: BaselineOf
    items: list[FoundAnomaly]
    partial: bool


class TrendRequest(BaseModel):
    """query: PromQL with one series as its result."""

    model_config = ConfigDict(extra="forbid")

    query: StrictStr = Field(min_length=1, max_length=10_000)
    time_range: TimeRange
    step_s: Step


class TrendLine(BaseModel):
    slope_per_h: float | None
    direction: Literal["rising", "falling", "flat"] | None
    r2: float | None


class Trend(BaseModel):
    """Times in seconds. The trend is null for fewer than two points. forecast: the line, for half as long again."""

    points: list[tuple[float, float]]
    trend: TrendLine
    forecast: list[tuple[float, float]]


Document = dict[str, Any]
