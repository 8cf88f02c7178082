"""Silences: made, changed, ended; always of the caller's tenant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from observastack.backend.alerts import model
from observastack.backend.alerts.model import SilenceRequest
from observastack.backend.alerts.silences import State
from observastack.backend.routes.alerts import Acting, Once, Reader, object_id
from observastack.backend.routes.documented import errors, json
from observastack.backend.services import Services, services

api = APIRouter(tags=["alerts"])
Platform = Annotated[Services, Depends(services)]


@api.get("/alerts/silences", response_model=model.Silences, responses=errors(401, 403, 422))
async def listed(principal: Reader, platform: Platform, state: Annotated[State | None, Query()] = None) -> Response:
    """The newest first; those that were deleted are not among them."""
    return json(await platform.silences.list(principal.tenant, principal.tenant_key, state))


@api.post("/alerts/silences", status_code=201, response_model=model.Silence, responses=errors(401, 403, 409, 422))
async def create(body: SilenceRequest, actor: Acting, platform: Platform, once: Once) -> Response:
    """From starts_at (default now) to ends_at, all alerts of the tenant that every matcher fits are silenced."""

    async def work() -> Response:
        return json(await platform.silences.create(actor, body), 201)

    return await once(work)


@api.get("/alerts/silences/{silence_id}", response_model=model.Silence, responses=errors(401, 403, 404, 422))
async def one(silence_id: str, principal: Reader, platform: Platform) -> Response:
    """A silence."""
    return json(await platform.silences.one(principal.tenant, principal.tenant_key, object_id(silence_id)))


@api.put("/alerts/silences/{silence_id}", response_model=model.Silence, responses=errors(401, 403, 404, 409, 422))
async def replace(silence_id: str, body: SilenceRequest, actor: Acting, platform: Platform) -> Response:
    """Other matchers, another time or comment; not of one that has ended."""
    return json(await platform.silences.replace(actor, object_id(silence_id), body))


@api.delete(
    "/alerts/silences/{silence_id}", status_code=204, response_class=Response, responses=errors(401, 403, 404, 422)
)
async def delete(silence_id: str, actor: Acting, platform: Platform) -> Response:
    """It ends at once; its alerts are what they were before."""
    await platform.silences.delete(actor, object_id(silence_id))
    return Response(status_code=204)
