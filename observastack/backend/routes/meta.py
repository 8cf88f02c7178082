"""What this deployment can do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from observastack.backend.auth.principal import Caller
from observastack.backend.routes.documented import errors, json
from observastack.backend.services import Services, services
from observastack.backend.sources import SOURCES

api = APIRouter(tags=["meta"])


class Capabilities(BaseModel):
    """stores: adapter of each signal. promql: what is evaluated; anything else is 501. capabilities: feature names."""

    stores: dict[str, str]
    promql: dict[str, list[str]]
    capabilities: list[str]


@api.get("/meta/capabilities", response_model=Capabilities, responses=errors(401))
async def capabilities(_: Caller, platform: Annotated[Services, Depends(services)]) -> Response:
    """What can be asked of this deployment."""
    features = [
        f"auth.{platform.config.auth.method}",
        "search",
        "search.export",
        "logs",
        "metrics",
        "metrics.promql",
        "traces",
        "live",
        "alerts",
        "alerts.silences",
    ]
    if platform.config.test_data_api:
        features.append("test_data")
    document: dict[str, Any] = {
        "stores": {name: platform.stores.of(name).implementation for name in SOURCES},
        "promql": {
            "functions": list(platform.stores.metrics.functions),
            "aggregations": list(platform.stores.metrics.aggregations),
        },
        "capabilities": features,
    }
    return json(document)
