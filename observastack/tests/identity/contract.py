"""One contract for every issuer: who gets in, what a token says, what ends a session, what is no token at all."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest

from observastack.tests.identity.conftest import Platform
from observastack.tests.identity.issuers import Refused, claims, new_key
from observastack.tests.platform import PASSWORD


def claims_in(token: str) -> dict[str, Any]:
    """Unverified."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.mark.parametrize("tenant", ["acme", "globex", "initech"])
@pytest.mark.parametrize("role", ["viewer", "editor", "analyst", "tenant_admin", "agent"])
def test_a_token_names_one_tenant_and_the_roles(platform: Platform, tenant: str, role: str) -> None:
    token = platform.issuer.sign_in(f"{tenant}-{role}").access
    said = claims_in(token)
    assert (said["tenant_id"], said["roles"]) == (tenant, [role])
    assert said["preferred_username"] == f"{tenant}-{role}"
    assert said["email"] == f"{tenant}-{role}@example.test"
    audience = said["aud"]
    assert platform.issuer.audience in ([audience] if isinstance(audience, str) else audience)
    assert said["iss"] == platform.issuer.issuer
    assert said["exp"] - said["iat"] == 300
    assert said["sub"]
    assert said["jti"]
    me = platform.me(token)
    assert me.status_code == 200
    assert {name: me.json()[name] for name in ("sub", "preferred_username", "tenant_id", "roles")} == {
        "sub": said["sub"], "preferred_username": f"{tenant}-{role}", "tenant_id": tenant, "roles": [role],
    }  # fmt: skip


def test_the_platform_admin_belongs_to_no_tenant(platform: Platform) -> None:
    token = platform.issuer.sign_in("platform-admin").access
    assert claims_in(token).get("tenant_id") is None
    assert platform.me(token).json()["roles"] == ["admin"]
    answer = platform.post("/search", token, {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_required")


def test_two_sign_ins_are_the_same_subject_and_different_tokens(platform: Platform) -> None:
    first, second = (claims_in(platform.issuer.sign_in("acme-viewer").access) for _ in range(2))
    assert first["sub"] == second["sub"]
    assert first["jti"] != second["jti"]


def test_a_user_may_sign_in_at_several_places_at_the_same_moment(platform: Platform) -> None:
    with ThreadPoolExecutor(6) as pool:
        tokens = {session.access for session in pool.map(platform.issuer.sign_in, ["globex-editor"] * 6)}
    assert len(tokens) == 6


@pytest.mark.parametrize(
    ("username", "password"),
    [("acme-viewer", "wrong"), ("nobody-at-all", PASSWORD), ("disabled", PASSWORD), ("acme-viewer", PASSWORD.upper())],
)
def test_who_must_not_get_in(platform: Platform, username: str, password: str) -> None:
    with pytest.raises(Refused) as refused:
        platform.issuer.sign_in(username, password)
    assert 400 <= refused.value.status < 403
    assert "access_token" not in str(refused.value)


def test_an_unknown_user_is_refused_in_the_same_words_as_a_wrong_password(platform: Platform) -> None:
    answers = []
    for username, password in (("acme-editor", "wrong"), ("nobody-at-all", "wrong"), ("disabled", "wrong")):
        with pytest.raises(Refused) as refused:
            platform.issuer.sign_in(username, password)
        answers.append(refused.value.document)
        if isinstance(error := answers[-1]["error"], dict):
            error.pop("request_id")
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("username", ["no-tenant", "two-tenants"])
def test_who_has_not_exactly_one_tenant_gets_at_nothing(platform: Platform, username: str) -> None:
    """The platform's own issuer gives no token; an identity provider that knows no such rule does."""
    try:
        token = platform.issuer.sign_in(username).access
    except Refused as refused:
        assert (refused.status, refused.document["error"]["code"]) == (403, "tenant_required")
        return
    for answer in (platform.me(token), platform.post("/search", token, {}), platform.post("/auth/logout", token)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_required")
    assert platform.write(token) == 403


def test_refresh_rotates_and_reuse_ends_the_session(platform: Platform) -> None:
    first = platform.issuer.sign_in("globex-viewer")
    second = platform.issuer.renew(first.refresh)
    assert second.refresh != first.refresh
    assert platform.me(second.access).status_code == 200
    for token in (first.refresh, second.refresh):  # somebody has a copy: nobody goes on with this session
        with pytest.raises(Refused):
            platform.issuer.renew(token)
    assert platform.issuer.sign_in("globex-viewer")


def test_a_made_up_refresh_token_is_refused(platform: Platform) -> None:
    with pytest.raises(Refused):
        platform.issuer.renew("x" * 43)


def test_logout_ends_the_session_at_the_platform(platform: Platform) -> None:
    session, other = (platform.issuer.sign_in("initech-viewer") for _ in range(2))
    renewed = platform.issuer.renew(session.refresh)
    assert platform.post("/auth/logout", session.access).status_code == 204
    assert platform.me(session.access).status_code == 401
    assert platform.me(renewed.access).status_code == 401  # of the same session
    try:
        later = platform.issuer.renew(renewed.refresh)
    except Refused:
        pass
    else:  # the provider does not know that the session is over here; the platform remembers
        assert platform.me(later.access).status_code == 401
    assert platform.me(other.access).status_code == 200


def test_logout_needs_a_token(platform: Platform) -> None:
    assert platform.post("/auth/logout").status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 10},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"aud": "somebody-else"},
        {"aud": ["account", "somebody-else"]},
        {"iss": "http://127.0.0.1:1/realms/observastack"},
        {"exp": None}, {"iat": None}, {"jti": None}, {"aud": None}, {"iss": None}, {"sub": None}, {"roles": None},
        {"roles": "admin"}, {"tenant_id": "no-such-tenant"}, {"tenant_id": "acme|globex"},
    ],
)  # fmt: skip
def test_a_token_with_a_wrong_claim_is_refused(platform: Platform, changes: dict[str, Any]) -> None:
    issuer = platform.issuer
    assert platform.me(issuer.key.sign(claims(issuer))).status_code == 200
    answer = platform.me(issuer.key.sign(claims(issuer, **changes)))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": None},
        {"tenant_id": ["acme", "globex"]},
        {"tenant_id": ["acme"]},
        {"groups": ["/tenants/acme", "/tenants/globex"]},
        {"groups": ["/tenants/globex"]},
        {"tenant_id": None, "groups": ["/tenants/acme"]},
        {"roles": ["admin"]},  # a platform admin belongs to none
        {"roles": ["tenant_admin", "admin"]},
    ],
)
def test_a_token_that_does_not_name_exactly_one_tenant_is_forbidden(
    platform: Platform, changes: dict[str, Any]
) -> None:
    issuer = platform.issuer
    groups = {"groups": ["/tenants/acme", "/staff"]}
    assert platform.me(issuer.key.sign(claims(issuer, **groups))).status_code == 200
    answer = platform.me(issuer.key.sign(claims(issuer, **changes)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_required")


def test_a_forged_token_is_refused(platform: Platform) -> None:
    issuer = platform.issuer
    good = claims(issuer)
    header, payload, signature = issuer.key.sign(good).split(".")
    stranger = new_key()
    for forged in (
        issuer.key.confuse(good),
        issuer.key.unsigned(good),
        stranger.sign(good),
        stranger.sign(good, kid=issuer.key.kid),
        f"{header}.{payload}.",
        f"{header}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "a.b.c",
        "x",
    ):
        assert platform.me(forged).status_code == 401, forged
        assert platform.write(forged) == 401, forged


def test_the_gateway_accepts_the_same_tokens(platform: Platform) -> None:
    issuer = platform.issuer
    assert platform.write(issuer.sign_in("acme-agent").access) == 200
    assert platform.write(issuer.sign_in("acme-tenant_admin").access) == 200
    assert platform.write(issuer.sign_in("acme-viewer").access) == 403
    assert platform.write(issuer.sign_in("platform-admin").access) == 403
    writer = ("acme", ("agent",))
    assert platform.write(issuer.key.sign(claims(issuer, *writer))) == 200
    for changes in ({"exp": 1_000_000_000}, {"aud": "somebody-else"}, {"iss": "http://127.0.0.1:1"}, {"jti": None}):
        assert platform.write(issuer.key.sign(claims(issuer, *writer, **changes))) == 401, changes
    for groups in (["/tenants/acme", "/tenants/globex"], ["/tenants/globex"]):
        assert platform.write(issuer.key.sign(claims(issuer, *writer, groups=groups))) == 403, groups


def test_how_to_sign_in_is_public(platform: Platform) -> None:
    answer = platform.backend.client.get("/api/v1/auth/auth-info")
    assert answer.status_code == 200
    info = answer.json()
    endpoints = ("client_id", "authorization_endpoint", "token_endpoint", "end_session_endpoint", "scopes")
    assert set(info) == {"method", "issuer", "audience", "jwks_uri", *endpoints}
    assert (info["issuer"], info["audience"]) == (platform.issuer.issuer, platform.issuer.audience)
    keys = httpx.get(info["jwks_uri"]).json()["keys"]
    assert platform.issuer.key.kid in {key["kid"] for key in keys}
    if platform.issuer.name == "local":
        assert info["method"] == "local"
        assert all(info[name] is None for name in endpoints)
    else:
        assert info["method"] == "oidc"
        assert (info["client_id"], info["scopes"]) == ("observastack-frontend", "openid profile email")
        assert all(info[name].startswith(platform.issuer.issuer) for name in endpoints if name.endswith("endpoint"))


def test_only_the_own_issuer_takes_passwords(platform: Platform) -> None:
    login = platform.post("/auth/login", body={"username": "acme-viewer", "password": PASSWORD})
    refresh = platform.post("/auth/refresh", body={"refresh_token": "x" * 43})
    if platform.issuer.name == "local":
        assert (login.status_code, refresh.status_code) == (200, 401)
        return
    for answer in (login, refresh):
        assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_supported")
    assert platform.backend.client.get("/.well-known/jwks.json").status_code == 404


def test_sign_outs_are_audited_with_the_tenant(platform: Platform) -> None:
    import psycopg

    token = platform.issuer.sign_in("globex-analyst").access
    assert platform.post("/auth/logout", token).status_code == 204
    with psycopg.connect(**platform.backend.config.database.connection("owner")) as connection:
        rows = connection.execute(
            "SELECT tenant, success FROM audit_log WHERE username = 'globex-analyst' AND action = 'logout'"
        ).fetchall()
    assert rows == [("globex", True)]


def test_capabilities_tell_the_method(platform: Platform) -> None:
    features = platform.get("/meta/capabilities", platform.issuer.sign_in("acme-viewer").access).json()["capabilities"]
    method = "local" if platform.issuer.name == "local" else "oidc"
    assert [name for name in features if name.startswith("auth.")] == [f"auth.{method}"]
