"""Before tests start: settings, secrets, and that each service reaches what it requires."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from runners.config.lookup import PROJECT
from runners.environment.checks import checks, failed
from runners.lib.files import write_json
from runners.lib.home import Environment

TARGET = PROJECT / "inventories" / "local" / "target.yml"
URLS = dict.fromkeys(
    ("api", "ingest", "ui", "prometheus", "loki", "tempo", "alertmanager", "oidc"), "http://127.0.0.1:1"
)


class Ready(BaseHTTPRequestHandler):
    """A readiness page; `told` is what it lists."""

    told: Any = None

    def do_GET(self) -> None:
        body = json.dumps({"dependencies": self.told}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/ready"
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    found = Environment(tmp_path / "env" / "local")
    found.secrets.mkdir(parents=True, mode=0o700)
    for name in ("identities.json", "jwt_private.pem", "jwt_public.pem", "alert_webhook_tokens.json", "redis_password"):
        (found.secrets / name).write_text("x")
        (found.secrets / name).chmod(0o600)
    found.config.mkdir()
    rendered = {"auth": {"method": "local"}, "stores": {"logs": "embedded"}, "defects": []}
    write_json(found.config / "observastack.json", rendered)
    return found


def state(
    environment: Environment, page: str | None = None, requires: tuple[str, ...] = ("postgres",)
) -> dict[str, Any]:
    redis = {"name": "redis", "requires": [], "health": {"password_file": str(environment.secrets / "redis_password")}}
    backend = {"name": "backend", "requires": list(requires), "health": {"kind": "http", "url": page}}
    return {
        "kind": "local", "target_file": str(TARGET), "urls": URLS, "ports": {"a": 1, "b": 2}, "identity": "local",
        "stores": {"logs": "embedded"}, "defects": [], "services": [redis, *([backend] if page else [])],
    }  # fmt: skip


def test_what_is_as_it_should_be_passes(environment: Environment) -> None:
    found = checks(environment, state(environment))
    assert failed(found) == []
    assert {check.kind for check in found} == {"setting", "secret"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"identity": "keycloak"}, "setting identity: oidc is recorded, the platform's configuration says local"),
        ({"defects": ["slow_search"]}, "setting defects: ['slow_search'] is recorded"),
        ({"ports": {"a": 1, "b": 1}}, "setting ports: two services have the same port"),
        ({"target_file": "/nonexistent/target.yml"}, "setting target: /nonexistent/target.yml: no such file"),
    ],
)
def test_a_setting_that_does_not_hold_is_named(environment: Environment, change: dict[str, Any], sentence: str) -> None:
    assert [line for line in failed(checks(environment, state(environment) | change)) if line.startswith(sentence)]


def test_a_secret_that_is_missing_open_or_empty_is_named(environment: Environment) -> None:
    (environment.secrets / "redis_password").unlink()
    (environment.secrets / "jwt_private.pem").chmod(0o640)
    (environment.secrets / "identities.json").write_text("")
    assert failed(checks(environment, state(environment))) == [
        "secret identities.json: it is empty",
        "secret jwt_private.pem: its mode is 0640, not 0600",
        "secret redis_password: it is not there",
    ]


def test_secrets_of_containers_may_be_read_inside_a_private_folder(environment: Environment) -> None:
    for path in environment.secrets.iterdir():
        path.chmod(0o644)
    assert failed(checks(environment, state(environment) | {"kind": "compose"})) == []
    environment.secrets.chmod(0o755)
    assert "secret secrets: its mode is 0755, not 0700" in failed(
        checks(environment, state(environment) | {"kind": "compose"})
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([{"name": "postgres", "ready": True}], ("ok", None)),
        ([{"name": "postgres", "ready": False, "reason": "not reachable"}], ("failed", "not reachable")),
        ({"postgres": {"status": "up"}}, ("ok", None)),
        ({"postgres": {"status": "down"}}, ("failed", "not ready")),
        ([], ("not_applicable", "backend does not tell")),
    ],
)
def test_a_connection_is_what_the_service_itself_tells(
    environment: Environment, page: str, monkeypatch: pytest.MonkeyPatch, told: Any, expected: tuple[str, str | None]
) -> None:
    monkeypatch.setattr(Ready, "told", told)
    found = {check.name: check for check in checks(environment, state(environment, page))}
    edge = found["backend → postgres"]
    assert (edge.state, edge.reason) == expected


def test_keycloak_is_the_identity_provider(
    environment: Environment, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ready, "told", [{"name": "identity_provider", "ready": True}])
    found = {check.name: check for check in checks(environment, state(environment, page, ("keycloak",)))}
    assert found["backend → keycloak"].state == "ok"


def test_a_service_that_does_not_answer_reaches_nothing(environment: Environment) -> None:
    found = failed(checks(environment, state(environment, "http://127.0.0.1:1/ready")))
    assert found == ["connection backend → postgres: backend does not answer"]


def test_a_platform_without_its_configuration_is_not_fit(environment: Environment, page: str) -> None:
    (environment.config / "observastack.json").unlink()
    assert "setting configuration: the platform's configuration is not there, or not whole" in failed(
        checks(environment, state(environment, page))
    )
    assert failed(checks(environment, state(environment))) == []  # nothing of the platform is in this one
