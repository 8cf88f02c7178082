"""`testbed reset` and `testbed rollback`: an existing environment made anew, from fresh data or from an earlier release."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.environment import inventory, lease, releases
from runners.environment.down import inventory_of
from runners.environment.drift import require_provisioned
from runners.environment.kinds import require_same
from runners.environment.provisioner import Playbook, Provisioner, folder_of, ignore, never
from runners.environment.status import status
from runners.environment.up import Up, play
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.playbook.job import OnEvent


@dataclass(frozen=True)
class RolledBack:
    """release: its number; other: what runs in another version than it did then."""

    up: Up
    release: int
    other: list[str]


def reset(
    home: Home, name: str, *, force: bool = False, on_event: OnEvent = ignore, cancel: Callable[[], int] = never
) -> Up:
    """Fresh data with the same secrets, ports and settings. Raises NotReady, Leased (unless `force`), Cancelled."""
    environment = _provisioned(home, name)
    with lease.operation(home, environment, "reset", force=force):
        return _make(home, environment, "reset", inventory_of(read_json(environment.state) or {}), on_event, cancel)


def rollback(
    home: Home,
    name: str,
    *,
    to: int = 0,
    force: bool = False,
    on_event: OnEvent = ignore,
    cancel: Callable[[], int] = never,
) -> RolledBack:
    """Make the environment from an earlier release again; its data stays where it is still there. to: the number, 0 for the
    last good one. Raises NotReady, Leased (unless `force`), Cancelled."""
    environment = _provisioned(home, name)
    with lease.operation(home, environment, "rollback", force=force):
        chosen = releases.choose(environment, to)
        # Played from the copy, for the inventory may be broken by now; that one stays the environment's all the same.
        recorded = inventory_of(read_json(environment.state) or {})
        variables = {"testbed_release": chosen.number, "testbed_inventory": str(recorded)}
        done = _make(home, environment, "rollback", chosen.inventory, on_event, cancel, variables)
    return RolledBack(done, chosen.number, releases.other_versions(chosen, read_json(environment.state) or {}))


def _make(  # noqa: PLR0917  (the same six that both have)
    home: Home,
    environment: Environment,
    playbook: Playbook,
    place: Path,
    on_event: OnEvent,
    cancel: Callable[[], int],
    variables: dict[str, Any] | None = None,
) -> Up:
    began = time.monotonic()
    found = inventory.load(place)
    if found.catalogue is None:
        raise NotReady(f"{place} provisions nothing")
    require_same(environment, found.kind)
    provisioner = Provisioner(environment, place, on_event, cancel, remote=found.kind == "remote")
    done = play(provisioner, playbook, found.catalogue, dict(variables or {}))
    return Up(status(home, environment.name), done.changed, done.modules, round(time.monotonic() - began, 3))


def _provisioned(home: Home, name: str) -> Environment:
    environment = folder_of(home, name)
    recorded = read_json(environment.state) or {}
    require_provisioned(name, recorded)
    if not recorded:
        raise NotReady(f"there is no environment '{name}'", remedy=f"provision it with: testbed up {name}")
    return environment
