"""The realm file: complete from the identities, exact in what it allows, secret, and the same for the same input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from observastack.tests.platform import PASSWORD, TENANTS, identities

WEB = "http://127.0.0.1:3000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "identities.json").write_text(json.dumps(identities()))
    (tmp_path / "secret").write_text("the client's secret\n")
    return tmp_path


def generate(folder: Path, *more: str, web: str = WEB) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "observastack.realm", "--identities", folder / "identities.json", "--test-secret",
            folder / "secret", "--out", folder / "realm.json", "--web", web, *more,
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def document(folder: Path, *more: str) -> dict[str, Any]:
    done = generate(folder, *more)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "realm.json").read_text()))


def test_everybody_of_the_identities_is_in_the_realm(folder: Path) -> None:
    realm = document(folder)
    users = {user["username"]: user for user in realm["users"]}
    assert set(users) == {user["username"] for user in identities()["users"]} | {"service-account-observastack-test"}
    assert users["globex-editor"]["groups"] == ["/tenants/globex"]
    assert users["globex-editor"]["realmRoles"] == ["editor"]
    assert users["globex-editor"]["credentials"][0]["value"] == PASSWORD
    assert not users["disabled"]["enabled"]
    assert users["no-tenant"]["groups"] == users["platform-admin"]["groups"] == []
    assert users["two-tenants"]["groups"] == ["/tenants/acme", "/tenants/globex"]
    (tenants,) = realm["groups"]
    assert {group["name"]: group["attributes"]["tenant_id"] for group in tenants["subGroups"]} == {
        tenant: [tenant] for tenant in TENANTS
    }


def test_clients_may_do_what_they_are_for_and_no_more(folder: Path) -> None:
    clients = {client["clientId"]: client for client in document(folder)["clients"]}
    frontend, backend, test = (clients[f"observastack-{name}"] for name in ("frontend", "backend", "test"))
    assert frontend["publicClient"]
    assert "secret" not in frontend
    assert frontend["redirectUris"] == [f"{WEB}/auth/callback"]
    assert not frontend["directAccessGrantsEnabled"]
    assert frontend["attributes"]["pkce.code.challenge.method"] == "S256"
    assert not any(backend[name] for name in ("standardFlowEnabled", "directAccessGrantsEnabled", "publicClient"))
    assert not test["standardFlowEnabled"]
    assert test["secret"] == "the client's secret"
    assert not any("*" in uri for client in clients.values() for uri in client.get("redirectUris", []))
    assert all(not client["implicitFlowEnabled"] for client in clients.values())


def test_it_is_written_once_and_only_for_its_owner(folder: Path) -> None:
    first = generate(folder)
    assert "written; 3 tenants, 20 users" in first.stdout
    assert PASSWORD not in first.stdout + first.stderr
    assert (folder / "realm.json").stat().st_mode & 0o777 == 0o600
    before = (folder / "realm.json").read_bytes()
    assert "up to date" in generate(folder).stdout
    assert (folder / "realm.json").read_bytes() == before
    (folder / "realm.json").chmod(0o644)
    assert "written" in generate(folder).stdout
    assert (folder / "realm.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("web", ["*", "http://*", "http://127.0.0.1:3000/app", "127.0.0.1:3000", "ftp://x"])
def test_an_address_that_is_no_origin_is_refused(folder: Path, web: str) -> None:
    done = generate(folder, web=web)
    assert done.returncode == 2
    assert "is not an origin" in done.stderr
    assert not (folder / "realm.json").exists()


@pytest.mark.parametrize("missing", ["identities.json", "secret"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    done = generate(folder)
    assert done.returncode == 2
    assert missing in done.stderr
    assert "Traceback" not in done.stderr


def test_brute_force_is_slowed_down(folder: Path) -> None:
    realm = document(folder, "--access-ttl", "60")
    assert realm["bruteForceProtected"]
    assert realm["failureFactor"] == 10
    assert realm["accessTokenLifespan"] == 60
    assert realm["revokeRefreshToken"]
    assert not realm["registrationAllowed"]
