"""Logging in and out: who gets a token, what ends a session, what the audit log keeps."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import httpx
import jwt
import pytest

from observastack.tests.backend.serving import PREFIX, Backend, Store
from observastack.tests.platform import PASSWORD, Tokens


@pytest.fixture
def mint(served: Backend) -> Tokens:
    return Tokens(served.config)


def me(served: Backend, token: str) -> httpx.Response:
    return served.client.get(f"{PREFIX}/auth/me", headers={"Authorization": f"Bearer {token}"})


def test_a_login_gives_a_token_that_says_who_it_is(served: Backend) -> None:
    answer = served.login("acme-editor")
    assert answer.status_code == 200
    pair = answer.json()
    assert set(pair) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 300)
    profile = me(served, pair["access_token"]).json()
    assert profile.pop("sub")
    assert profile.pop("expires_at").endswith("Z")
    assert "alerts:write" in profile.pop("permissions")
    assert profile == {
        "preferred_username": "acme-editor",
        "name": "",
        "email": "acme-editor@example.test",
        "tenant_id": "acme",
        "tenant": {"id": "acme", "name": "Acme", "color": None},
        "roles": ["editor"],
        "method": "local",
        "preferences": {
            "theme": "system", "time_zone": "browser", "default_range_s": 3600, "single_keys": True,
            "relative_times": True,
        },
    }  # fmt: skip


def test_preferences_are_kept_one_by_one_and_are_the_own(served: Backend) -> None:
    changed = served.call("globex-editor", "PUT", "/auth/me/preferences", json={"theme": "dark"})
    assert changed.status_code == 200
    served.call("globex-editor", "PUT", "/auth/me/preferences", json={"time_zone": "utc"})
    kept = served.get("globex-editor", "/auth/me").json()["preferences"]
    assert (kept["theme"], kept["time_zone"], kept["default_range_s"]) == ("dark", "utc", 3600)
    assert served.get("globex-viewer", "/auth/me").json()["preferences"]["theme"] == "system"
    for bad in ({"theme": "pink"}, {"default_range_s": 1}, {"default_range_s": "x"}, {"other": 1}, {"single_keys": 1}):
        assert served.call("globex-editor", "PUT", "/auth/me/preferences", json=bad).status_code == 422


def test_the_token_verifies_with_the_published_key_set(served: Backend) -> None:
    token = served.token("globex-viewer")
    keys = jwt.PyJWKSet.from_dict(served.client.get("/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="observastack", issuer=served.config.auth.issuer)
    assert set(claims) == {
        "sub", "preferred_username", "email", "tenant_id", "roles", "aud", "iss", "iat", "exp", "jti",
    }  # fmt: skip
    assert (claims["tenant_id"], claims["roles"]) == ("globex", ["viewer"])
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize(
    ("username", "password", "status"),
    [
        ("acme-viewer", "wrong", 401),
        ("nobody-at-all", PASSWORD, 401),
        ("disabled", PASSWORD, 401),
        ("disabled", "wrong", 401),
        ("no-tenant", PASSWORD, 403),
        ("two-tenants", PASSWORD, 403),
        ("two-tenants", "wrong", 401),
    ],
)
def test_who_must_not_get_in(served: Backend, username: str, password: str, status: int) -> None:
    answer = served.login(username, password)
    assert answer.status_code == status
    assert "access_token" not in answer.text


def test_unknown_disabled_and_wrong_password_are_answered_alike(served: Backend) -> None:
    answers = [
        served.login("nobody-at-all").json(),
        served.login("disabled").json(),
        served.login("acme-viewer", "wrong").json(),
    ]
    for answer in answers:
        answer["error"].pop("request_id")
    assert answers[0] == answers[1] == answers[2]


def test_an_unknown_user_takes_as_long_as_a_known_one(served: Backend) -> None:
    def fastest(username: str) -> float:
        times = []
        for _ in range(8):
            started = time.perf_counter()
            served.login(username, "wrong")
            times.append(time.perf_counter() - started)
        return min(times)

    assert fastest("nobody-at-all") > 0.6 * fastest("acme-viewer")


def test_refresh_rotates_and_reuse_ends_the_family(served: Backend) -> None:
    def refresh(token: str) -> httpx.Response:
        return served.client.post(f"{PREFIX}/auth/refresh", json={"refresh_token": token})

    first = served.login("acme-viewer").json()
    second = refresh(first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert me(served, second.json()["access_token"]).status_code == 200
    other_login = served.login("acme-viewer").json()

    assert refresh(first["refresh_token"]).status_code == 401  # somebody has a copy
    assert refresh(second.json()["refresh_token"]).status_code == 401
    assert me(served, second.json()["access_token"]).status_code == 401
    assert me(served, first["access_token"]).status_code == 401
    assert refresh(other_login["refresh_token"]).status_code == 200  # another login is another family


def test_a_made_up_refresh_token_is_refused(served: Backend) -> None:
    answer = served.client.post(f"{PREFIX}/auth/refresh", json={"refresh_token": "x" * 43})
    assert answer.status_code == 401


def test_a_user_disabled_since_the_login_cannot_refresh(served: Backend, store: Store) -> None:
    pair = served.login("initech-editor").json()
    store.sql("UPDATE users SET enabled = false WHERE username = 'initech-editor'")
    try:
        answer = served.client.post(f"{PREFIX}/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    finally:
        store.sql("UPDATE users SET enabled = true WHERE username = 'initech-editor'")
    assert answer.status_code == 401


def test_logout_ends_the_access_token_and_the_refresh_token(served: Backend) -> None:
    pair = served.login("acme-viewer").json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert served.client.post(f"{PREFIX}/auth/logout", headers=headers).status_code == 204
    assert me(served, pair["access_token"]).status_code == 401
    refreshed = served.client.post(f"{PREFIX}/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert refreshed.status_code == 401


def _forged(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "not the key of the issuer, but long enough", algorithm="HS256")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_000_000_000},
        {"aud": "somebody-else"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": None},
        {"jti": None},
        {"aud": None},
        {"sub": None},
        {"tenant_id": "no-such-tenant"},
        {"tenant_id": "acme|globex"},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(served: Backend, mint: Tokens, changes: dict[str, Any]) -> None:
    assert me(served, mint("acme", ("viewer",))).status_code == 200
    assert me(served, mint("acme", ("viewer",), **changes)).status_code == 401


def test_a_forged_token_is_refused(served: Backend, mint: Tokens) -> None:
    good = mint("acme", ("viewer",))
    claims = jwt.decode(good, options={"verify_signature": False})
    header, payload, signature = good.split(".")
    assert served.config.auth.public_key_file is not None
    public = served.config.auth.public_key_file.read_bytes()
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in (
        _forged(claims),
        unsigned,
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        "x",
        "a.b.c",
    ):
        assert me(served, token).status_code == 401, token
    # The public key as HMAC secret: the classic confusion of algorithms.
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    mac = hmac.new(public, f"{head}.{payload}".encode(), hashlib.sha256).digest()
    confused = f"{head}.{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert me(served, confused).status_code == 401


def test_logins_and_logouts_are_audited(served: Backend, store: Store) -> None:
    answer = served.login("globex-editor")
    token = answer.json()["access_token"]
    served.login("globex-editor", "wrong")
    served.client.post(f"{PREFIX}/auth/logout", headers={"Authorization": f"Bearer {token}"})
    rows = store.sql(
        "SELECT action, success, tenant, ip, request_id IS NOT NULL FROM audit_log WHERE username = 'globex-editor' ORDER BY id"
    )
    assert rows[-3:] == [
        ("login", True, "globex", "127.0.0.1", True),
        ("login", False, None, "127.0.0.1", True),
        ("logout", True, "globex", "127.0.0.1", True),
    ]
    row = store.sql("SELECT request_id FROM audit_log WHERE username = 'globex-editor' ORDER BY id DESC LIMIT 3")[-1]
    assert row[0] == answer.headers["x-request-id"]


def test_a_second_use_of_a_refresh_token_is_audited(served: Backend, store: Store) -> None:
    """Somebody has a copy: the tenant's administrators must be able to see whose session it was."""

    def noted() -> list[Any]:
        return store.sql(
            "SELECT success, tenant, ip, request_id, detail FROM audit_log"
            " WHERE username = 'globex-analyst' AND action = 'refresh.reuse' ORDER BY id"
        )

    token, before = served.login("globex-analyst").json()["refresh_token"], noted()
    body = {"refresh_token": token}
    assert served.client.post(f"{PREFIX}/auth/refresh", json=body).status_code == 200
    assert noted() == before  # the first use is nothing to note
    again = served.client.post(f"{PREFIX}/auth/refresh", json=body)
    assert again.status_code == 401
    assert noted()[len(before) :] == [(False, "globex", "127.0.0.1", again.headers["x-request-id"], None)]
    listed = served.get("globex-tenant_admin", "/admin/audit-logs?action=refresh.reuse").json()["items"]
    assert listed[0]["user"] == "globex-analyst"


def test_no_password_and_no_token_reaches_the_log(served: Backend) -> None:
    pair = served.login("acme-viewer").json()
    served.client.post(f"{PREFIX}/auth/refresh", json={"refresh_token": pair["refresh_token"], "extra": 1})
    text = served.log.read_text()
    assert PASSWORD not in text
    assert pair["access_token"] not in text
    assert pair["refresh_token"] not in text
