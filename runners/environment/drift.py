"""`testbed drift`: how a running environment differs from what was provisioned. Looks only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runners.environment.down import inventory_of
from runners.environment.provisioner import Provisioner, folder_of, ignore, never
from runners.lib.errors import Cancelled, NotReady
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.playbook.job import OnEvent


def require_provisioned(name: str, recorded: Mapping[str, Any]) -> None:
    """Raises NotReady where there is nothing to compare, reset or roll back."""
    if recorded.get("kind") == "external":
        raise NotReady(f"environment '{name}' is external: nothing of it was provisioned from here")


def drift(home: Home, name: str, *, on_event: OnEvent = ignore, cancel: Callable[[], int] = never) -> dict[str, Any]:
    """`{environment, drifted, items: [{service, kind, path, expected, found}]}`. Raises NotReady, Cancelled."""
    environment = folder_of(home, name)
    recorded = read_json(environment.state) or {}
    require_provisioned(name, recorded)
    if recorded.get("state") not in ("ready", "degraded"):
        raise NotReady(
            f"environment '{name}' is {recorded.get('state', 'absent')}", remedy=f"provision it with: testbed up {name}"
        )
    there = recorded.get("kind") == "remote"
    provisioner = Provisioner(environment, inventory_of(recorded), on_event, cancel, remote=there)
    done = provisioner.play("drift", testbed_drift_fails=False)
    if done.status == "cancelled":
        raise Cancelled("cancelled")
    if done.status == "failed":
        raise NotReady(
            f"environment '{name}' cannot be compared: '{done.failed_task}' says {done.message}",
            remedy=f"look at: testbed status {name}",
        )
    return {"environment": name, "drifted": bool(done.drift), "items": list(done.drift)}
