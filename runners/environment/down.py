"""`testbed down`: leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from runners.config import lookup
from runners.environment import external, lease
from runners.environment.host import folders
from runners.environment.provisioner import Provisioner, folder_of, ignore, never
from runners.environment.recollect import recollect
from runners.environment.remote import provision as remote
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Home
from runners.playbook.job import OnEvent

Removed = Literal["", "gone", "forgotten"]
_DATA = ("data", "secrets", "releases", "state.json", "controller.json")


def down(
    home: Home,
    name: str,
    *,
    keep_data: bool = False,
    force: bool = False,
    on_event: OnEvent = ignore,
    cancel: Callable[[], int] = never,
) -> Removed:
    """Remove an environment; "" when there was none, "forgotten" when its host could not be asked (only with `force`) and still
    has what was there. keep_data: data, secrets and ports stay for the next `up`.

    Raises Leased (unless `force`), NotReady when something cannot be removed, Cancelled.
    """
    environment = folder_of(home, name)
    if not environment.root.is_dir():
        return ""
    with lease.operation(home, environment, "down", force=force):
        recorded = read_json(environment.state)
        if recorded is None and (found := recollect(environment)) is not None:
            if keep_data:
                raise NotReady(
                    f"environment '{name}' has no whole state.json: what its data are is not known any more",
                    file=environment.state, remedy="without --keep-data everything of it is removed",
                )  # fmt: skip
            if found["kind"] != "local":
                recorded = found  # the playbook asks the engine for what has its label
                write_json(environment.state, found)
        provisioner = Provisioner(
            environment, inventory_of(recorded or {}), on_event, cancel,
            remote=(recorded or {}).get("kind") == "remote",
        )  # fmt: skip
        provisioner.end_leftover(lookers=True)
        if recorded is None:  # nothing was started without it: it is written before anything else; but it may be lost
            names = {path.name for path in environment.root.iterdir()}
            there = bool(names - set(folders.KEPT)) or environment.journal.exists()
            if there:
                provisioner.settle_faults()
                provisioner.forget("there is no whole state.json")
            return "gone" if there else ""
        if recorded.get("kind") == "external":
            external.detach(environment)
            return "gone"
        keep = _DATA if keep_data else ()
        removed: Removed = "gone"
        if provisioner.remote:
            removed = remote.take_down(provisioner, keep, force=force)
        else:
            provisioner.settle_faults()
            provisioner.clear_away(keep)
            folders.clear(environment, keep=keep)
        if keep_data:
            supervisor = recorded.get("supervisor")
            idle = {**supervisor, "pid": None, "start": None} if supervisor else None
            write_json(environment.state, {**recorded, "state": "absent", "supervisor": idle})
    return removed


def inventory_of(recorded: dict[str, object]) -> Path:
    """The recorded inventory, else the shipped one: what is to be removed stands in state.json."""
    place = Path(str(recorded.get("inventory") or ""))
    return (
        place
        if (place / "hosts.yml").is_file()
        else lookup.PROJECT / "inventories" / str(recorded.get("kind") or "local")
    )
