"""Tenants and users of a test's own, made through the API: limits, histories and settings of others stay untouched."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from observastack.tests.backend.serving import Backend


@dataclass(frozen=True)
class Person:
    served: Backend
    tenant: str
    id: str
    username: str
    password: str

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.served.call(self.username, method, path, **arguments)

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.call("POST", path, json=body)


def tenant(served: Backend, **settings: Any) -> str:
    """A new tenant's id."""
    key = f"t-{uuid.uuid4().hex[:12]}"
    assert served.post("platform-admin", "/admin/tenants", {"id": key, "name": "Of a test"}).status_code == 201
    if settings:
        answer = served.call("platform-admin", "PUT", f"/admin/settings?tenant={key}", json=settings)
        assert answer.status_code == 200, answer.text
    return key


def person(served: Backend, home: str, role: str = "viewer") -> Person:
    """A new user of the tenant."""
    name = f"u-{uuid.uuid4().hex[:12]}"
    body = {"username": name, "email": "somebody@example.test", "roles": [role], "tenant_id": home}
    answer = served.post("platform-admin", "/admin/users", body)
    assert answer.status_code == 201, answer.text
    password = answer.json()["temporary_password"]
    served.knows(name, password)
    return Person(served, home, answer.json()["user"]["id"], name, password)
