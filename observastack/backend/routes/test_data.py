"""Test data and injected trouble; present only where the configuration allows it, for platform admins, always audited."""

from __future__ import annotations

import time
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator

from observastack.backend.audit import Entry
from observastack.backend.auth.principal import Principal, needs
from observastack.backend.auth.roles import Permission
from observastack.backend.errors import ApiError, not_found
from observastack.backend.routes.documented import errors, json
from observastack.backend.search.model import DEFAULT_RANGE_NS, TimeRange
from observastack.backend.services import Services, services
from observastack.backend.sources import SourceName
from observastack.backend.test_data import Seed
from observastack.store.rows import Signal

api = APIRouter(prefix="/test-data", tags=["test data"])
Platform = Annotated[Services, Depends(services)]
Admin = Annotated[Principal, Depends(needs(Permission.TEST_DATA))]
RUN = r"^[A-Za-z0-9._-]{1,64}$"
MAX_ITEMS = 100_000


class SeedRequest(BaseModel):
    """Items of each signal for one tenant, spread over the time range (default: the last hour)."""

    model_config = ConfigDict(extra="forbid")

    tenant: StrictStr
    run: StrictStr = Field(pattern=RUN)
    logs: int = Field(0, ge=0, le=MAX_ITEMS, strict=True)
    traces: int = Field(0, ge=0, le=MAX_ITEMS, strict=True)
    metrics: int = Field(0, ge=0, le=MAX_ITEMS, strict=True)
    time_range: TimeRange | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.time_range is not None and self.time_range.end == self.time_range.start:
            raise ValueError("the time range is empty")
        return self


class Counts(BaseModel):
    logs: int
    traces: int
    metrics: int


class Seeded(BaseModel):
    run: str
    tenant: str
    items: Counts


class TenantSummary(BaseModel):
    total: Counts
    runs: dict[str, Counts]


class Summary(BaseModel):
    tenants: dict[str, TenantSummary]


class Deleted(BaseModel):
    run: str
    tenants: dict[str, Counts]


class FaultRequest(BaseModel):
    """Trouble of one source. It ends by itself after ttl_s; latency and rate both 0 end it at once."""

    model_config = ConfigDict(extra="forbid")

    source: SourceName
    latency_ms: int = Field(0, ge=0, le=60_000, strict=True)
    error_rate: float = Field(0.0, ge=0.0, le=1.0)
    ttl_s: float = Field(60.0, gt=0, le=3_600)


class Fault(BaseModel):
    source: SourceName
    latency_ms: int
    error_rate: float
    ttl_s: float


@api.post("/seed", status_code=201, response_model=Seeded, responses=errors(401, 403, 404, 422, 501))
async def seed(body: SeedRequest, request: Request, admin: Admin, platform: Platform) -> Response:
    """Write known items for a tenant."""
    number = await platform.tenants.number(body.tenant)
    if number is None:
        raise not_found()
    counts: dict[Signal, int] = {"logs": body.logs, "traces": body.traces, "metrics": body.metrics}
    for signal, count in counts.items():
        if count and (store := platform.stores.of(signal).implementation) != "embedded":
            raise ApiError(501, f"{signal} are kept by {store}: send test data through the ingest gateway")
    now = time.time_ns()
    start, end = (
        (now - DEFAULT_RANGE_NS, now) if body.time_range is None else (body.time_range.start, body.time_range.end)
    )
    wanted = Seed(body.run, counts, start, end, body.seed)
    await _audit(platform, request, admin, ("test-data.seed", body.run), body.tenant)
    items = await platform.test_data.seed(number, wanted)
    return json({"run": body.run, "tenant": body.tenant, "items": items}, 201)


@api.get("/summary", response_model=Summary, responses=errors(401, 403, 422))
async def summary(
    _: Admin, platform: Platform, tenant: Annotated[str | None, Query(description="only this one")] = None
) -> Response:
    """How much is stored for each tenant, and what of it belongs to seeded runs."""
    numbers = await platform.tenants.all()
    if tenant is not None:
        numbers = {key: number for key, number in numbers.items() if key == tenant}
    return json({"tenants": {key: await platform.test_data.summary(number) for key, number in sorted(numbers.items())}})


@api.post("/faults", response_model=Fault, responses=errors(401, 403, 422))
async def fault(body: FaultRequest, request: Request, admin: Admin, platform: Platform) -> Response:
    """Make a source slow or failing for a while."""
    await _audit(platform, request, admin, ("test-data.fault", body.source))
    platform.sources.inject(body.source, latency_ms=body.latency_ms, error_rate=body.error_rate, ttl_s=body.ttl_s)
    return json(body.model_dump())


@api.delete("/{run}", response_model=Deleted, responses=errors(401, 403, 404, 422))
async def delete(run: str, request: Request, admin: Admin, platform: Platform) -> Response:
    """Delete what a run has seeded, for every tenant."""
    await _audit(platform, request, admin, ("test-data.delete", run))
    deleted = {
        key: counts
        for key, number in sorted((await platform.tenants.all()).items())
        if any((counts := await platform.test_data.delete(number, run)).values())
    }
    if not deleted:
        raise not_found()
    return json({"run": run, "tenants": deleted})


async def _audit(
    platform: Services, request: Request, admin: Principal, act: tuple[str, str], tenant: str | None = None
) -> None:
    """Before the act: what cannot be recorded must not happen."""
    action, resource = act
    await platform.audit.record(request, Entry(action, admin.claims.username, True, tenant, resource))
