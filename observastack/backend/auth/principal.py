"""The caller of a request, from the bearer token alone; no header or body can name a tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from observastack import defects
from observastack.backend.auth.roles import Permission, granted
from observastack.backend.auth.tokens import Claims, InvalidToken, KeysUnavailable, NotOneTenant
from observastack.backend.errors import ApiError, unauthenticated, unavailable
from observastack.backend.limits import admit
from observastack.backend.services import Services, services
from observastack.backend.stores.ports import Tenant
from observastack.backend.tenants import Home

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    bearerFormat="JWT",
    description="Access token of /auth/login, or of the identity provider",
)


@dataclass(frozen=True)
class Principal:
    """A verified caller. tenant_number: the key of the tenant in the store; None for a platform admin.

    home: the tenant as it is stored.
    """

    claims: Claims
    tenant_number: int | None
    home: Home | None = None

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


async def claims_of(platform: Services, token: str) -> Claims:
    """Of a token whose session goes on. Raises ApiError 401; 403 (not exactly one tenant); 503 when the deny-list or,
    before it was ever reached, the identity provider cannot be asked: an unknown answer must not let anyone in."""
    try:
        claims = await platform.tokens.verified(token)
    except InvalidToken:
        raise unauthenticated() from None
    except NotOneTenant:
        raise ApiError(403, "the account does not belong to exactly one tenant", code="tenant_required") from None
    except KeysUnavailable:
        raise unavailable("the identity provider") from None
    if await platform.denylist.contains(claims.jti, claims.family):
        raise unauthenticated("the session has ended")
    return claims


def check_served(home: Home | None) -> None:
    """Raises ApiError 403 for a suspended tenant."""
    if home is not None and not home.active and not defects.active("suspended_tenant_reads"):
        raise ApiError(403, "the tenant is suspended", code="tenant_suspended")


async def current(
    request: Request,
    platform: Annotated[Services, Depends(services)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    """Raises ApiError as `claims_of` does."""
    if credentials is None:
        raise unauthenticated()
    claims = await claims_of(platform, credentials.credentials)
    home = None if claims.tenant is None else await platform.tenants.find(claims.tenant)
    if claims.tenant is not None and home is None:
        raise unauthenticated()
    principal = Principal(claims, None if home is None else home.number, home)
    request.scope["observastack.user"] = claims.username
    request.scope["observastack.principal"] = principal
    check_served(home)
    await admit(request, platform, home)
    return principal


Caller = Annotated[Principal, Depends(current)]


def needs(permission: Permission) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets through who holds the permission. Raises ApiError 403."""

    async def check(principal: Caller) -> Principal:
        if not principal.may(permission):
            raise ApiError(403, f"this needs the permission {permission}")
        return principal

    return check
