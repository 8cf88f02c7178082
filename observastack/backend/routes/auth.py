"""Log in, refresh, log out, who am I; the keys that verify tokens."""

from __future__ import annotations

import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from observastack import defects
from observastack.backend.audit import Entry
from observastack.backend.auth.accounts import Preferences, PreferencesUpdate
from observastack.backend.auth.principal import Caller
from observastack.backend.auth.roles import granted
from observastack.backend.auth.sessions import Reused
from observastack.backend.errors import ApiError, not_found
from observastack.backend.limits import admit_login
from observastack.backend.routes.documented import errors, json
from observastack.backend.services import Services, services
from observastack.backend.wire import rfc3339

api = APIRouter(tags=["auth"])
root = APIRouter(tags=["auth"])
Platform = Annotated[Services, Depends(services)]
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "end_session_endpoint")
SCOPES = "openid profile email"


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


class HomeTenant(BaseModel):
    id: str
    name: str
    color: str | None


class Profile(BaseModel):
    """expires_at: when the access token does. method: local or oidc."""

    sub: str
    preferred_username: str
    name: str
    email: str
    tenant_id: str | None
    tenant: HomeTenant | None
    roles: list[str]
    permissions: list[str]
    expires_at: str
    method: str
    preferences: Preferences


class AuthInfo(BaseModel):
    """What a client needs to sign in. client_id and the endpoints are null with the local issuer; with an identity
    provider they come from its discovery document, and are null too as long as it was never reached."""

    method: str
    issuer: str
    audience: str
    jwks_uri: str | None
    client_id: str | None
    authorization_endpoint: str | None
    token_endpoint: str | None
    end_session_endpoint: str | None
    scopes: str | None


class KeySet(BaseModel):
    keys: list[dict[str, Any]]


@api.get("/auth/auth-info", response_model=AuthInfo)
async def auth_info(platform: Platform) -> Response:
    """How to authenticate here."""
    auth, remote = platform.config.auth, platform.tokens.remote
    known: dict[str, Any] = {"method": auth.method, "issuer": auth.issuer, "audience": auth.audience}
    if remote is None:
        known["jwks_uri"] = f"{auth.issuer.rstrip('/')}/.well-known/jwks.json"
        return json(known | dict.fromkeys(("client_id", *ENDPOINTS, "scopes")))
    known |= {"client_id": auth.client_id, "scopes": SCOPES}
    provider = await platform.tokens.provider()
    for name in ("jwks_uri", *ENDPOINTS):
        known[name] = None if provider is None else provider.endpoint(name)
    return json(known)


@root.get("/.well-known/jwks.json", response_model=KeySet, responses=errors(404))
async def key_set(platform: Platform) -> Response:
    """Public keys of the local issuer (RFC 7517); 404 where somebody else issues the tokens."""
    if platform.tokens.local is None:
        raise not_found()
    return json(platform.tokens.local.key_set())


@api.post("/auth/login", response_model=TokenPair, responses=errors(401, 403, 422, 501))
async def login(body: Login, request: Request, platform: Platform) -> Response:
    """User name and password for a pair of tokens. One answer for unknown, wrong and disabled."""
    _own_sessions(platform)
    await admit_login(request, platform, body.username)
    try:
        subject, pair = await platform.sessions.login(body.username, body.password)
    except ApiError as refused:
        await platform.audit.record(request, Entry("login", body.username, False, detail={"reason": refused.code}))
        raise
    await platform.audit.record(request, Entry("login", subject.username, True, subject.tenant))
    return json({**pair.__dict__, "token_type": "bearer"})


@api.post("/auth/refresh", response_model=TokenPair, responses=errors(401, 403, 422, 501))
async def refresh(body: Refresh, request: Request, platform: Platform) -> Response:
    """A refresh token for a new pair. It is good once: a second use ends every session that came from its login."""
    _own_sessions(platform)
    try:
        _, pair = await platform.sessions.refresh(body.refresh_token)
    except Reused as reused:
        await platform.audit.record(request, Entry("refresh.reuse", reused.username, False, reused.tenant))
        raise
    return json({**pair.__dict__, "token_type": "bearer"})


@api.post("/auth/logout", status_code=204, response_class=Response, responses=errors(401, 403))
async def logout(request: Request, principal: Caller, platform: Platform) -> Response:
    """End the session: this access token and all that came from the same login are refused from now on.

    At an identity provider the session itself goes on: a client ends it at `end_session_endpoint`.
    """
    claims, auth = principal.claims, platform.config.auth
    if not defects.active("logout_noop"):
        await platform.denylist.add(claims.jti, max(auth.accepted_s, claims.expires + auth.leeway_s - int(time.time())))
        if claims.session is not None:
            # The provider goes on giving tokens to a session that it does not know to be over.
            await platform.denylist.add(claims.session, auth.refresh_ttl_s)
        elif (family := _uuid(claims.family)) is not None:
            await platform.sessions.end(family)
    await platform.audit.record(request, Entry("logout", claims.username, True, claims.tenant))
    return Response(status_code=204)


@api.get("/auth/me", response_model=Profile, responses=errors(401, 403))
async def me(principal: Caller, platform: Platform) -> Response:
    """The caller: what the token says, and what is kept about the account."""
    claims, home = principal.claims, principal.home
    account = await platform.accounts.get(claims, platform.config.auth.method)
    return json(
        {
            "sub": claims.subject,
            "preferred_username": claims.username,
            "name": account.name,
            "email": claims.email,
            "tenant_id": claims.tenant,
            "tenant": None if home is None else {"id": home.key, "name": home.name, "color": home.color},
            "roles": list(claims.roles),
            "permissions": sorted(granted(claims.roles)),
            "expires_at": rfc3339(claims.expires * 10**9),
            "method": account.method,
            "preferences": account.preferences.model_dump(),
        }
    )


@api.put("/auth/me/preferences", response_model=Preferences, responses=errors(401, 403, 404, 422))
async def preferences(body: PreferencesUpdate, principal: Caller, platform: Platform) -> Response:
    """Keep the caller's own preferences; what is not sent stays as it is."""
    return json((await platform.accounts.prefer(principal.claims, body)).model_dump())


def _own_sessions(platform: Services) -> None:
    """Raises ApiError 501 where an identity provider does it."""
    if platform.tokens.local is None:
        raise ApiError(501, "sign in at the identity provider")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
