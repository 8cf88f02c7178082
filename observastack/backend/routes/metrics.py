"""PromQL, in the form of Prometheus' HTTP API."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from observastack.backend.auth.principal import Principal, needs
from observastack.backend.auth.roles import Permission
from observastack.backend.promql.duration import duration_ns, instant_ns
from observastack.backend.routes.documented import errors, json
from observastack.backend.services import Services, services

api = APIRouter(tags=["signals"])
Platform = Annotated[Services, Depends(services)]
Reader = Annotated[Principal, Depends(needs(Permission.SIGNALS))]
Moment = Annotated[
    int,
    BeforeValidator(instant_ns, json_schema_input_type=str | float),
    Field(description="RFC 3339 or Unix seconds"),
]
Step = Annotated[
    int,
    BeforeValidator(duration_ns, json_schema_input_type=str | float),
    Field(description="Seconds, or a duration such as 15s", ge=1_000_000),
]


class InstantQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: StrictStr = Field(min_length=1)
    time: Moment | None = None


class RangeQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: StrictStr = Field(min_length=1)
    start: Moment
    end: Moment
    step: Step


class QueryData(BaseModel):
    """result: as Prometheus writes it; times in Unix seconds, values as text."""

    resultType: Literal["vector", "matrix", "scalar"]  # noqa: N815 - the wire name of Prometheus
    result: list[Any]


class QueryResult(BaseModel):
    status: Literal["success"]
    data: QueryData


class LabelValues(BaseModel):
    status: Literal["success"]
    data: list[str]


@api.post("/metrics/query", response_model=QueryResult, responses=errors(400, 401, 403, 422, 501))
async def instant(body: InstantQuery, principal: Reader, platform: Platform) -> Response:
    """A PromQL query at one time (default: now)."""
    at = time.time_ns() if body.time is None else body.time
    data = await platform.metrics.instant(principal.scope, body.query, at)
    return json({"status": "success", "data": data})


@api.post("/metrics/query_range", response_model=QueryResult, responses=errors(400, 401, 403, 422, 501))
async def over_range(body: RangeQuery, principal: Reader, platform: Platform) -> Response:
    """A PromQL query at every step from start to end."""
    data = await platform.metrics.range(
        principal.scope, body.query, start_ns=body.start, end_ns=body.end, step_ns=body.step
    )
    return json({"status": "success", "data": data})


@api.get("/metrics/labels", response_model=LabelValues, responses=errors(401, 403))
async def label_names(principal: Reader, platform: Platform) -> Response:
    """The names of all labels that the tenant's series have."""
    return json({"status": "success", "data": await platform.metrics.label_names(principal.scope)})


@api.get("/metrics/labels/{label}/values", response_model=LabelValues, responses=errors(401, 403, 422))
async def label_values(label: str, principal: Reader, platform: Platform) -> Response:
    """All values of a label over the tenant's series; `__name__` for the names of metrics."""
    found = await platform.metrics.label_values(principal.scope, label)
    return json({"status": "success", "data": found})
