"""The testbed's own ways to a token, against the platform's issuer and a real Keycloak: one profile, the other auth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from observastack.realm.clients import FRONTEND
from observastack.tests.identity.conftest import WEB, Platform
from observastack.tests.identity.issuers import TEST_CLIENT, TEST_SECRET
from observastack.tests.platform import PASSWORD
from runners.config import document
from runners.target import profile
from runners.target.client import Target
from runners.target.identities import Identities, Identity
from runners.target.oidc import LoginRefused

LOCAL = Path("inventories/local/target.yml").resolve()
KEYCLOAK = LOCAL.with_name("target-keycloak.yml")
WHO = Identity("acme-analyst", "acme", ("analyst",), password=PASSWORD)
Open = Callable[..., Target]

# The platform's own issuer has no other flow than its log-in.
keycloak_only = pytest.mark.parametrize("platform", ["keycloak"], indirect=True)


@pytest.fixture
def open_target(platform: Platform) -> Open:
    """The reference's own profile for this issuer; `flow` and `oidc` change its auth section."""
    assert platform.gateway is not None
    urls: dict[str, str | None] = dict.fromkeys(
        ("ui", "prometheus", "loki", "tempo", "alertmanager", "oidc"), "http://127.0.0.1:9"
    )
    urls |= {"api": str(platform.backend.client.base_url), "ingest": platform.gateway.url, "ui": WEB}
    local = platform.issuer.name == "local"
    urls["oidc"] = None if local else platform.issuer.issuer

    def make(secret: str | None = TEST_SECRET, flow: str | None = None, **oidc: Any) -> Target:
        described = profile.load(LOCAL if local else KEYCLOAK, urls)
        auth = described.auth
        if flow is not None and auth.oidc is not None:
            auth = auth.model_copy(update={"flow": flow, "oidc": auth.oidc.model_copy(update=oidc)})
        who = Identities(Path("identities.json"), ("acme", "globex", "initech"), (WHO,))
        return Target(described.model_copy(update={"auth": auth}), who, path=LOCAL, client_secret=secret)

    return make


def by_page(open_target: Open, **oidc: Any) -> Target:
    return open_target(
        None, flow="oidc_code", **{"client_id": FRONTEND, "redirect_uri": f"{WEB}/auth/callback", **oidc}
    )


def test_the_profile_of_this_issuer_signs_in_and_knows_who_it_is(open_target: Open) -> None:
    with open_target() as target:
        answer = target.call("auth.me", WHO)
        assert answer.status == 200
        assert target.told_tenant(answer) == "acme"
        assert answer.json["roles"] == ["analyst"]
        assert (target.tokens.logins, target.tokens.refreshes) == (1, 0)


def test_a_refused_token_is_renewed_by_the_refresh_token(open_target: Open) -> None:
    with open_target() as target:
        first = target.tokens.bearer(WHO)
        target.tokens.invalidate(WHO, first)
        assert target.tokens.bearer(WHO) != first
        assert target.call("auth.me", WHO).status == 200
        assert (target.tokens.logins, target.tokens.refreshes) == (1, 1)


@pytest.mark.parametrize("name", ["acme-analyst", "disabled", "nobody-at-all"])
def test_who_is_refused_is_told_without_secrets(open_target: Open, name: str) -> None:
    password = "wrong but secret" if name == "acme-analyst" else PASSWORD
    with open_target() as target, pytest.raises(LoginRefused) as refused:
        target.tokens.bearer(replace(WHO, username=name, password=password))
    assert name in str(refused.value)
    for secret in (password, TEST_SECRET):
        assert secret not in str(refused.value)


def test_no_secret_shows_in_a_repr(open_target: Open) -> None:
    with open_target() as target:
        target.tokens.bearer(WHO)
        shown = f"{target!r} {target.tokens!r} {target.profile!r} {vars(target.tokens)!r}"
    for secret in (TEST_SECRET, PASSWORD):
        assert secret not in shown


@keycloak_only
def test_the_log_in_page_gives_the_same_claims(open_target: Open) -> None:
    with by_page(open_target) as target:
        me = target.call("auth.me", WHO).json
        assert (me["tenant_id"], me["roles"], me["preferred_username"]) == ("acme", ["analyst"], "acme-analyst")
        first = target.tokens.bearer(WHO)
        target.tokens.invalidate(WHO, first)
        assert target.call("auth.me", WHO).status == 200
        assert (target.tokens.logins, target.tokens.refreshes) == (1, 1)


@keycloak_only
@pytest.mark.parametrize(
    ("username", "password"), [("acme-analyst", "wrong"), ("disabled", PASSWORD), ("nobody-at-all", PASSWORD)]
)
def test_the_log_in_page_refuses(open_target: Open, username: str, password: str) -> None:
    with by_page(open_target) as target, pytest.raises(LoginRefused, match=username):
        target.tokens.bearer(replace(WHO, username=username, password=password))


@keycloak_only
def test_a_code_goes_only_to_the_exact_address(open_target: Open) -> None:
    for address in (f"{WEB}/auth/callback/other", f"{WEB}/", "http://evil.test/auth/callback"):
        with by_page(open_target, redirect_uri=address) as target, pytest.raises(LoginRefused, match="no log-in page"):
            target.tokens.bearer(WHO)


@keycloak_only
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


@keycloak_only
def test_the_service_account_acts_for_itself(platform: Platform, open_target: Open) -> None:
    with open_target() as target:
        service = target.service()
        me = target.call("auth.me", service).json
        assert (me["preferred_username"], me["tenant_id"]) == (f"service-account-{TEST_CLIENT}", "acme")
        assert sorted(me["roles"]) == ["agent", "viewer"]
        assert target.tokens.refresh_token(service) is None
        assert platform.write(target.tokens.bearer(service)) == 200


@keycloak_only
def test_a_provider_that_is_not_the_issuer_is_not_believed(platform: Platform, open_target: Open) -> None:
    other = platform.issuer.issuer.replace("127.0.0.1", "localhost")
    with (
        open_target(issuer=other, flow="oidc_password") as target,
        pytest.raises(LoginRefused, match="not the discovery"),
    ):
        target.tokens.bearer(WHO)


def test_verify_finds_logging_in_and_refreshing(open_target: Open) -> None:
    from runners.target.verify import verify

    with open_target() as target:
        who = target.identities
        users = tuple(
            Identity(f"acme-{role}", "acme", (role,), password=PASSWORD)
            for role in ("viewer", "editor", "analyst", "tenant_admin", "agent")
        )
        target.identities = replace(
            who, users=(*users, Identity("platform-admin", None, ("admin",), password=PASSWORD))
        )
        found = {probe.name: probe for probe in verify(target).operations}
    for name in ("auth.login", "auth.refresh", "auth.logout", "auth.me", "auth.info", "search.logs"):
        assert found[name].state == "ok", found[name]


def test_a_profile_that_extends_another_tells_whose_mistake_it_is(tmp_path: Path) -> None:
    (tmp_path / "target.yml").write_text(LOCAL.read_text())
    file = tmp_path / "other.yml"
    file.write_text("extends: target.yml\noperations:\n  no.such: {get: /x}\n")
    with pytest.raises(Exception, match=r"no\.such") as wrong:
        profile.check(profile._extended(document.read(file), None), None)
    assert "other.yml:3" in str(wrong.value)
