"""An environment whose users are Keycloak's: one realm of its identities, tokens by its profile, killed, gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runners.environment import service
from runners.environment.host import keycloak, processes, secrets
from runners.environment.host.binaries import Binary
from runners.environment.host.supervisor import Control
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.target.client import Target, open_target
from tests.integration.environment.test_local import assert_gone, wait_for
from tests.integration.environment.test_real_servers import listeners

pytestmark = [pytest.mark.environment, pytest.mark.timeout(400)]

NAME = "local"
Stack = tuple[Home, Environment]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Backend and gateway, and what they need with this identity."""
    if not isinstance(keycloak.find(), Binary):
        pytest.skip("no Keycloak on this machine (kc.sh in TESTBED_BIN_DIR or on PATH, and java)")
    home = Home(tmp_path_factory.mktemp("homes") / "a home")
    service.up(home, NAME, identity="keycloak", stores="embedded", only=["backend", "ingest"])
    yield home, home.env(NAME)
    service.down(home, NAME, force=True)


def recorded(environment: Environment) -> dict[str, Any]:
    found = read_json(environment.state)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def target(stack: Stack) -> Iterator[Target]:
    with open_target(stack[1]) as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def early(stack: Stack) -> Iterator[Target]:
    """The globex editor's session, begun before all tests: Keycloak writes sessions a moment after it has answered."""
    with open_target(stack[1]) as opened:
        opened.tokens.bearer(opened.identity("globex", "editor"))
        yield opened


def test_it_is_part_of_the_environment_and_the_backend_waits_for_it(stack: Stack) -> None:
    home, environment = stack
    told = {item["name"]: item for item in service.status(home, NAME)["services"] if item["state"] != "absent"}
    assert set(told) == {"postgres", "redis", "backend", "ingest", "keycloak"}
    assert {item["health"] for item in told.values()} == {"healthy"}
    assert "keycloak" in told["backend"]["requires"]
    assert recorded(environment)["identity"] == "keycloak"


def test_every_identity_signs_in_and_is_who_it_is(target: Target) -> None:
    assert target.profile.auth.flow == "oidc_password"
    for tenant in target.tenants:
        for role in ("viewer", "tenant_admin"):
            answer = target.call("auth.me", target.identity(tenant, role))
            assert (answer.status, answer.json["tenant_id"], answer.json["roles"]) == (200, tenant, [role])
    assert target.call("auth.me", target.identity(None, "admin")).json["roles"] == ["admin"]
    assert target.call("ingest.logs", target.identity("acme", "agent"), payload={"resourceLogs": []}).status == 200
    assert target.call("auth.me", target.service()).status == 200


def test_all_listen_on_loopback_alone(stack: Stack) -> None:
    mapped = "0000000000000000FFFF00000100007F"  # 127.0.0.1 as Java's sockets of both families show it
    assert {address for address, _ in listeners(stack[1])} <= {"0100007F", mapped}


def test_no_secret_is_on_a_command_line_in_a_log_or_readable_for_others(stack: Stack) -> None:
    _, environment = stack
    texts = [path.read_text(errors="replace") for path in environment.logs.iterdir()]
    for pid in processes.members(processes.ENV_MARK, recorded(environment)["env_id"]):
        texts += [Path(f"/proc/{pid}/{name}").read_text(errors="replace") for name in ("cmdline", "environ")]
    assert [value for value in secrets.values(environment.secrets) for text in texts if value in text] == []
    holders = [environment.secrets / "keycloak_realm.json", environment.config / "keycloak.conf"]
    assert {file.stat().st_mode & 0o777 for file in holders} == {0o600}


def test_up_again_changes_nothing(stack: Stack) -> None:
    home, _ = stack
    again = service.up(home, NAME, identity="keycloak", stores="embedded", only=["backend", "ingest"])
    assert again.changed == 0


def test_drift_names_what_somebody_changed_in_the_realm(stack: Stack) -> None:
    home, environment = stack
    assert service.drift(home, NAME)["items"] == []
    base = read_json(environment.state)["urls"]["oidc"].partition("/realms/")[0]
    form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin",
            "password": (environment.secrets / "keycloak_password").read_text().strip()}  # fmt: skip
    token = httpx.post(f"{base}/realms/master/protocol/openid-connect/token", data=form).json()["access_token"]
    with httpx.Client(
        base_url=f"{base}/admin/realms/observastack", headers={"Authorization": f"Bearer {token}"}
    ) as admin:
        client = admin.get("/clients", params={"clientId": "observastack-frontend"}).json()[0]
        good = client["redirectUris"]
        admin.put(
            f"/clients/{client['id']}", json={**client, "redirectUris": ["http://127.0.0.1/*"]}
        ).raise_for_status()
        found = service.drift(home, NAME)["items"]
        admin.put(f"/clients/{client['id']}", json={**client, "redirectUris": good}).raise_for_status()
    assert [(item["service"], item["kind"], item["path"]) for item in found] == [
        ("keycloak", "realm", "client observastack-frontend: redirectUris")
    ]


def test_a_kill_hits_the_server_itself_and_costs_no_session(stack: Stack, early: Target) -> None:
    (home, environment), target = stack, early
    who = target.identity("globex", "editor")
    token = target.tokens.bearer(who)
    control = Control(recorded(environment)["supervisor"])
    pid = control.processes()["keycloak"].pid
    assert Path(f"/proc/{pid}/exe").resolve().name == "java"
    os.kill(pid, signal.SIGKILL)
    assert target.call("auth.me", who).status == 200  # with keys that are known
    wait_for(lambda: service.status(home, NAME)["state"] == "ready", 180)
    assert control.processes()["keycloak"].pid not in (0, pid)
    target.tokens.invalidate(who, token)
    assert target.call("auth.me", who).status == 200
    assert (target.tokens.logins, target.tokens.refreshes) == (1, 1)


def test_down_leaves_nothing(stack: Stack) -> None:
    home, environment = stack
    state = recorded(environment)
    assert service.down(home, NAME)
    assert_gone(environment, state)
