"""Alerts for tests: what an Alertmanager would send, and the alert that comes of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from observastack.tests.backend.serving import PREFIX, Backend
from observastack.tests.platform import webhook_token

NEVER = "0001-01-01T00:00:00Z"


def at(seconds: float = 0) -> str:
    """A time so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def sent(
    name: str, *, status: str = "firing", ends: str = NEVER, starts: str | None = None, **labels: str
) -> dict[str, Any]:
    """One alert of a delivery; its fingerprint follows from its name."""
    return {
        "status": status, "labels": {"alertname": name, "severity": "critical", "service": "shop", **labels},
        "annotations": {"summary": f"{name} happened"}, "startsAt": starts or at(-60), "endsAt": ends,
        "generatorURL": "http://prometheus.test/graph", "fingerprint": uuid.uuid5(uuid.NAMESPACE_DNS, name).hex[:16],
    }  # fmt: skip


def over(name: str, **labels: str) -> dict[str, Any]:
    return sent(name, status="resolved", ends=at(), **labels)


def deliver(
    running: Backend, *alerts: dict[str, Any], tenant: str = "acme", token: str | None = None
) -> httpx.Response:
    """What Alertmanager posts, with the tenant's token."""
    body = {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": f"tenant-{tenant}",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager.test",
        "alerts": list(alerts),
    }  # fmt: skip
    bearer = webhook_token(tenant) if token is None else token
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return running.client.post(f"{PREFIX}/alerts/webhook/alertmanager", json=body, headers=headers)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def found(running: Backend, name: str, username: str = "acme-viewer") -> list[dict[str, Any]]:
    """The alerts of that name in the list."""
    answer = running.get(username, f"/alerts?q={name}")
    assert answer.status_code == 200, answer.text
    return [alert for alert in answer.json()["items"] if alert["labels"]["alertname"] == name]


def fired(running: Backend, name: str | None = None, *, tenant: str = "acme", **labels: str) -> dict[str, Any]:
    """An alert that fires, as GET /alerts/{id} has it."""
    name = name or unique("alert")
    assert deliver(running, sent(name, **labels), tenant=tenant).status_code == 200
    (alert,) = found(running, name, f"{tenant}-viewer")
    return read(running, alert["id"], f"{tenant}-viewer")


def read(running: Backend, alert_id: str, username: str = "acme-viewer") -> dict[str, Any]:
    answer = running.get(username, f"/alerts/{alert_id}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def act(running: Backend, alert_id: str, action: str, username: str = "acme-editor", **body: Any) -> httpx.Response:
    return running.post(username, f"/alerts/{alert_id}/{action}", body)


def steps(alert: dict[str, Any]) -> list[str]:
    return [step["action"] for step in alert["history"]]


def silence(running: Backend, *matchers: dict[str, Any], username: str = "acme-editor", **times: str) -> httpx.Response:
    """POST of a silence for an hour, unless told otherwise."""
    body = {"matchers": list(matchers), "ends_at": at(3600), "comment": "for a test", **times}
    return running.post(username, "/alerts/silences", body)


def named(name: str) -> dict[str, Any]:
    return {"name": "alertname", "value": name}
