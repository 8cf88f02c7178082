"""Does Keycloak have the realm that was generated? Asked through its admin API, compared with the realm file."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from runners.lib.files import read_json
from runners.lib.home import Environment

TIMEOUT_S = 10.0
ADMIN = "admin"
_CLIENT = (
    "enabled", "publicClient", "bearerOnly", "standardFlowEnabled", "implicitFlowEnabled", "directAccessGrantsEnabled",
    "serviceAccountsEnabled", "redirectUris", "webOrigins",
)  # fmt: skip

Difference = tuple[str, str, str]


def differences(environment: Environment, url: str) -> Iterator[Difference]:
    """(path, expected, found) of every setting, client, role and user that is not as in the realm file."""
    expected = read_json(environment.secrets / "keycloak_realm.json")
    if expected is None:
        yield "the realm file", "a file", "nothing"
        return
    name = expected["realm"]
    try:
        ask = _Admin(url, (environment.secrets / "keycloak_password").read_text().strip())
        yield from compare(
            expected, ask(f"/admin/realms/{name}"), ask(f"/admin/realms/{name}/clients?max=1000"),
            ask(f"/admin/realms/{name}/roles?max=1000"), ask(f"/admin/realms/{name}/users?max=10000"),
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        yield f"realm {name}", "its content can be read", f"{type(error).__name__}: {error}"


def compare(
    expected: Mapping[str, Any],
    settings: Mapping[str, Any],
    clients: list[dict[str, Any]],
    roles: list[dict[str, Any]],
    users: list[dict[str, Any]],
) -> Iterator[Difference]:
    """Pure. Only what the realm file says is compared: Keycloak adds much of its own. Accounts made later are no drift."""
    for key, value in expected.items():
        if isinstance(value, bool | int | str) and settings.get(key) != value:
            yield key, str(value), str(settings.get(key))
    there = {client["clientId"]: client for client in clients}
    for client in expected["clients"]:
        name = client["clientId"]
        if name not in there:
            yield f"client {name}", "a client", "nothing"
            continue
        for key in _CLIENT:
            wanted, found = _sorted(client.get(key)), _sorted(there[name].get(key))
            if key in client and wanted != found:
                yield f"client {name}: {key}", str(wanted), str(found)
    for role in {role["name"] for role in expected["roles"]["realm"]} - {role["name"] for role in roles}:
        yield f"role {role}", "a role", "nothing"
    known = {user["username"]: user for user in users}
    for user in expected["users"]:
        name = user["username"]
        if "serviceAccountClientId" in user:
            continue  # not among the users that the API lists
        if name not in known:
            yield f"user {name}", "a user", "nothing"
        elif bool(known[name].get("enabled")) != bool(user["enabled"]):
            yield f"user {name}: enabled", str(user["enabled"]), str(known[name].get("enabled"))


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


class _Admin:
    """GET requests with the token of the bootstrap administrator."""

    def __init__(self, url: str, password: str) -> None:
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": password}
        request = urllib.request.Request(  # noqa: S310  (our own http URL)
            f"{url}/realms/master/protocol/openid-connect/token", urllib.parse.urlencode(form).encode()
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            self._token = json.load(answer)["access_token"]
        self._url = url

    def __call__(self, path: str) -> Any:
        request = urllib.request.Request(self._url + path, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)
