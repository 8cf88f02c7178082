"""The caller of a request, from the bearer token alone; no header or body can name a tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from observastack.backend.auth.roles import Permission, granted
from observastack.backend.auth.tokens import Claims, InvalidToken
from observastack.backend.errors import ApiError, unauthenticated
from observastack.backend.services import Services, services
from observastack.backend.stores.ports import Tenant

bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", bearerFormat="JWT", description="Access token of /auth/login"
)


@dataclass(frozen=True)
class Principal:
    """A verified caller. tenant_number: the key of the tenant in the store; None for a platform admin."""

    claims: Claims
    tenant_number: int | None

    @property
    def tenant(self) -> int:
        """Raises ApiError 403: what belongs to tenants is not for callers without one."""
        if self.tenant_number is None:
            raise ApiError(403, "the account belongs to no tenant", code="tenant_required")
        return self.tenant_number

    @property
    def tenant_key(self) -> str:
        """Raises ApiError 403 as `tenant` does."""
        assert self.tenant and self.claims.tenant is not None
        return self.claims.tenant

    @property
    def scope(self) -> Tenant:
        """The tenant as signal stores take it. Raises ApiError 403 as `tenant` does."""
        return Tenant(self.tenant, self.tenant_key)

    def may(self, permission: Permission) -> bool:
        return permission in granted(self.claims.roles)


async def current(
    request: Request,
    platform: Annotated[Services, Depends(services)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    """Raises ApiError 401; 503 when the deny-list cannot be asked: an unknown answer must not let anyone in."""
    if credentials is None:
        raise unauthenticated()
    try:
        claims = platform.tokens.verify(credentials.credentials)
    except InvalidToken:
        raise unauthenticated() from None
    if await platform.denylist.contains(claims.jti, claims.family):
        raise unauthenticated("the session has ended")
    number = None
    if claims.tenant is not None:
        number = await platform.tenants.number(claims.tenant)
        if number is None:
            raise unauthenticated()
    request.scope["observastack.user"] = claims.username
    return Principal(claims, number)


Caller = Annotated[Principal, Depends(current)]


def needs(permission: Permission) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets through who holds the permission. Raises ApiError 403."""

    async def check(principal: Caller) -> Principal:
        if not principal.may(permission):
            raise ApiError(403, f"this needs the permission {permission}")
        return principal

    return check
