"""Which role may call which operation; nothing works without a token."""

from __future__ import annotations

from typing import Any

import pytest

from observastack.backend.auth.roles import Permission, granted
from observastack.tests.backend.serving import Backend

TRACE = "0" * 31 + "1"
NOTHING = "00000000-0000-4000-8000-000000000000"
OPERATIONS: dict[str, tuple[str, str, Any]] = {
    "search": ("POST", "/search", {}),
    "export": ("POST", "/search/export", {"type": "logs", "time_range": {"from": "1", "to": "2"}}),
    "logs": ("POST", "/logs/query", {}),
    "metrics": ("POST", "/metrics/query", {"query": "up"}),
    "range": ("POST", "/metrics/query_range", {"query": "up", "start": 0, "end": 60, "step": 15}),
    "labels": ("GET", "/metrics/labels/service/values", None),
    "traces": ("POST", "/traces/search", {}),
    "trace": ("GET", f"/traces/{TRACE}", None),
    "trace logs": ("GET", f"/traces/{TRACE}/logs", None),
    "alerts": ("GET", "/alerts", None),
    "statistics": ("GET", "/alerts/statistics", None),
    "silences": ("GET", "/alerts/silences", None),
    "acknowledge": ("POST", f"/alerts/{NOTHING}/acknowledge", {}),
    "resolve": ("POST", f"/alerts/{NOTHING}/resolve", {}),
    "assign": ("POST", f"/alerts/{NOTHING}/assign", {"assignee": None}),
    "bulk": ("POST", "/alerts/actions", {"action": "resolve", "ids": [NOTHING]}),
    "end silence": ("DELETE", f"/alerts/silences/{NOTHING}", None),
    "me": ("GET", "/auth/me", None),
    "capabilities": ("GET", "/meta/capabilities", None),
    "summary": ("GET", "/test-data/summary", None),
    "seed": ("POST", "/test-data/seed", {"tenant": "acme", "run": "roles"}),
    "faults": ("POST", "/test-data/faults", {"source": "logs"}),
    "delete": ("DELETE", "/test-data/no-such-run", None),
}
ALERTS = {"acknowledge", "resolve", "assign", "bulk", "end silence"}
READ = {
    "alerts",
    "statistics",
    "silences",
    "search",
    "logs",
    "metrics",
    "range",
    "labels",
    "traces",
    "trace",
    "trace logs",
}
OWN = {"me", "capabilities"}
TEST_DATA = {"summary", "seed", "faults", "delete"}
ALLOWED = {
    "acme-viewer": READ | OWN,
    "acme-editor": READ | OWN | ALERTS,
    "acme-analyst": READ | OWN | {"export"},
    "acme-tenant_admin": READ | OWN | ALERTS | {"export"},
    "acme-agent": OWN,
    # A platform admin belongs to no tenant: what is a tenant's is out of reach outside the admin operations.
    "platform-admin": OWN | TEST_DATA,
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("username", ALLOWED)
def test_role(served: Backend, username: str, operation: str) -> None:
    method, path, body = OPERATIONS[operation]
    answer = served.call(username, method, path, json=body)
    if operation in ALLOWED[username]:
        assert answer.status_code in (200, 201, 404), answer.text
    else:
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] in ("forbidden", "tenant_required")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_without_a_token(served: Backend, operation: str) -> None:
    method, path, body = OPERATIONS[operation]
    answer = served.call(None, method, path, json=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_several_roles_add_up_and_an_unknown_one_adds_nothing() -> None:
    assert granted(["viewer", "analyst"]) == granted(["viewer"]) | {Permission.EXPORT, Permission.INSIGHTS_EXPORT}
    assert granted(["viewer", "root"]) == granted(["viewer"])
    assert granted([]) == frozenset()


def test_a_tenant_admin_may_do_everything_but_what_is_the_platforms() -> None:
    platform = {Permission.ADMIN_PLATFORM, Permission.TEST_DATA}
    assert granted(["admin"]) - granted(["tenant_admin"]) == platform
    assert granted(["editor"]) - granted(["viewer"]) == {Permission.ALERTS_WRITE, Permission.PROFILE_WRITE}
    assert granted(["agent"]) == frozenset()
