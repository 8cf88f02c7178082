"""What this deployment can do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from observastack.backend.auth.principal import Caller
from observastack.backend.auth.roles import Permission
from observastack.backend.limits import limit_of
from observastack.backend.metrics import MAX_STEPS
from observastack.backend.middleware import MAX_BODY
from observastack.backend.routes.documented import errors, json
from observastack.backend.search.history import KEPT
from observastack.backend.services import Services, services
from observastack.backend.sources import SOURCES

api = APIRouter(tags=["meta"])
Platform = Annotated[Services, Depends(services)]


class Capabilities(BaseModel):
    """stores: adapter of each signal. promql: what is evaluated; anything else is 501. capabilities: feature names.
    limits: sizes in items, bytes or requests; 0 requests a minute is no limit."""

    stores: dict[str, str]
    promql: dict[str, list[str]]
    capabilities: list[str]
    limits: dict[str, int | None]


class Flags(BaseModel):
    """What the user interface shows to this caller."""

    flags: dict[Literal["live_tail", "alerts", "insights", "export", "correlation"], bool]


ALWAYS = (
    "search",
    "search.export",
    "search.stream",
    "search.correlate",
    "search.aggregate",
    "logs",
    "metrics",
    "metrics.promql",
    "traces",
    "traces.search",
    "live",
    "alerts",
    "alerts.silences",
    "insights",
    "admin",
)


@api.get("/meta/capabilities", response_model=Capabilities, responses=errors(401, 403))
async def capabilities(principal: Caller, platform: Platform) -> Response:
    """What can be asked of this deployment."""
    config = platform.config
    features = [f"auth.{config.auth.method}", *ALWAYS]
    if config.stores.prometheus_url is not None:
        features.append("alerting.rules")
    if config.test_data_api:
        features.append("test_data")
    document: dict[str, Any] = {
        "stores": {name: platform.stores.of(name).implementation for name in SOURCES},
        "promql": {
            "functions": list(platform.stores.metrics.functions),
            "aggregations": list(platform.stores.metrics.aggregations),
        },
        "capabilities": features,
        "limits": {
            "search_limit": 1_000,
            "export_limit": None,
            "aggregate_buckets": 120,
            "promql_points": MAX_STEPS,
            "correlate_window_s": 3_600,
            "history": KEPT,
            "body_bytes": MAX_BODY,
            "requests_per_minute": limit_of(platform, principal.home),
            "stream_connections": config.limits.stream_connections,
        },
    }
    return json(document)


@api.get("/meta/flags", response_model=Flags, responses=errors(401, 403))
async def flags(principal: Caller) -> Response:
    """What there is and the caller may use."""
    return json(
        {
            "flags": {
                "live_tail": principal.may(Permission.SEARCH),
                "alerts": principal.may(Permission.ALERTS),
                "insights": principal.may(Permission.INSIGHTS),
                "export": principal.may(Permission.EXPORT),
                "correlation": principal.may(Permission.SEARCH),
            }
        }
    )
