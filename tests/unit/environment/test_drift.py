"""What differs from what was provisioned is named: the realm's content, and who listens where."""

import socket
from typing import Any

import pytest

from runners.environment.host import listeners, realm

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
        port, inode = listener.getsockname()[1], int(__import__("os").stat(listener.fileno()).st_ino)
        assert (address, port, inode) in set(listeners.listening())
