"""Administration over HTTP. What each caller reaches is decided in backend/admin."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from observastack.backend.admin import journal
from observastack.backend.admin.acting import Acting, AuditedRoute, PlatformActing
from observastack.backend.admin.model import (
    AuditLog,
    PlatformHealth,
    Role,
    RoleList,
    RoleName,
    Settings,
    SettingsUpdate,
    Tenant,
    TenantCreate,
    TenantKey,
    TenantList,
    TenantStats,
    TenantUpdate,
    User,
    UserCreate,
    UserCreated,
    UserList,
    UserRoles,
    UserUpdate,
)
from observastack.backend.auth.roles import PERMISSIONS
from observastack.backend.idempotency import Key
from observastack.backend.routes.documented import errors, json
from observastack.backend.search.model import Nanoseconds
from observastack.backend.services import Services, services
from observastack.backend.sources import SOURCES, SourceFailed, SourceName

api = APIRouter(prefix="/admin", tags=["admin"], route_class=AuditedRoute)
Platform = Annotated[Services, Depends(services)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=400, description="next_cursor of the page before")]
OfTenant = Annotated[TenantKey | None, Query(description="only this tenant's; another one than the own is 404")]
DESCRIPTIONS = {
    "viewer": "reads logs, metrics, traces, alerts and insights",
    "editor": "viewer, and works on alerts and silences",
    "analyst": "viewer, and exports searches and insights",
    "tenant_admin": "everything inside the own tenant, users and roles included",
    "agent": "writes telemetry through the gateway and reads nothing",
    "admin": "administers the platform and all its tenants; belongs to none",
}


@api.get("/tenants", response_model=TenantList, responses=errors(401, 403, 422))
async def tenants(by: Acting, platform: Platform, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Tenants by id: all of them for a platform admin, the own one for a tenant_admin."""
    return json(await platform.admin.tenants.listed(by, limit, cursor))


@api.post("/tenants", status_code=201, response_model=Tenant, responses=errors(401, 403, 409, 422))
async def tenant_create(
    body: TenantCreate, request: Request, by: PlatformActing, platform: Platform, key: Key = None
) -> Response:
    """A new tenant, active and empty."""

    async def work() -> Response:
        return json(await platform.admin.tenants.create(request, by, body), 201)

    return await platform.idempotency.once(key, request, by.principal.claims, work)


@api.get("/tenants/{tenant}", response_model=Tenant, responses=errors(401, 403, 404, 422))
async def tenant(tenant: str, by: Acting, platform: Platform) -> Response:
    """One tenant."""
    return json(await platform.admin.tenants.get(by, tenant))


@api.get("/tenants/{tenant}/stats", response_model=TenantStats, responses=errors(401, 403, 404, 422))
async def tenant_stats(tenant: str, by: Acting, platform: Platform) -> Response:
    """How much is stored for the tenant."""
    return json(await platform.admin.tenants.stats(by, tenant))


@api.put("/tenants/{tenant}", response_model=Tenant, responses=errors(401, 403, 404, 422))
async def tenant_update(tenant: str, body: TenantUpdate, request: Request, by: Acting, platform: Platform) -> Response:
    """Rename, mark, suspend or reactivate. A suspended tenant's tokens and writes are refused with 403."""
    return json(await platform.admin.tenants.update(request, by, tenant, body))


@api.delete("/tenants/{tenant}", status_code=204, response_class=Response, responses=errors(401, 403, 404, 409, 422))
async def tenant_delete(tenant: str, request: Request, by: PlatformActing, platform: Platform) -> Response:
    """Only a suspended tenant without users and stored items; any other is 409."""
    await platform.admin.tenants.delete(request, by, tenant)
    return Response(status_code=204)


@api.get("/users", response_model=UserList, responses=errors(401, 403, 404, 422))
async def users(
    *,
    by: Acting,
    platform: Platform,
    tenant: OfTenant = None,
    role: RoleName | None = None,
    q: Annotated[str | None, Query(max_length=200, description="in user name, e-mail or name")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Users by name."""
    return json(await platform.admin.users.listed(by, tenant=tenant, role=role, q=q, limit=limit, cursor=cursor))


@api.post("/users", status_code=201, response_model=UserCreated, responses=errors(401, 403, 404, 409, 422, 501))
async def user_create(body: UserCreate, request: Request, by: Acting, platform: Platform, key: Key = None) -> Response:
    """A new user with a temporary password, shown this once: a repeat by Idempotency-Key gets null instead."""

    async def work() -> Response:
        return json(await platform.admin.users.create(request, by, body), 201)

    return await platform.idempotency.once(key, request, by.principal.claims, work, forget=("temporary_password",))


@api.get("/users/{user}", response_model=User, responses=errors(401, 403, 404, 422))
async def user(user: UUID, by: Acting, platform: Platform) -> Response:
    """One user."""
    return json(await platform.admin.users.get(by, user))


@api.put("/users/{user}", response_model=User, responses=errors(401, 403, 404, 422, 501))
async def user_update(user: UUID, body: UserUpdate, request: Request, by: Acting, platform: Platform) -> Response:
    """Change e-mail address or name."""
    return json(await platform.admin.users.update(request, by, user, body))


@api.delete("/users/{user}", status_code=204, response_class=Response, responses=errors(401, 403, 404, 409, 422, 501))
async def user_delete(user: UUID, request: Request, by: Acting, platform: Platform) -> Response:
    """Delete a user and end the sessions; 409 for oneself."""
    await platform.admin.users.delete(request, by, user)
    return Response(status_code=204)


@api.put("/users/{user}/roles", response_model=User, responses=errors(401, 403, 404, 409, 422, 501))
async def user_roles(user: UUID, body: UserRoles, request: Request, by: Acting, platform: Platform) -> Response:
    """Replace the roles. The user's sessions end, for their tokens say the old ones."""
    return json(await platform.admin.users.set_roles(request, by, user, body.roles))


@api.post("/users/{user}/activate", response_model=User, responses=errors(401, 403, 404, 422, 501))
async def user_activate(user: UUID, request: Request, by: Acting, platform: Platform) -> Response:
    """Let a user log in again."""
    return json(await platform.admin.users.set_enabled(request, by, user, True))


@api.post("/users/{user}/deactivate", response_model=User, responses=errors(401, 403, 404, 409, 422, 501))
async def user_deactivate(user: UUID, request: Request, by: Acting, platform: Platform) -> Response:
    """Refuse further log-ins and end every session; 409 for oneself."""
    return json(await platform.admin.users.set_enabled(request, by, user, False))


@api.get("/roles", response_model=RoleList, responses=errors(401, 403))
async def roles(_: Acting) -> Response:
    """Every role and what it may do."""
    items = [
        Role(role=role, permissions=sorted(permissions), description=DESCRIPTIONS[role]).model_dump()
        for role, permissions in PERMISSIONS.items()
    ]
    return json({"items": items})


@api.get("/audit-logs", response_model=AuditLog, responses=errors(401, 403, 404, 422))
async def audit_logs(
    *,
    by: Acting,
    platform: Platform,
    user: Annotated[str | None, Query(max_length=300)] = None,
    action: Annotated[str | None, Query(max_length=100, description="whole, or a beginning such as `user.`")] = None,
    success: bool | None = None,
    tenant: OfTenant = None,
    start: Annotated[Nanoseconds | None, Query(alias="from")] = None,
    end: Annotated[Nanoseconds | None, Query(alias="to")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Who did what, newest first."""
    sought = journal.Sought(user, action, success, tenant, start, end)
    return json(await journal.entries(platform.database, by, sought, limit, cursor))


@api.get("/settings", response_model=Settings, responses=errors(401, 403, 404, 422))
async def settings(by: Acting, platform: Platform, tenant: OfTenant = None) -> Response:
    """What applies to the tenant; for a platform admin without `tenant`, to all that have set nothing."""
    return json(await platform.admin.settings.get(by, tenant))


@api.put("/settings", response_model=Settings, responses=errors(401, 403, 404, 422))
async def settings_update(
    body: SettingsUpdate, request: Request, by: Acting, platform: Platform, tenant: OfTenant = None
) -> Response:
    """Change what applies. The limit of requests is a platform admin's to set."""
    return json(await platform.admin.settings.update(request, by, tenant, body))


async def _source(platform: Services, name: SourceName) -> dict[str, Any]:
    began, store, status = time.perf_counter(), platform.stores.of(name), "ok"
    try:
        await platform.sources.ask(name, store.probe)
    except SourceFailed as failure:
        status = failure.status
    latency = round((time.perf_counter() - began) * 1000, 3)
    return {"adapter": store.implementation, "status": status, "latency_ms": latency}


@api.get("/health", response_model=PlatformHealth, responses=errors(401, 403))
async def health(_: PlatformActing, request: Request, platform: Platform) -> Response:
    """The process, its dependencies and sources in detail."""
    found = await platform.health.check()
    sources = await asyncio.gather(*(_source(platform, name) for name in SOURCES))
    document: dict[str, Any] = {
        "version": request.app.version,
        "defects": list(platform.config.defects),
        "dependencies": [
            {"name": one.name, "ready": one.ready, "latency_ms": one.latency_ms, "reason": one.reason} for one in found
        ],
        "sources": dict(zip(SOURCES, sources, strict=True)),
        "uptime_s": round(time.monotonic() - platform.started, 3),
    }
    return json(document)
