"""Insights over HTTP."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from observastack import defects
from observastack.backend.admin.settings import ANOMALY_SIGMA
from observastack.backend.auth.principal import Principal, needs
from observastack.backend.auth.roles import Permission
from observastack.backend.errors import ApiError
from observastack.backend.insights.model import (
    Anomalies,
    CostBreakdown,
    Dashboard,
    ResourceUtilization,
    Trend,
    TrendRequest,
)
from observastack.backend.insights.reading import Range
from observastack.backend.insights.table import Kind, table
from observastack.backend.insights.trend import trend
from observastack.backend.routes.documented import errors, json
from observastack.backend.search.model import Nanoseconds
from observastack.backend.services import Services, services

api = APIRouter(prefix="/insights", tags=["insights"])
Platform = Annotated[Services, Depends(services)]
Reader = Annotated[Principal, Depends(needs(Permission.INSIGHTS))]
DAY_NS = 86_400 * 10**9
LONGEST_NS = 35 * DAY_NS
GRID_NS = 15 * 10**9
Sigma = Annotated[float | None, Query(ge=1, le=20, description="default: the tenant's setting")]


async def exporter(principal: Annotated[Principal, Depends(needs(Permission.INSIGHTS))]) -> Principal:
    """Raises ApiError 403."""
    if not principal.may(Permission.INSIGHTS_EXPORT) and not defects.active("viewer_can_export"):
        raise ApiError(403, f"this needs the permission {Permission.INSIGHTS_EXPORT}")
    return principal


async def ranged(
    start: Annotated[Nanoseconds | None, Query(alias="from", description="default: a day before `to`")] = None,
    end: Annotated[Nanoseconds | None, Query(alias="to", description="default: now")] = None,
) -> Range:
    """Raises ApiError 422. `now` is taken on a grid, so that those who ask at the same time get the same answer."""
    if end is None:
        end = -(-time.time_ns() // GRID_NS) * GRID_NS
    if start is None:
        start = max(0, end - DAY_NS)
    if not 10**9 <= end - start <= LONGEST_NS:
        raise ApiError(422, "the time range must be 1 s to 35 days long")
    return Range(start, end)


Over = Annotated[Range, Depends(ranged)]


@api.get("/dashboard", response_model=Dashboard, responses=errors(401, 403, 422))
async def dashboard(principal: Reader, platform: Platform, over: Over) -> Response:
    """The tenant at a glance: cost, usage, intake, errors, active alerts."""
    return json(await platform.insights.dashboard(principal.scope, over))


@api.get("/resource-utilization", response_model=ResourceUtilization, responses=errors(401, 403, 422))
async def resource_utilization(principal: Reader, platform: Platform, over: Over) -> Response:
    """What each service uses and how it answers; the 20 services with the most items."""
    return json(await platform.insights.utilization(principal.scope, over))


@api.get("/cost-breakdown", response_model=CostBreakdown, responses=errors(401, 403, 422))
async def cost_breakdown(principal: Reader, platform: Platform, over: Over) -> Response:
    """What each service's telemetry costs by the price model; the 20 services with the most items."""
    return json(await platform.insights.cost(principal.scope, over))


@api.get("/anomalies", response_model=Anomalies, responses=errors(401, 403, 422))
async def anomalies(principal: Reader, platform: Platform, over: Over, sigma: Sigma = None) -> Response:
    """Services whose logs or spans come unusually often or seldom in the last 48th of the time range."""
    return json(await platform.insights.anomalies(principal.scope, over, _sigma(principal, sigma)))


@api.post("/trend-analysis", response_model=Trend, responses=errors(400, 401, 403, 413, 422, 501))
async def trend_analysis(body: TrendRequest, principal: Reader, platform: Platform) -> Response:
    """The line through the one series that a PromQL query has as its result, and where it leads."""
    return json(await trend(platform.metrics, principal.scope, body))


@api.get(
    "/export",
    response_class=Response,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}},
            "description": "A line of names, then one per item",
        },
        **errors(401, 403, 422),
    },
)
async def insights_export(
    kind: Kind, principal: Annotated[Principal, Depends(exporter)], platform: Platform, over: Over, sigma: Sigma = None
) -> Response:
    """The same as CSV."""
    match kind:
        case "resource-utilization":
            document = await platform.insights.utilization(principal.scope, over)
        case "cost-breakdown":
            document = await platform.insights.cost(principal.scope, over)
        case "anomalies":
            document = await platform.insights.anomalies(principal.scope, over, _sigma(principal, sigma))
    return Response(
        table(kind, document["items"]),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{kind}.csv"'},
    )


def _sigma(principal: Principal, asked: float | None) -> float:
    own = {} if principal.home is None else principal.home.settings
    return float(own.get("anomaly_sigma", ANOMALY_SIGMA)) if asked is None else asked
