"""The testbed's own ways to a token, against the platform's issuer and a real Keycloak: one profile, the other auth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observastack.tests.identity.conftest import WEB, Platform
from observastack.tests.identity.issuers import TEST_SECRET
from observastack.tests.platform import PASSWORD
from runners.target import profile
from runners.target.client import Target
from runners.target.identities import Identities, Identity
from runners.target.oidc import LoginRefused

LOCAL = Path(__file__).parents[3] / "inventories" / "local" / "target.yml"
KEYCLOAK = LOCAL.with_name("target-keycloak.yml")
WHO = Identity("acme-analyst", "acme", ("analyst",), password=PASSWORD)
Open = Callable[..., Target]


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
