"""What may be done to a target, and as whom."""

import json
from pathlib import Path

import pytest

from runners.lib.errors import FileError, NotReady
from runners.lib.home import Environment
from runners.target import Target, open_target

USERS = {
    "tenants": [{"id": "acme"}, {"id": "globex"}],
    "users": [
        {"username": "acme-viewer", "password": "pw", "tenant": "acme", "roles": ["viewer"]},
        {"username": "acme-gone", "password": "pw", "tenant": "acme", "roles": ["editor"], "enabled": False},
        {"username": "root", "password": "pw", "tenant": None, "roles": ["admin"]},
        {"username": "two", "password": "pw", "tenant": ["acme", "globex"], "roles": ["viewer"], "kind": "negative"},
    ],
}
PROFILE = """\
target: {name: t, production: PRODUCTION, allow: {writes: true, load: true, chaos: [process], hosts: HOSTS}}
urls: {api: API}
auth: {flow: json_login, login: {post: /login, token: $.t}}
roles: {analyst: null}
operations: {search.logs: {post: /search}}
"""


def target(folder: Path, *, api: str = "http://127.0.0.1:9", production: str = "false", hosts: str = "[]") -> Target:
    environment = Environment(folder / "env" / "local")
    environment.secrets.mkdir(parents=True, exist_ok=True)
    environment.identities.write_text(json.dumps(USERS))
    path = folder / "target.yml"
    path.write_text(PROFILE.replace("PRODUCTION", production).replace("API", api).replace("HOSTS", hosts))
    environment.state.write_text(json.dumps({"v": 1, "kind": "external", "target_file": str(path)}))
    return open_target(environment)


def test_loopback_may_be_tested_as_its_profile_allows(tmp_path: Path) -> None:
    with target(tmp_path) as here:
        here.require("writes")
        here.require("load")
        here.require("chaos", "process")
        with pytest.raises(NotReady, match="does not allow chaos of kind container"):
            here.require("chaos", "container")


@pytest.mark.parametrize("action", ["writes", "load", "chaos"])
def test_production_is_never_touched(tmp_path: Path, action: str) -> None:
    with target(tmp_path, production="true") as here, pytest.raises(NotReady, match="in production"):
        here.require(action)


def test_another_machine_must_be_on_the_list(tmp_path: Path) -> None:
    with target(tmp_path, api="https://obs.example.com") as here, pytest.raises(NotReady, match="not this machine"):
        here.require("load")
    with target(tmp_path, api="https://obs.example.com", hosts="[obs.example.com]") as here:
        here.require("load")


def test_an_identity_is_enabled_of_one_tenant_and_of_a_role_that_exists(tmp_path: Path) -> None:
    with target(tmp_path) as here:
        assert here.identity("acme", "viewer").username == "acme-viewer"
        assert here.identity(None, "admin").username == "root"
        with pytest.raises(NotReady, match="no identity of tenant acme has role 'editor'"):
            here.identity("acme", "editor")
        with pytest.raises(NotReady, match="target t has no role 'analyst'"):
            here.identity("acme", "analyst")
        assert here.identities.negatives()[0].tenants == ("acme", "globex")


def test_an_environment_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="testbed up nowhere"):
        open_target(Environment(tmp_path / "env" / "nowhere"))


def test_identities_that_cannot_be_read_are_not_quoted(tmp_path: Path) -> None:
    target(tmp_path).close()
    file = tmp_path / "env" / "local" / "secrets" / "identities.json"
    file.write_text('{"users": [{"password": "hunter2"}]}')
    with pytest.raises(FileError) as caught:
        open_target(Environment(tmp_path / "env" / "local"))
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_capability_that_is_absent_is_said(tmp_path: Path) -> None:
    with target(tmp_path) as here:
        assert here.operation("alerts.list") is None
        with pytest.raises(NotReady, match=r"no capability alerts\.list"):
            here.call("alerts.list")
