"""`testbed up`: provision an environment, or bring an existing one to what is asked."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from runners.environment import external, inventory, lease
from runners.environment.host import apply, outcome, ports, workspace
from runners.environment.host.impact import with_requirements
from runners.environment.kinds import require_same
from runners.environment.provisioner import Playbook, Provisioner, folder_of, ignore, never
from runners.environment.recollect import recollect
from runners.environment.remote import provision as remote
from runners.environment.status import status
from runners.lib.errors import Cancelled, NotReady, UsageError
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment, Home
from runners.playbook.job import OnEvent, Outcome

_ROOM = 1 << 20  # bytes; with less than this, nothing that Ansible does can be trusted
_ROLLBACK_KEEPS = ("state.json", "failure.json", "releases", "logs", "chaos")


@dataclass(frozen=True)
class Wanted:
    """What the environment shall be. only: services (all when empty); stores, identity: settings of that name; rotate: make
    every secret anew."""

    only: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    stores: str = "embedded"
    identity: str = "local"
    rotate: bool = False

    def variables(self) -> dict[str, Any]:
        """As the playbooks know them."""
        return {
            "testbed_only": list(self.only), "testbed_defects": sorted(self.defects), "testbed_stores": self.stores,
            "testbed_identity": self.identity, "testbed_rotate": self.rotate,
        }  # fmt: skip


@dataclass(frozen=True)
class Up:
    """status: of the environment afterwards; changed: tasks that changed something; modules: module executions."""

    status: dict[str, Any]
    changed: int
    modules: int
    seconds: float


def up(
    home: Home,
    name: str,
    *,
    source: str | None = None,
    fresh: bool = False,
    only: Sequence[str] = (),
    defects: Sequence[str] = (),
    stores: str = "embedded",
    identity: str = "local",
    rotate: bool = False,
    on_event: OnEvent = ignore,
    cancel: Callable[[], int] = never,
) -> Up:
    """Provision an environment, or bring an existing one to what is asked; nothing changes when it is so already.

    stores: embedded, real or auto; identity: local or keycloak (see the settings of these names). rotate: make every secret
    anew. source: inventory name or path (default: the recorded one, else the one named like the environment, else `local`).
    Raises FileError (inventory, target), UsageError, Leased, NotReady (failure.json tells why), Cancelled (rolled back).
    """
    began = time.monotonic()
    environment = folder_of(home, name)
    place = _inventory(environment, name, source)
    found = inventory.load(place)
    if found.catalogue is not None:
        only = inventory.chosen(found.catalogue, tuple(only), place / "group_vars/all/services.yml")
        require_platform(found.catalogue, only)
        check_defects(defects)
    if rotate and found.catalogue is None:
        raise NotReady(
            f"environment '{name}' is external: its secrets are not ours to rotate", remedy="leave out --rotate-secrets"
        )
    home.create()
    done = Outcome("successful", 1)
    with lease.operation(home, environment, "up"):
        require_same(environment, found.kind)
        if found.catalogue is None:
            external.attach(environment, place)
        else:
            if (read_json(environment.state) or {}).get("kind") == "external":
                external.detach(environment)
            provisioner = Provisioner(environment, place, on_event, cancel, remote=found.kind == "remote")
            wanted = Wanted(tuple(only), tuple(defects), stores, identity, rotate)
            try:
                done = play(provisioner, "provision", found.catalogue, wanted.variables(), fresh=fresh)
            except OSError as error:  # another user's file, a file where a folder belongs
                raise NotReady(
                    (error.strerror or str(error)).lower(), file=error.filename or environment.root,
                    remedy=f"remove what is in the way there; the rest goes with: testbed down {name}",
                ) from None  # fmt: skip
    return Up(status(home, name), done.changed, done.modules, round(time.monotonic() - began, 3))


def require_platform(catalogue: inventory.Catalogue, only: Sequence[str]) -> None:
    """Raises NotReady where services of the reference platform are wanted and it is not installed."""
    wanted = with_requirements(catalogue.requires, only or catalogue.testbed_services)
    ours = [name for name in wanted if catalogue.testbed_services[name].implementation == "reference"]
    if ours and importlib.util.find_spec("observastack") is None:
        raise NotReady(
            f"the platform under test is not installed (package observastack), and {', '.join(ours)} are parts of it",
            remedy="install the testbed with its extra: uv tool install 'observastack-testbed[platform]'; "
            "to test a deployment that exists, name its inventory with --inventory",
        )


def check_defects(defects: Sequence[str]) -> None:
    """Ask the platform whether it knows these defects, before a running environment is touched. Raises UsageError."""
    if not defects:
        return
    program = "import sys; from observastack import defects; defects.check(sys.argv[1:], 'test')"
    done = subprocess.run([sys.executable, "-c", program, *defects], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["the platform refuses them"])[-1]
        raise UsageError(f"defects: {last.removeprefix('ValueError: ')}")


def _inventory(environment: Environment, name: str, source: str | None) -> Path:
    recorded = (read_json(environment.state) or {}).get("inventory")
    if source is None and recorded and Path(recorded).is_dir():
        return Path(recorded)
    return inventory.find(source) if source else inventory.of_environment(name)


def play(
    provisioner: Provisioner,
    playbook: Playbook,
    catalogue: inventory.Catalogue,
    variables: dict[str, Any],
    *,
    fresh: bool = False,
) -> Outcome:
    """Run a playbook that ends in provisioning, on a folder that is ready for it. Whoever calls holds the lease.

    Raises NotReady, Cancelled; then nothing of the environment runs.
    """
    environment = provisioner.environment
    if provisioner.remote:
        return remote.provision(provisioner, playbook, variables, fresh=fresh)
    provisioner.end_leftover()
    if read_json(environment.state) is None and recollect(environment) is not None:
        raise NotReady(
            f"environment '{environment.name}' is there, but its state.json is lost or not whole",
            file=environment.state, remedy=f"remove what is left of it, then provision anew: testbed down {environment.name}",
        )  # fmt: skip
    provisioner.settle_faults()
    if fresh and environment.state.exists():
        provisioner.clear_away(("releases",))
    elif (read_json(environment.state) or {}).get("state") == "failed":
        shutil.rmtree(environment.logs, ignore_errors=True)  # they stayed for the reader until now
    environment.failure.unlink(missing_ok=True)
    with ExitStack() as claims:
        recorded = read_json(environment.state) or {}
        if set(recorded.get("ports") or {}) != set(catalogue.ports):
            claim = ports.claimed(catalogue.ports, workspace.reserved(environment))
            try:
                variables["testbed_port_offset"] = claims.enter_context(claim)
            except ports.NoFreePorts as error:
                raise NotReady(
                    str(error), remedy="end what listens there, or change the ports in services.yml"
                ) from None
        environment.logs.mkdir(mode=0o700, exist_ok=True)
        done = provisioner.play(playbook, **variables)
    if done.status == "successful" and (why := _died(environment)) is not None:
        outcome.failed(environment, failed_task="Look once more", message=why, tags=["supervisor"])
        done = replace(done, status="failed", message=why)
    if done.status != "successful":
        _fail(provisioner, done)
    return done


def _died(environment: Environment) -> str | None:
    """What ended after the playbook had seen all healthy, so that nothing of the environment can run; None when all lives."""
    recorded = read_json(environment.state) or {}
    if recorded.get("kind") != "local" or apply.runs(recorded["supervisor"]):
        return None
    return "supervisord ended while the environment was provisioned"


def _fail(provisioner: Provisioner, done: Outcome) -> NoReturn:
    """Make sure that a failed or cancelled provisioning left nothing, then raise what it was."""
    environment = provisioner.environment
    failure, left = read_json(environment.failure), None
    if done.status == "cancelled":
        provisioner.end_services()
    if done.status == "cancelled" or failure is None or not failure["rolled_back"]:
        if failure is None and done.status == "failed":
            # Now, while services and logs can be asked; written once there is room for it.
            failure = outcome.failed(
                environment, failed_task=done.failed_task or "-", message=_cause(environment, done.message)
            )
        try:
            replace(provisioner, cancel=never).clear_away(_ROLLBACK_KEEPS)
        except NotReady as error:
            left = error.what
        if failure is not None:
            outcome.write(environment, failure)
        if left is None:
            outcome.rolled_back(environment)
    if (state := read_json(environment.state)) is not None:
        write_json(environment.state, {**state, "state": "failed"})
    gone = left or "its processes, data and secrets are removed"
    if done.status == "cancelled":
        raise Cancelled(f"cancelled; {gone}")
    raise NotReady(
        f"environment '{environment.name}' is not ready; {gone}"
        + explain(failure or read_json(environment.failure) or {}),
        remedy=f"mend that and run testbed up again; {environment.failure} and {environment.logs} stay until then",
    )


def _cause(environment: Environment, message: str | None) -> str:
    """What failed, and that the disk is full where it is: Ansible fails in many strange ways then."""
    said = message or "it failed"
    if shutil.disk_usage(environment.root).free >= _ROOM or os.strerror(errno.ENOSPC) in said:
        return said
    return f"{os.strerror(errno.ENOSPC)} on the file system of {environment.root}; {said}"


def explain(failure: dict[str, Any]) -> str:
    """failure.json as indented lines: each root cause with its last log lines, and what it blocks."""
    lines = []
    for cause in failure.get("root_causes", []):
        lines.append(f"    {cause['service']}: {cause['reason']}")
        lines += [f"        {line}" for line in cause["log"][-5:]]
        lines += [f"      → {cause['remedy']}"] if cause.get("remedy") else []
    for item in failure.get("blocked", []):
        lines.append(f"    {item['service']} could not start because of {', '.join(item['by'])}")
    return "".join(f"\n{line}" for line in lines)
