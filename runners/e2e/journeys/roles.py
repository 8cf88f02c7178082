"""Each role may do what it is for, and nothing more."""

from __future__ import annotations

from typing import Any

from runners.e2e.journey import Absent, check, journey
from runners.e2e.journeys.alerts import fired
from runners.e2e.scene import Scene


def _refuse(scene: Scene, role: str, name: str, /, **variables: Any) -> bool:
    """Raises Broken when the role may. False: nothing to ask here."""
    operation = scene.target.operation(name)
    if operation is None or scene.target.role(role) == scene.target.role(operation.role):
        return False  # where a deployment has one role for two of ours, there is nothing to keep apart
    scene.refused(
        name, scene.who(role), scene.target.profile.expect.forbidden, f"the role {role} must not", **variables
    )
    return True


def _any(tried: list[bool]) -> None:
    if not any(tried):
        raise Absent("this target has none of the operations that the role must not do")


@journey("roles.viewer-only-reads")
def viewer(scene: Scene) -> None:
    """A viewer can neither export nor manage, nor write telemetry."""
    _any(
        [
            _refuse(scene, "viewer", "search.export", type="logs", **scene.window),
            _refuse(scene, "viewer", "insights.export"),
            _refuse(scene, "viewer", "admin.users"),
            _refuse(scene, "viewer", "admin.audit_logs"),
            _refuse(scene, "viewer", "admin.settings"),
            _refuse(scene, "viewer", "ingest.logs", payload={"resourceLogs": []}),
        ]
    )


@journey("roles.viewer-leaves-alerts-alone", "alerts.webhook", "alerts.list", "alerts.acknowledge")
def viewer_alerts(scene: Scene) -> None:
    """A viewer sees an alert and cannot act on it; an editor can."""
    alert = fired(scene, "Looked")
    at = {"alert_id": alert["id"]}
    for role in ("viewer", "analyst"):
        for name, more in (
            ("alerts.acknowledge", {}), ("alerts.resolve", {}), ("alerts.assign", {"assignee": None}),
        ):  # fmt: skip
            _refuse(scene, role, name, **at, **more)
        _refuse(scene, role, "alerts.actions", action="acknowledge", alert_ids=[alert["id"]])
        matchers = [{"name": "alertname", "value": "Looked", "is_regex": False, "is_equal": True}]
        _refuse(scene, role, "alerts.silence", matchers=matchers, ends_at="2100-01-01T00:00:00Z", comment="x")
    scene.ok("alerts.acknowledge", scene.who("editor"), **at)


@journey("roles.editor-neither-exports-nor-manages")
def editor(scene: Scene) -> None:
    """An editor can neither export nor manage users."""
    _any(
        [
            _refuse(scene, "editor", "search.export", type="logs", **scene.window),
            _refuse(scene, "editor", "admin.users"),
            _refuse(
                scene, "editor", "admin.create_user", username=scene.mark, email="x@example.invalid", roles=["viewer"]
            ),
        ]
    )


@journey("roles.tenant-admin-stays-inside", "admin.users")
def tenant_admin(scene: Scene) -> None:
    """A tenant's admin sees the own tenant's users only, and cannot make a platform admin."""
    found = scene.items("admin.users", scene.who("tenant_admin"))
    strangers = {one.get("tenant_id") for one in found} - {scene.tenant}
    check(found and not strangers, f"users of {', '.join(map(str, strangers))} are listed")
    if scene.target.operation("admin.tenants") is not None:
        shown = repr(scene.items("admin.tenants", scene.who("tenant_admin")))
        check(f"'{scene.stranger}'" not in shown, f"the tenant {scene.stranger} is listed")
    if scene.target.operation("admin.create_user") is not None:
        answer = scene.call(
            "admin.create_user", scene.who("tenant_admin"), username=scene.mark, email=f"{scene.mark}@example.invalid",
            roles=["admin"],
        )  # fmt: skip
        refusals = (*scene.target.profile.expect.forbidden, *scene.target.profile.expect.invalid)
        check(answer.status in refusals, f"making a platform admin was answered with {answer.status}")
    _refuse(scene, "tenant_admin", "admin.create_tenant", tenant_id=scene.mark, name=scene.mark)
    _refuse(scene, "tenant_admin", "admin.health")


@journey("roles.writers-cannot-read", "search.logs")
def agent(scene: Scene) -> None:
    """The identity that writes telemetry can read none."""
    scene.refused(
        "search.logs",
        scene.who("agent"),
        scene.target.profile.expect.forbidden,
        "an agent must not read",
        **scene.window,
    )
