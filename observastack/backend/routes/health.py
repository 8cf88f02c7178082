"""Liveness, readiness, metrics about the backend itself."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from observastack import defects
from observastack.backend.routes.documented import json
from observastack.backend.services import Services, services

api = APIRouter(tags=["health"])
root = APIRouter(tags=["health"])


class Live(BaseModel):
    status: Literal["live"]


class Dependency(BaseModel):
    name: str
    ready: bool
    latency_ms: float
    reason: str | None


class Ready(BaseModel):
    status: Literal["ready", "not_ready"]
    dependencies: list[Dependency]


@api.get("/health/live", response_model=Live)
async def live() -> Response:
    """The process answers; says nothing about dependencies."""
    return json({"status": "live"})


@api.get(
    "/health/ready", response_model=Ready, responses={503: {"model": Ready, "description": "A dependency is down"}}
)
async def ready(platform: Annotated[Services, Depends(services)]) -> Response:
    """Asks every dependency a real question; 503 when one does not answer."""
    found = await platform.health.check()
    good = all(status.ready for status in found) or defects.active("health_lies")
    document = {
        "status": "ready" if good else "not_ready",
        "dependencies": [
            {
                "name": status.name,
                "ready": status.ready or defects.active("health_lies"),
                "latency_ms": status.latency_ms,
                "reason": None if good else status.reason,
            }
            for status in found
        ],
    }
    return json(document, 200 if good else 503)


@root.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(platform: Annotated[Services, Depends(services)]) -> Response:
    """Prometheus text format."""
    text = platform.telemetry.render(platform.health.last)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
