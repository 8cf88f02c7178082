"""What differs from what was provisioned is named: the realm's content, and who listens where."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from runners.environment.host import drift, listeners, realm
from runners.lib.home import Environment

EXPECTED: dict[str, Any] = {
    "realm": "observastack",
    "revokeRefreshToken": True,
    "accessTokenLifespan": 300,
    "roles": {"realm": [{"name": "viewer"}]},
    "clients": [
        {"clientId": "frontend", "publicClient": True, "redirectUris": ["http://127.0.0.1:3000/auth/callback"]}
    ],
    "users": [
        {"username": "acme-viewer", "enabled": True},
        {"username": "service-account-test", "enabled": True, "serviceAccountClientId": "test"},
    ],
}


def compared(**changes: Any) -> list[tuple[str, str, str]]:
    live: dict[str, Any] = {
        "settings": {key: EXPECTED[key] for key in ("realm", "revokeRefreshToken", "accessTokenLifespan")}
        | {"more": 1},
        "clients": [{**EXPECTED["clients"][0], "id": "x"}, {"clientId": "account"}],
        "roles": [{"name": "viewer"}, {"name": "offline_access"}],
        "users": [{"username": "acme-viewer", "enabled": True}, {"username": "made-later", "enabled": True}],
    }
    return list(realm.compare(EXPECTED, **(live | changes)))


def test_a_realm_as_generated_has_no_difference_whatever_keycloak_adds() -> None:
    assert compared() == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"settings": {"realm": "observastack", "revokeRefreshToken": False, "accessTokenLifespan": 300}},
         ("revokeRefreshToken", "True", "False")),
        ({"clients": []}, ("client frontend", "a client", "nothing")),
        ({"clients": [{**EXPECTED["clients"][0], "redirectUris": ["*"]}]},
         ("client frontend: redirectUris", "['http://127.0.0.1:3000/auth/callback']", "['*']")),
        ({"roles": []}, ("role viewer", "a role", "nothing")),
        ({"users": []}, ("user acme-viewer", "a user", "nothing")),
        ({"users": [{"username": "acme-viewer", "enabled": False}]}, ("user acme-viewer: enabled", "True", "False")),
    ],
)  # fmt: skip
def test_each_difference_is_named(changes: dict[str, Any], found: tuple[str, str, str]) -> None:
    assert compared(**changes) == [found]


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")]
)
def test_a_listener_is_seen_with_its_address(family: int, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen(1)
        port, inode = listener.getsockname()[1], os.fstat(listener.fileno()).st_ino
        assert (address, port, inode) in set(listeners.listening())


class Prometheus(BaseHTTPRequestHandler):
    """Has one rule of the file and one that nobody wrote."""

    def do_GET(self) -> None:
        rules = [{"name": "BackendDown"}, {"name": "MadeUp"}]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": {"groups": [{"name": "platform", "rules": rules}]}}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_rules_that_prometheus_lacks_or_has_beside_the_files_are_named(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    environment.config.mkdir(parents=True)
    (environment.config / "prometheus.yml").write_text(f"rule_files: ['{tmp_path}/rules-*.yml']\n")
    (tmp_path / "rules-1.yml").write_text(
        "groups: [{name: platform, rules: [{alert: BackendDown}, {record: rate:5m}]}]\n"
    )
    with HTTPServer(("127.0.0.1", 0), Prometheus) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found = list(drift._rules(environment, f"http://127.0.0.1:{server.server_address[1]}"))
        server.shutdown()
        thread.join()
    assert [(item.kind, item.path, item.expected, item.found) for item in found] == [
        ("rules", "platform/rate:5m", "a rule", "nothing"),
        ("rules", "platform/MadeUp", "nothing", "a rule"),
    ]
