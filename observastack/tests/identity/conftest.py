"""The platform twice, with its own issuer and with a real Keycloak.

All tests on Keycloak are in one file: test workers share files out, and each worker that needs it would start its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from observastack.realm.clients import Origins
from observastack.realm.document import realm
from observastack.store.identities import load_identities
from observastack.tests.backend.serving import PREFIX, Backend, backend
from observastack.tests.gateway import Gateway, running_gateway
from observastack.tests.identity.issuers import TEST_SECRET, Issuer, Local, Realm
from observastack.tests.platform import build_platform, identities
from tests.servers import keycloak_server

pytest.register_assert_rewrite("observastack.tests.identity.contract", "observastack.tests.identity.flows")

WEB = "http://127.0.0.1:3000"
QUICK = {"keys_interval_s": 0.2, "keys_age_s": 1.0}


@dataclass(frozen=True)
class Platform:
    """A backend and a gateway, and who issues the tokens that they accept."""

    issuer: Issuer
    backend: Backend
    gateway: Gateway | None

    def get(self, path: str, token: str) -> httpx.Response:
        return self.backend.client.get(f"{PREFIX}{path}", headers={"Authorization": f"Bearer {token}"})

    def me(self, token: str) -> httpx.Response:
        return self.get("/auth/me", token)

    def post(self, path: str, token: str | None = None, body: Any = None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.backend.client.post(f"{PREFIX}{path}", headers=headers, json=body)

    def write(self, token: str) -> int:
        """Status of an empty write at the gateway."""
        assert self.gateway is not None
        return self.gateway.post("logs", b"", token).status_code


@pytest.fixture(scope="session")
def keycloak_realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    folder = tmp_path_factory.mktemp("keycloak")
    who, file = folder / "identities.json", folder / "realm.json"
    who.write_text(json.dumps(identities()))
    document = realm(load_identities(who), origins=Origins((WEB,)), test_secret=TEST_SECRET)
    file.write_text(json.dumps(document))
    with ExitStack() as stack:
        try:
            server = stack.enter_context(keycloak_server(file))
        except FileNotFoundError as reason:
            pytest.skip(str(reason))
        yield Realm(server)


@pytest.fixture(scope="session")
def local_platform(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("local")
    config = build_platform(folder, postgres, redis)
    with backend(config, folder) as running, running_gateway(config, folder) as gateway:
        yield Platform(Local(running), running, gateway)


@pytest.fixture(scope="session")
def keycloak_platform(
    keycloak_realm: Realm, tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("on-keycloak")
    config = build_platform(folder, postgres, redis, auth=oidc(keycloak_realm))
    with backend(config, folder) as running, running_gateway(config, folder) as gateway:
        yield Platform(keycloak_realm, running, gateway)


def oidc(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """The section auth of a configuration."""
    return {
        "method": "oidc", "issuer": issuer.issuer, "audience": issuer.audience, "private_key_file": None,
        "public_key_file": None, **QUICK, **changes,
    }  # fmt: skip


def ready(running: Backend) -> tuple[int, dict[str, Any]]:
    answer = running.client.get(f"{PREFIX}/health/ready")
    (found,) = [one for one in answer.json()["dependencies"] if one["name"] == "identity_provider"]
    return answer.status_code, found
