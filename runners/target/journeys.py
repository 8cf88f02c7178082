"""How operations that need one another are probed: an alert is fired before it is acknowledged, a user made before it is
deleted. Whatever a journey makes it removes; alerts cannot be removed, so one stays, resolved, the same one each time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runners.target.canonical import CANONICAL

TITLE = "TestbedVerification"
REGISTERS = frozenset(
    ("admin.create_user", "admin.set_roles", "admin.deactivate_user", "admin.activate_user", "admin.delete_user",
     "admin.create_tenant", "admin.update_tenant", "admin.delete_tenant")
)  # fmt: skip
"""Operations that need the target's permission to make and remove users and tenants (`allow.register_users`)."""


@dataclass(frozen=True)
class Step:
    """One operation. gives: variables for it; learns: the variable that the id in its answer (or of the first item of it)
    is for whoever comes later; needs: a variable without which there is nothing to try it on."""

    name: str
    gives: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(default=lambda _known: {})
    learns: str | None = None
    needs: str | None = None


def marks(tenant: str | None) -> dict[str, Any]:
    """Names of this verification, in no way mistaken for somebody's: of a user, a tenant, a run of test data."""
    mark = secrets.token_hex(4)
    return {
        "tenant": tenant, "new_user": f"verify-{mark}", "new_tenant": f"verify-{mark}", "verify_run": f"verify-{mark}",
    }  # fmt: skip


def notification(*, firing: bool = True) -> dict[str, Any]:
    """The body of Alertmanager's webhook, version 4, with one alert."""
    now = _time(time.time())
    labels = {"alertname": TITLE, "severity": "info", "service": "testbed-verify"}
    alert = {
        "status": "firing" if firing else "resolved", "labels": labels, "startsAt": now,
        "annotations": {"summary": TITLE, "description": "Fired by testbed verify; it resolves itself."},
        "endsAt": "0001-01-01T00:00:00Z" if firing else now, "generatorURL": "http://testbed.invalid/verify",
        "fingerprint": "7e57bed07e57bed0",
    }  # fmt: skip
    return {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": alert["status"], "receiver": "testbed",
        "groupLabels": {}, "commonLabels": labels, "commonAnnotations": {}, "externalURL": "http://testbed.invalid",
        "alerts": [alert],
    }  # fmt: skip


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _silence(_known: Mapping[str, Any]) -> Mapping[str, Any]:
    matcher = {"name": "alertname", "value": TITLE, "is_regex": False, "is_equal": True}
    return {"matchers": [matcher], "ends_at": _time(time.time() + 60), "comment": "testbed verify"}


# Traces first: the id of a stored one makes the probe of traces.get mean something. The tour of an alert ends resolved.
_JOURNEYS: tuple[Step, ...] = (
    Step("search.traces", learns="trace_id"),
    Step("traces.search", learns="trace_id"),
    Step("alerts.webhook", lambda _: {"payload": notification()}),
    Step("alerts.list", lambda _: {"free_text": TITLE}, learns="alert_id"),
    Step("alerts.get", needs="alert_id"),
    Step("alerts.acknowledge", lambda _: {"note": "testbed verify"}, needs="alert_id"),
    Step("alerts.assign", lambda _: {"assignee": None}, needs="alert_id"),
    Step("alerts.actions", lambda known: {"action": "acknowledge", "alert_ids": [known["alert_id"]]}, needs="alert_id"),
    Step("alerts.resolve", needs="alert_id"),
    Step("alerts.silence", _silence, learns="silence_id"),
    Step("alerts.unsilence", needs="silence_id"),
    Step(
        "admin.create_user",
        lambda known: {
            "username": known["new_user"], "email": f"{known['new_user']}@testbed.invalid", "roles": ["viewer"],
        },
        learns="user_id",
    ),
    Step("admin.set_roles", lambda _: {"roles": ["editor"]}, needs="user_id"),
    Step("admin.deactivate_user", needs="user_id"),
    Step("admin.activate_user", needs="user_id"),
    Step("admin.delete_user", needs="user_id"),
    Step(
        "admin.create_tenant", lambda known: {"tenant_id": known["new_tenant"], "name": "Testbed verification"},
        learns="tenant_id",
    ),
    Step("admin.update_tenant", lambda _: {"status": "suspended"}, needs="tenant_id"),
    Step("admin.delete_tenant", needs="tenant_id"),
    Step("test_data.seed", lambda known: {"run": known["verify_run"], "count": 1}, learns="run"),
    Step("test_data.delete", needs="run"),
    # Nothing slower, nothing wrong, for a moment: the switch is tried, and nobody is disturbed.
    Step("test_data.faults", lambda _: {"source": "logs", "latency_ms": 0, "error_rate": 0.0, "ttl_s": 0.1}),
)  # fmt: skip

_by_name = {step.name: step for step in _JOURNEYS}
STEPS: tuple[Step, ...] = (*_JOURNEYS, *(Step(name) for name in CANONICAL if name not in _by_name))
"""Every canonical operation once, each after what it needs."""
