"""Log in, refresh, log out, who am I; the keys that verify tokens."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from observastack.backend.audit import Entry
from observastack.backend.auth.principal import Caller
from observastack.backend.errors import ApiError
from observastack.backend.routes.documented import errors, json
from observastack.backend.services import Services, services

api = APIRouter(tags=["auth"])
root = APIRouter(tags=["auth"])
Platform = Annotated[Services, Depends(services)]


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: StrictStr = Field(min_length=1, max_length=200)
    password: StrictStr = Field(min_length=1, max_length=1_000)


class Refresh(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: StrictStr = Field(min_length=1, max_length=200)


class TokenPair(BaseModel):
    """expires_in: seconds that the access token is good for."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class Profile(BaseModel):
    sub: str
    preferred_username: str
    email: str
    tenant_id: str | None
    roles: list[str]


class AuthInfo(BaseModel):
    method: str
    issuer: str
    audience: str
    jwks_uri: str


class KeySet(BaseModel):
    keys: list[dict[str, Any]]


@api.get("/auth/auth-info", response_model=AuthInfo)
async def auth_info(platform: Platform) -> Response:
    """How to authenticate here."""
    auth = platform.config.auth
    jwks = f"{auth.issuer.rstrip('/')}/.well-known/jwks.json"
    return json({"method": auth.method, "issuer": auth.issuer, "audience": auth.audience, "jwks_uri": jwks})


@root.get("/.well-known/jwks.json", response_model=KeySet)
async def key_set(platform: Platform) -> Response:
    """Public keys of the issuer (RFC 7517)."""
    return json(platform.tokens.key_set())


@api.post("/auth/login", response_model=TokenPair, responses=errors(401, 403, 422))
async def login(body: Login, request: Request, platform: Platform) -> Response:
    """User name and password for a pair of tokens. One answer for unknown, wrong and disabled."""
    try:
        subject, pair = await platform.sessions.login(body.username, body.password)
    except ApiError as refused:
        await platform.audit.record(request, Entry("login", body.username, False, detail={"reason": refused.code}))
        raise
    await platform.audit.record(request, Entry("login", subject.username, True, subject.tenant))
    return json({**pair.__dict__, "token_type": "bearer"})


@api.post("/auth/refresh", response_model=TokenPair, responses=errors(401, 403, 422))
async def refresh(body: Refresh, platform: Platform) -> Response:
    """A refresh token for a new pair. It is good once: a second use ends every session that came from its login."""
    _, pair = await platform.sessions.refresh(body.refresh_token)
    return json({**pair.__dict__, "token_type": "bearer"})


@api.post("/auth/logout", status_code=204, response_class=Response, responses=errors(401))
async def logout(request: Request, principal: Caller, platform: Platform) -> Response:
    """End the session: this access token and all that came from the same login are refused from now on."""
    claims = principal.claims
    await platform.denylist.add(claims.jti, platform.config.auth.access_ttl_s)
    if (family := _uuid(claims.family)) is not None:
        await platform.sessions.end(family)
    await platform.audit.record(request, Entry("logout", claims.username, True, claims.tenant))
    return Response(status_code=204)


@api.get("/auth/me", response_model=Profile, responses=errors(401))
async def me(principal: Caller) -> Response:
    """The caller as the token says."""
    claims = principal.claims
    return json(
        {
            "sub": claims.subject,
            "preferred_username": claims.username,
            "email": claims.email,
            "tenant_id": claims.tenant,
            "roles": list(claims.roles),
        }
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
