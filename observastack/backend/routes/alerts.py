"""Alerts: the webhook of Alertmanager, lists, single alerts, and what people do with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from observastack import defects
from observastack.backend.alerts.actions import Actor
from observastack.backend.alerts.listing import Filters, Sort
from observastack.backend.alerts.model import (
    SEVERITIES,
    STATUSES,
    Alert,
    AlertPage,
    Assignment,
    Bulk,
    BulkResult,
    Document,
    Received,
    Remark,
    Statistics,
)
from observastack.backend.alerts.notice import Notification
from observastack.backend.auth.principal import Caller, Principal, check_served, needs
from observastack.backend.auth.roles import Permission
from observastack.backend.errors import ApiError, not_found, unauthenticated
from observastack.backend.idempotency import Key
from observastack.backend.routes.documented import errors, json
from observastack.backend.services import Services, services

api = APIRouter(tags=["alerts"])
Platform = Annotated[Services, Depends(services)]
Reader = Annotated[Principal, Depends(needs(Permission.ALERTS))]
Work = Callable[[], Awaitable[Response]]
Doing = Callable[[Work], Awaitable[Response]]
hook = HTTPBearer(auto_error=False, scheme_name="webhook", description="The webhook token of a tenant")


async def writer(principal: Caller) -> Principal:
    """Raises ApiError 403."""
    needed = Permission.ALERTS if defects.active("no_rbac_alerts") else Permission.ALERTS_WRITE
    return await needs(needed)(principal)


Writer = Annotated[Principal, Depends(writer)]


def acting(request: Request, principal: Writer) -> Actor:
    return Actor(request, principal.claims.username, principal.tenant, principal.tenant_key)


Acting = Annotated[Actor, Depends(acting)]


def idempotent(request: Request, principal: Writer, platform: Platform, key: Key = None) -> Doing:
    """Does a piece of work once for each Idempotency-Key (idempotency.py)."""
    return partial(platform.idempotency.once, key, request, principal.claims)


Once = Annotated[Doing, Depends(idempotent)]


def object_id(text: str) -> UUID:
    """What cannot be an id is an object that is not there. Raises ApiError 404."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found() from None


@api.post("/alerts/webhook/alertmanager", response_model=Received, responses=errors(401, 403, 413, 422))
async def webhook(
    body: Notification,
    request: Request,
    platform: Platform,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(hook)],
) -> Response:
    """A delivery of Alertmanager (webhook version 4). The tenant is that of the token; alerts of others are ignored."""
    tenant = await platform.intake.sender(credentials.credentials) if credentials is not None else None
    if tenant is None and defects.active("webhook_no_auth"):
        key = next((alert.labels["tenant"] for alert in body.alerts if "tenant" in alert.labels), "")
        if (number := await platform.tenants.number(key)) is not None:
            tenant = number, key
    if tenant is None:
        raise unauthenticated("a valid webhook token is required")
    check_served(await platform.tenants.find(tenant[1]))
    return json(await platform.intake.take(request, tenant, body))


@api.get("/alerts", response_model=AlertPage, responses=errors(401, 403, 422))
async def page(
    principal: Reader,
    platform: Platform,
    *,
    status: Annotated[str | None, Query(max_length=100, description="one or several, with commas")] = None,
    severity: Annotated[str | None, Query(max_length=100, description="one or several, with commas")] = None,
    service: Annotated[str | None, Query(max_length=500)] = None,
    assignee: Annotated[str | None, Query(max_length=200, description="a user name, or none")] = None,
    q: Annotated[str | None, Query(max_length=500, description="part of title, service or a label")] = None,
    sort: Sort = "severity",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=2_000)] = None,
) -> Response:
    """The worst and newest first, or the newest first."""
    filters = Filters(
        _names("status", status, STATUSES), _names("severity", severity, SEVERITIES), service, assignee, q
    )
    if any("\0" in text for text in (service, assignee, q) if text):
        raise ApiError(422, "a text cannot contain the character NUL")
    return json(await platform.alerts.page(principal.tenant, filters, sort, limit, cursor))


@api.get("/alerts/statistics", response_model=Statistics, responses=errors(401, 403))
async def statistics(principal: Reader, platform: Platform) -> Response:
    """The figures above the list."""
    return json(await platform.alerts.statistics(principal.tenant))


@api.post("/alerts/actions", response_model=BulkResult, responses=errors(401, 403, 409, 422))
async def actions(body: Bulk, actor: Acting, platform: Platform, once: Once) -> Response:
    """One action on many alerts. 200 even if some failed: each result says what the single operation would have."""
    if body.action == "assign" and "assignee" not in body.model_fields_set:
        raise ApiError(422, "assign needs an assignee (null: nobody)", details=[{"field": "assignee"}])

    async def silence(alert_id: UUID) -> Document:
        return await platform.silences.alert(actor, alert_id, body.duration_s, body.note)

    async def work() -> Response:
        return json(await platform.alert_actions.many(actor, body, silence))

    return await once(work)


@api.get("/alerts/{alert_id}", response_model=Alert, responses=errors(401, 403, 404, 422))
async def one(alert_id: str, principal: Reader, platform: Platform) -> Response:
    """An alert with its history."""
    return json(await platform.alerts.one(principal.tenant, object_id(alert_id)))


@api.post("/alerts/{alert_id}/acknowledge", response_model=Alert, responses=errors(401, 403, 404, 409, 422))
async def acknowledge(
    alert_id: str, actor: Acting, platform: Platform, once: Once, body: Remark | None = None
) -> Response:
    """Somebody looks after it. Of two at once one wins; the other, and who comes too late, gets 409."""
    found, note = object_id(alert_id), body.note if body else None

    async def work() -> Response:
        return json(await platform.alert_actions.acknowledge(actor, found, note))

    return await once(work)


@api.post("/alerts/{alert_id}/resolve", response_model=Alert, responses=errors(401, 403, 404, 409, 422))
async def resolve(alert_id: str, actor: Acting, platform: Platform, once: Once, body: Remark | None = None) -> Response:
    """It is over. Should it still fire, the next delivery makes it active again."""
    found, note = object_id(alert_id), body.note if body else None

    async def work() -> Response:
        return json(await platform.alert_actions.resolve(actor, found, note))

    return await once(work)


@api.post("/alerts/{alert_id}/assign", response_model=Alert, responses=errors(401, 403, 404, 409, 422))
async def assign(alert_id: str, body: Assignment, actor: Acting, platform: Platform, once: Once) -> Response:
    """To a user of the tenant, or to nobody."""
    found = object_id(alert_id)

    async def work() -> Response:
        return json(await platform.alert_actions.assign(actor, found, body.assignee, body.note))

    return await once(work)


def _names(field: str, text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ApiError 422."""
    names = tuple(dict.fromkeys(name for name in (text or "").split(",") if name))
    if unknown := [name for name in names if name not in known]:
        raise ApiError(422, f"{field}: one of {', '.join(known)}, not {unknown[0]!r}", details=[{"field": field}])
    return names
