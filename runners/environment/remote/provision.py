"""Provision a host and take it down: the playbooks as ever, and what is different when the host is not this machine.

Nothing is half-written here: what a host could not be asked leaves no trace on the controller, and a copy of what it said
before stays as it was.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any, Literal, NoReturn

from runners.environment.host import folders, outcome
from runners.environment.provisioner import Playbook, Provisioner, never
from runners.environment.remote import mirror
from runners.environment.remote.ssh import explain, forget
from runners.lib.errors import Cancelled, NotReady
from runners.lib.files import read_json, write_json
from runners.playbook.job import Outcome

ROLLBACK_KEEPS = ("state.json", "failure.json", "releases", "logs", "chaos")


def provision(
    provisioner: Provisioner, playbook: Playbook, variables: dict[str, Any], *, fresh: bool = False
) -> Outcome:
    """Raises NotReady (with failure.json when it went wrong on the host), Cancelled."""
    environment = provisioner.environment
    provisioner.end_leftover()
    before = read_json(environment.state)
    if fresh and before is not None and not mirror.untouched(environment):
        provisioner.clear_away(("releases",))
        folders.clear(environment, keep=("releases",))
        before = None
    elif (before or {}).get("state") == "failed":
        shutil.rmtree(environment.logs, ignore_errors=True)
    environment.failure.unlink(missing_ok=True)
    mirror.intended(environment, provisioner.place)
    environment.logs.mkdir(mode=0o700, exist_ok=True)
    done = provisioner.play(playbook, **variables)
    if done.status != "successful":
        _fail(provisioner, done)
    return done


def _fail(provisioner: Provisioner, done: Outcome) -> NoReturn:
    environment = provisioner.environment
    known = explain(done.message or "")
    if done.status == "failed" and known is not None and not environment.failure.exists():
        if mirror.untouched(environment):
            folders.clear(environment)
        raise NotReady(f"{known.what}: {_line(done.message)}", remedy=known.remedy)
    failure = read_json(environment.failure)
    if failure is None and done.status == "failed":
        failure = {
            "failed_task": done.failed_task or "-", "message": _line(done.message), "healthy": [], "blocked": [],
            "root_causes": [{"service": "provisioning", "reason": _line(done.message), "log": []}], "rolled_back": False,
        }  # fmt: skip
        write_json(environment.failure, failure)
    if done.status == "cancelled" or not (failure or {}).get("rolled_back"):
        replace(provisioner, cancel=never).clear_away(ROLLBACK_KEEPS)
        outcome.rolled_back(environment)
    folders.clear(environment, keep=ROLLBACK_KEEPS)
    if (state := read_json(environment.state)) is not None:
        write_json(environment.state, {**state, "state": "failed"})
    if done.status == "cancelled":
        raise Cancelled("cancelled; processes, data and secrets on the host are removed")
    from runners.environment.up import explain as told

    raise NotReady(
        f"environment '{environment.name}' is not ready; its processes, data and secrets on the host are removed"
        + told(failure or {}),
        remedy=f"mend that and run testbed up again; {environment.failure} stays until then",
    )


def take_down(provisioner: Provisioner, keep: tuple[str, ...], *, force: bool) -> Literal["gone", "forgotten"]:
    """Raises NotReady, also when the host cannot be asked; `force` then removes the copy here alone: forgotten."""
    environment = provisioner.environment
    removed: Literal["gone", "forgotten"] = "gone"
    try:
        provisioner.clear_away(keep)
    except NotReady as error:
        known = explain(error.what)
        if known is None:
            raise
        if not force and not mirror.untouched(environment):
            raise NotReady(
                f"nothing was removed from the host of '{environment.name}': {error.what}",
                remedy=f"{known.remedy}; --force forgets the environment here and leaves the host as it is",
            ) from None
        provisioner.on_event(
            {"type": "phase", "name": "removal", "message": f"{known.what}: the host is left as it is"}
        )
        # A host that nothing was ever put on has nothing to be forgotten.
        removed = "gone" if mirror.untouched(environment) else "forgotten"
    forget(environment.root)
    folders.clear(environment, keep=keep)
    return removed


def _line(text: str | None) -> str:
    return " ".join((text or "it failed").split())
