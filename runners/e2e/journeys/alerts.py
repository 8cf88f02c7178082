"""The life of an alert: it fires, is taken up, ends, comes back; and silences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from runners.e2e.journey import check, equal, journey
from runners.e2e.scene import Scene

NEVER = "0001-01-01T00:00:00Z"  # Alertmanager's way to say that an alert has not ended


def notify(
    scene: Scene,
    name: str,
    *,
    tenant: str | None = None,
    ended: bool = False,
    severity: str = "warning",
    claims: str | None = None,
) -> None:
    """Tell the platform of an alert as Alertmanager does. Raises Broken when it is refused.

    claims: the tenant that the alert's label names, where that is not the one whose token is sent.
    """
    body = notice(scene, name, claims or tenant or scene.tenant, ended=ended, severity=severity)
    scene.ok("alerts.webhook", None, payload=body, webhook_token=scene.webhook_token(tenant))


def notice(scene: Scene, name: str, tenant: str, *, ended: bool = False, severity: str = "warning") -> dict[str, Any]:
    """The body of Alertmanager's webhook, version 4, with one alert whose label names the tenant."""
    now = datetime.now(UTC)
    labels = {
        "alertname": name, "severity": severity, "service": scene.service, "tenant": tenant, "e2e": scene.mark,
    }  # fmt: skip
    alert = {
        "status": "resolved" if ended else "firing", "labels": labels,
        "annotations": {"summary": f"{name} of {scene.mark}"}, "startsAt": _stamp(now - timedelta(minutes=1)),
        "endsAt": _stamp(now) if ended else NEVER, "generatorURL": "http://prometheus.invalid/graph",
        "fingerprint": f"{abs(hash((scene.mark, name))):016x}"[:16],
    }  # fmt: skip
    return {
        "version": "4", "groupKey": f"{{}}:{{alertname=\"{name}\"}}", "truncatedAlerts": 0, "status": alert["status"],
        "receiver": "observastack", "groupLabels": {"alertname": name}, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://alertmanager.invalid", "alerts": [alert],
    }  # fmt: skip


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listed(scene: Scene, *, tenant: str | None = None, **asked: Any) -> list[dict[str, Any]]:
    """The alerts of this journey that the tenant's viewer sees."""
    found = scene.items("alerts.list", scene.who("viewer", tenant), **{"service": scene.service, "limit": 200, **asked})
    return [one for one in found if scene.mark in repr(one)]


def fired(scene: Scene, name: str, **said: Any) -> dict[str, Any]:
    """The alert, as listed once it has fired."""
    notify(scene, name, **said)
    found: list[dict[str, Any]] = scene.eventually(
        lambda: [one for one in listed(scene, tenant=said.get("tenant")) if one["labels"]["alertname"] == name],
        lambda alerts: alerts and alerts[0]["status"] == "active",
        f"the alert {name} did not become active",
    )
    return found[0]


NEEDS = ("alerts.webhook", "alerts.list")


@journey("alerts.fire-and-are-listed", *NEEDS, "alerts.statistics")
def fire(scene: Scene) -> None:
    """What Alertmanager tells is listed as active, once, however often it is told, and counted."""
    alert = fired(scene, "Repeated", severity="critical")
    for _ in range(3):
        notify(scene, "Repeated", severity="critical")
    found = listed(scene)
    equal(len(found), 1, "the number of alerts after four notices of one")
    equal((alert["status"], alert["severity"], alert["service"]), ("active", "critical", scene.service), "the alert")
    # Other alerts of the tenant come and go meanwhile: at some moment the figure and the list agree.
    scene.eventually(lambda: _counted(scene), _agree, "the statistics do not count as many active alerts as are listed")


def _counted(scene: Scene) -> tuple[int, int, int]:
    """Active alerts of the tenant: as listed, by the statistics, as listed again."""
    viewer = scene.who("viewer")
    operation = scene.operation("alerts.list")

    def active() -> int:
        pages = (
            scene.walk("alerts.list", viewer, status="active", limit=200)
            if operation.template.next is not None and "cursor" in operation.mentions
            else [scene.items("alerts.list", viewer, status="active", limit=200)]
        )
        return len({one["id"] for page in pages for one in page if one["status"] == "active"})

    before = active()
    said = int((scene.ok("alerts.statistics", viewer).json.get("by_status") or {}).get("active", 0))
    return before, said, active()


def _agree(counted: tuple[int, int, int]) -> bool:
    before, said, after = counted
    return before > 0 and min(before, after) <= said <= max(before, after)


@journey("alerts.can-be-worked-on", *NEEDS, "alerts.get", "alerts.acknowledge", "alerts.assign", "alerts.resolve")
def work(scene: Scene) -> None:
    """An alert is acknowledged, assigned and resolved, and its history says who did what."""
    editor, viewer = scene.who("editor"), scene.who("viewer")
    alert = fired(scene, "Worked")
    at = {"alert_id": alert["id"]}
    equal(scene.ok("alerts.acknowledge", editor, **at, note="looking").json["status"], "acknowledged", "the status")
    equal(
        scene.ok("alerts.assign", editor, **at, assignee=editor.username).json["assignee"],
        editor.username,
        "the assignee",
    )
    equal(scene.ok("alerts.resolve", editor, **at).json["status"], "resolved", "the status")
    late = scene.call("alerts.acknowledge", editor, **at)
    equal(late.status, 409, "the status for acknowledging a resolved alert")
    shown = scene.ok("alerts.get", viewer, **at).json
    equal(shown["status"], "resolved", "the status in the end")
    acts = [(entry["action"], entry.get("user")) for entry in shown["history"]]
    for wanted in ("acknowledged", "assigned", "resolved"):
        check((wanted, editor.username) in acts, f"the history does not say that {editor.username} {wanted} it")


@journey("alerts.end-and-come-back", *NEEDS, "alerts.get", "alerts.acknowledge")
def come_back(scene: Scene) -> None:
    """An alert that ends is resolved; when it fires again it is active and nobody's."""
    editor = scene.who("editor")
    alert = fired(scene, "Flapping")
    scene.ok("alerts.acknowledge", editor, alert_id=alert["id"])
    if scene.target.operation("alerts.assign") is not None:
        scene.ok("alerts.assign", editor, alert_id=alert["id"], assignee=editor.username)
    notify(scene, "Flapping")
    equal(_status(scene, alert["id"]), "acknowledged", "the status of an acknowledged alert that is told of again")
    notify(scene, "Flapping", ended=True)
    scene.eventually(lambda: _status(scene, alert["id"]), lambda now: now == "resolved", "the alert did not end")
    notify(scene, "Flapping")
    scene.eventually(lambda: _status(scene, alert["id"]), lambda now: now == "active", "the alert did not come back")
    shown = scene.ok("alerts.get", scene.who("viewer"), alert_id=alert["id"]).json
    check(not shown.get("assignee") and not shown.get("acknowledged_at"), "an alert that came back is still taken up")


def _status(scene: Scene, alert: str) -> str:
    return str(scene.ok("alerts.get", scene.who("viewer"), alert_id=alert).json["status"])


@journey("alerts.bulk-judges-each-alone", *NEEDS, "alerts.actions", "alerts.resolve", "alerts.get")
def bulk(scene: Scene) -> None:
    """A bulk action says for each alert how it went: done, refused, unknown."""
    editor = scene.who("editor")
    one, other = fired(scene, "BulkOne"), fired(scene, "BulkTwo")
    scene.ok("alerts.resolve", editor, alert_id=other["id"])
    unknown = "00000000-0000-4000-8000-000000000000"
    results = scene.items("alerts.actions", editor, action="acknowledge", alert_ids=[one["id"], other["id"], unknown])
    said = {result["id"]: (result["ok"], result["status"]) for result in results}
    equal(said, {one["id"]: (True, 200), other["id"]: (False, 409), unknown: (False, 404)}, "the results")
    equal(_status(scene, one["id"]), "acknowledged", "the status of the first")
    equal(_status(scene, other["id"]), "resolved", "the status of the second")


@journey("alerts.are-silenced-alone", *NEEDS, "alerts.silence", "alerts.silences", "alerts.unsilence", "alerts.get")
def silenced(scene: Scene) -> None:
    """A silence quiets the alerts that it names, of its own tenant only, and until it is taken away."""
    editor = scene.who("editor")
    mine, bystander = fired(scene, "Loud"), fired(scene, "Bystander")
    foreign = fired(scene, "Loud", tenant=scene.stranger)
    matchers = [
        {"name": "alertname", "value": "Loud", "is_regex": False, "is_equal": True},
        {"name": "e2e", "value": scene.mark, "is_regex": False, "is_equal": True},
    ]
    until = _stamp(datetime.now(UTC) + timedelta(minutes=10))
    made = scene.ok("alerts.silence", editor, matchers=matchers, ends_at=until, comment=scene.mark).json
    try:
        check(
            {"name": "tenant", "value": scene.tenant}
            in [{key: one[key] for key in ("name", "value")} for one in made["matchers"]],
            "the silence does not name its tenant",
        )
        scene.eventually(
            lambda: _status(scene, mine["id"]), lambda now: now == "silenced", "the alert was not silenced"
        )
        equal(_status(scene, bystander["id"]), "active", "the status of an alert that the silence does not name")
        there = scene.ok("alerts.get", scene.who("viewer", scene.stranger), alert_id=foreign["id"]).json
        equal(there["status"], "active", f"the status of the same alert of {scene.stranger}")
    finally:
        scene.ok("alerts.unsilence", editor, silence_id=made["id"])
    scene.eventually(
        lambda: _status(scene, mine["id"]), lambda now: now == "active", "the alert did not become active again"
    )
    bare = scene.call("alerts.silence", editor, matchers=[], ends_at=until, comment=scene.mark)
    check(
        bare.status in scene.target.profile.expect.invalid, f"a silence of everything was answered with {bare.status}"
    )


@journey("alerts.need-their-tenants-token", "alerts.webhook", "alerts.list")
def webhook_token(scene: Scene) -> None:
    """Nobody can tell of alerts without the tenant's token; who has one speaks for that tenant only."""
    scene.webhook_token()
    refused = (*scene.target.profile.expect.unauthenticated, *scene.target.profile.expect.forbidden)
    body = notice(scene, "Unsigned", scene.tenant)
    scene.refused("alerts.webhook", None, refused, "a made-up token was sent", payload=body, webhook_token="x" * 43)
    notify(scene, "Smuggled", claims=scene.stranger)
    fired(scene, "Mine")
    equal([one["labels"]["alertname"] for one in listed(scene)], ["Mine"], "the alerts that there are of this")
    equal(listed(scene, tenant=scene.stranger), [], f"the alerts that {scene.stranger} sees of this")
