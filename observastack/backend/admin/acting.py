"""Who may administer; the route that records what was refused."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from observastack import defects
from observastack.backend.admin.administrator import Administrator
from observastack.backend.audit import Entry
from observastack.backend.auth.principal import Caller, Principal
from observastack.backend.auth.roles import Permission
from observastack.backend.errors import ApiError, as_api_error
from observastack.backend.services import Services


async def administrator(principal: Caller) -> Administrator:
    """Raises ApiError 403."""
    if principal.may(Permission.ADMIN_PLATFORM):
        return Administrator(principal, None)
    if principal.may(Permission.ADMIN_TENANT) or defects.active("no_rbac_admin"):
        own = principal.tenant_key
        return Administrator(principal, None if defects.active("tenant_admin_sees_all") else own)
    raise ApiError(403, f"this needs the permission {Permission.ADMIN_TENANT}")


async def platform_administrator(principal: Caller) -> Administrator:
    """Raises ApiError 403."""
    if not principal.may(Permission.ADMIN_PLATFORM):
        raise ApiError(403, f"this needs the permission {Permission.ADMIN_PLATFORM}")
    return Administrator(principal, None)


Acting = Annotated[Administrator, Depends(administrator)]
PlatformActing = Annotated[Administrator, Depends(platform_administrator)]
_NO_TENANT_DATA = frozenset({"roles", "health"})


class AuditedRoute(APIRoute):
    """Records refused acts, and what a platform admin reads. Acts that succeed are recorded in their own transaction.

    The name of the action is that of the route's function: `user_create` is `user.create`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = self.name.replace("_", ".")
        reads = self.methods == {"GET"}

        async def audited(request: Request) -> Response:
            try:
                answer = await handle(request)
            except (ApiError, RequestValidationError) as refusal:
                problem = as_api_error(refusal)
                if problem.status not in (401, 429, 503) and not defects.active("refusals_unaudited"):
                    await _record(request, action, False, {"status": problem.status, "reason": problem.code})
                raise
            if reads and self.name not in _NO_TENANT_DATA and not defects.active("admin_unaudited"):
                await _record(request, action, True, None, only_platform=True)
            return answer

        return audited


async def _record(
    request: Request, action: str, success: bool, detail: dict[str, object] | None, *, only_platform: bool = False
) -> None:
    principal: Principal | None = request.scope.get("observastack.principal")
    if principal is None:
        return  # nobody: what has no valid token is counted, not recorded
    if only_platform and not principal.may(Permission.ADMIN_PLATFORM):
        return
    platform: Services = request.app.state.services
    resource = request.url.path.partition("/admin/")[2]
    # What a platform admin looks at concerns the tenant that was named: its own administrators see it in their log.
    named = request.path_params.get("tenant") or request.query_params.get("tenant")
    entry = Entry(action, principal.claims.username, success, principal.claims.tenant or named, resource, detail)
    await platform.audit.record(request, entry)
