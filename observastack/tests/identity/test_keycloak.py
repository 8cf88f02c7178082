"""The contract of identity on a real Keycloak, and what only an identity provider can do: its log-in page, its
rotations, its silence."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from observastack.realm.clients import FRONTEND
from observastack.tests.backend.serving import until
from observastack.tests.identity.conftest import WEB, Platform, ready
from observastack.tests.identity.contract import *  # noqa: F403 - its tests run here, too
from observastack.tests.identity.flows import *  # noqa: F403
from observastack.tests.identity.flows import WHO, Open
from observastack.tests.identity.issuers import TEST_CLIENT, Realm, Refused, new_key
from observastack.tests.platform import PASSWORD
from runners.target.client import Target
from runners.target.oidc import LoginRefused


@pytest.fixture(scope="session")
def platform(keycloak_platform: Platform) -> Platform:
    return keycloak_platform


def by_page(open_target: Open, **oidc: Any) -> Target:
    return open_target(
        None, flow="oidc_code", **{"client_id": FRONTEND, "redirect_uri": f"{WEB}/auth/callback", **oidc}
    )


def test_the_log_in_page_gives_the_same_claims(open_target: Open) -> None:
    with by_page(open_target) as target:
        me = target.call("auth.me", WHO).json
        assert (me["tenant_id"], me["roles"], me["preferred_username"]) == ("acme", ["analyst"], "acme-analyst")
        first = target.tokens.bearer(WHO)
        target.tokens.invalidate(WHO, first)
        assert target.call("auth.me", WHO).status == 200
        assert (target.tokens.logins, target.tokens.refreshes) == (1, 1)


@pytest.mark.parametrize(
    ("username", "password"), [("acme-analyst", "wrong"), ("disabled", PASSWORD), ("nobody-at-all", PASSWORD)]
)
def test_the_log_in_page_refuses(open_target: Open, username: str, password: str) -> None:
    with by_page(open_target) as target, pytest.raises(LoginRefused, match=username):
        target.tokens.bearer(replace(WHO, username=username, password=password))


def test_a_code_goes_only_to_the_exact_address(open_target: Open) -> None:
    for address in (f"{WEB}/auth/callback/other", f"{WEB}/", "http://evil.test/auth/callback"):
        with by_page(open_target, redirect_uri=address) as target, pytest.raises(LoginRefused, match="no log-in page"):
            target.tokens.bearer(WHO)


def test_the_frontend_must_use_pkce_and_takes_no_passwords(platform: Platform, open_target: Open) -> None:
    metadata = httpx.get(f"{platform.issuer.issuer}/.well-known/openid-configuration").json()
    asked = {
        "client_id": FRONTEND, "response_type": "code", "scope": "openid", "redirect_uri": f"{WEB}/auth/callback",
    }  # fmt: skip
    for challenge in ({}, {"code_challenge": "x" * 43, "code_challenge_method": "plain"}):
        answer = httpx.get(metadata["authorization_endpoint"], params={**asked, **challenge})
        assert answer.is_redirect
        assert "error=invalid_request" in answer.headers["location"]
    with open_target(None, flow="oidc_password", client_id=FRONTEND) as target, pytest.raises(LoginRefused):
        target.tokens.bearer(WHO)
    with open_target("not the secret") as target, pytest.raises(LoginRefused, match="401"):
        target.tokens.bearer(WHO)


def test_the_service_account_acts_for_itself(platform: Platform, open_target: Open) -> None:
    with open_target() as target:
        service = target.service()
        me = target.call("auth.me", service).json
        assert (me["preferred_username"], me["tenant_id"]) == (f"service-account-{TEST_CLIENT}", "acme")
        assert sorted(me["roles"]) == ["agent", "viewer"]
        assert target.tokens.refresh_token(service) is None
        assert platform.write(target.tokens.bearer(service)) == 200


def test_a_provider_that_is_not_the_issuer_is_not_believed(platform: Platform, open_target: Open) -> None:
    other = platform.issuer.issuer.replace("127.0.0.1", "localhost")
    with (
        open_target(issuer=other, flow="oidc_password") as target,
        pytest.raises(LoginRefused, match="not the discovery"),
    ):
        target.tokens.bearer(WHO)


def test_a_paused_keycloak_keeps_nobody_out_who_has_a_token(keycloak_realm: Realm, platform: Platform) -> None:
    token = keycloak_realm.sign_in("acme-viewer").access
    assert platform.me(token).status_code == 200
    os.kill(keycloak_realm.server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{keycloak_realm.issuer}/.well-known/openid-configuration", timeout=0.5)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            began = time.monotonic()
            assert platform.me(token).status_code == 200
            assert time.monotonic() - began < 1  # nothing waits for the silent provider
        assert ready(platform.backend)[0] == 200
    finally:
        os.kill(keycloak_realm.server.process.pid, signal.SIGCONT)
    assert platform.me(keycloak_realm.sign_in("acme-viewer").access).status_code == 200


def test_a_rotation_in_keycloak_is_followed(keycloak_realm: Realm, platform: Platform) -> None:
    before = keycloak_realm.sign_in("acme-viewer").access
    assert platform.me(before).status_code == 200
    key = keycloak_realm.rotate(new_key())
    try:
        session = keycloak_realm.sign_in("acme-viewer")
        until(lambda: platform.me(session.access).status_code == 200, "the new key is known", 5)
        assert platform.me(before).status_code == 200
    finally:
        keycloak_realm.withdraw(key)
    until(lambda: platform.me(session.access).status_code == 401, "the withdrawn key is forgotten", 10)
    assert platform.me(before).status_code == 200


def test_a_token_for_another_client_is_not_for_the_platform(keycloak_realm: Realm, platform: Platform) -> None:
    """The realm's own client admin-cli has no audience mapper: same issuer, same key, same user, other purpose."""
    assert platform.me(keycloak_realm.sign_in("acme-viewer").access).status_code == 200
    assert platform.me(keycloak_realm.sign_in("acme-viewer", client="admin-cli").access).status_code == 401


def test_guessing_passwords_locks_the_account_for_a_while(keycloak_realm: Realm) -> None:
    """Also the right password is refused then, in the same words."""
    assert keycloak_realm.sign_in("initech-agent")
    for _ in range(11):
        with pytest.raises(Refused) as wrong:
            keycloak_realm.sign_in("initech-agent", "a guess of a password")
    with pytest.raises(Refused) as right:
        keycloak_realm.sign_in("initech-agent")
    assert right.value.document == wrong.value.document
