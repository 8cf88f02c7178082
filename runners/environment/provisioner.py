"""Playbooks on one environment: where they run, what they are told, who hears of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runners.config import lookup
from runners.environment.host import processes, removal, secrets
from runners.environment.recollect import recollect
from runners.environment.remote import ssh
from runners.lib import proc
from runners.lib.errors import Cancelled, NotReady, UsageError
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.playbook.job import OnEvent, Outcome, run
from runners.playbook.mask import Mask

Playbook = Literal["provision", "teardown", "drift", "reset", "rollback", "verify", "testing"]

_LOOKING = ("drift", "verify")
_LOGGED = ("provision", "reset", "rollback")


def ignore(_event: dict[str, Any]) -> None:
    """Nobody listens."""


def never() -> int:
    """Nobody cancels."""
    return 0


def folder_of(home: Home, name: str) -> Environment:
    """The environment of this name, which is a folder's name. Raises UsageError."""
    if not name or name in (".", "..") or os.sep in name or "\0" in name:
        raise UsageError(f"'{name}' is not the name of an environment", remedy="a path goes to --inventory")
    return home.env(name)


@dataclass(frozen=True)
class Provisioner:
    """place: the inventory's folder; cancel: how often the user has asked for it; asked several times a second; remote: the
    environment lies on another host, and its folder here is the copy."""

    environment: Environment
    place: Path
    on_event: OnEvent = ignore
    cancel: Callable[[], int] = never
    remote: bool = False

    @property
    def _job(self) -> Path:
        return self.environment.root / "job"

    @property
    def _look(self) -> Path:
        """For playbooks that only look: they may run beside another, which owns `job`. Named after this very process."""
        found = proc.stat(os.getpid())
        return self.environment.root / f"look-{os.getpid()}-{found.start if found else 0}"

    def play(self, playbook: Playbook, **variables: Any) -> Outcome:
        """Run it to its end; variables are never secrets. That it cannot even begin (a full disk) is a failure like others."""
        try:
            return self._play(playbook, variables)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return Outcome("failed", failed_task=f"begin {playbook}", message=f"{where}{error.strerror or error}")

    def _play(self, playbook: Playbook, variables: dict[str, Any]) -> Outcome:
        if not self.remote:
            return self._run(playbook, {"testbed_environment": str(self.environment.root), **variables})
        where = {"testbed_copy": str(self.environment.root), "testbed_name": self.environment.name}
        with ssh.reaching(self.environment.root) as environ:
            return self._run(playbook, {**where, **variables}, environ)

    def _run(self, playbook: Playbook, variables: dict[str, Any], environ: Mapping[str, str] | None = None) -> Outcome:
        folder = self.environment.secrets
        return run(
            lookup.playbooks() / f"{playbook}.yml", self.place,
            self._look if playbook in _LOOKING else self._job,
            variables=variables, environ=environ, on_event=self.on_event, cancel=self.cancel,
            mask=Mask(lambda: secrets.values(folder), lambda: _version(folder)),
            log=self.environment.logs / "provision.log" if playbook in _LOGGED else None,
        )  # fmt: skip

    def clear_away(self, keep: tuple[str, ...] = ()) -> None:
        """The teardown as a part of something larger. Raises NotReady, Cancelled."""
        stay = "data" in keep
        what = "processes and configuration; data and secrets stay" if stay else "processes, data and secrets"
        self.on_event({"type": "phase", "name": "removal", "message": f"removing {what}"})
        done = self.play("teardown", testbed_keep=list(keep))
        if done.status == "cancelled":
            raise Cancelled(
                f"cancelled while environment '{self.environment.name}' was being removed",
                remedy=f"remove the rest with: testbed down {self.environment.name}",
            )
        if done.status == "failed":
            self._clear_by_hand(done, keep)

    def _clear_by_hand(self, done: Outcome, keep: tuple[str, ...]) -> None:
        """Where the playbook failed (a full disk, another user's files), processes and files go without it."""
        if (read_json(self.environment.state) or {}).get("kind", "local") != "local":
            raise self._cannot_be_removed(f"'{done.failed_task}' says {done.message}")
        self.forget(f"the playbook failed: {done.message}", keep)

    def forget(self, why: str, keep: tuple[str, ...] = ()) -> None:
        """Remove processes and files without a playbook. Raises NotReady, naming what cannot be removed."""
        self.on_event({"type": "phase", "name": "removal", "message": f"{why}; removing without Ansible"})
        try:
            state = read_json(self.environment.state) or recollect(self.environment) or {}
            stuck = removal.by_hand(self.environment, state, keep)
        except TimeoutError as error:
            stuck = [str(error)]
        if stuck:
            more = f" and {len(stuck) - 3} more" if len(stuck) > 3 else ""
            raise self._cannot_be_removed("; ".join(stuck[:3]) + more)

    def _cannot_be_removed(self, why: str) -> NotReady:
        name = self.environment.name
        return NotReady(
            f"environment '{name}' cannot be removed: {why}", remedy=f"mend that, then run: testbed down {name}"
        )

    def end_leftover(self, *, lookers: bool = False) -> None:
        """Kill the playbooks of a testbed that was itself killed: one would go on provisioning, others go on looking. With
        lookers also those whose testbed lives: what they look at goes.

        Only the holder of the lease may do this. Their processes are told by their temporary folder.
        """
        looks = [path for path in self.environment.root.glob("look-*") if lookers or not _lives(path.name)]
        for folder in (self._job, *looks):
            mark = str(folder / "tmp")
            for pid, start in processes.members("TMPDIR", mark).items():
                proc.kill_exact(pid, start, signal.SIGKILL)
            processes.end_all("TMPDIR", mark)
        for folder in looks:
            shutil.rmtree(folder, ignore_errors=True)

    def end_services(self) -> None:
        """Kill the processes at once, their data being about to go: whoever cancels does not wait for an orderly end."""
        state = read_json(self.environment.state) or {}
        if state.get("kind", "local") == "local" and state.get("env_id"):
            with contextlib.suppress(TimeoutError):  # the removal that follows tells of it
                processes.end_all(processes.ENV_MARK, str(state["env_id"]))

    def settle_faults(self) -> None:
        """Revert the faults whose watchdog is dead, and those that a playbook injected, before their journal goes."""
        from runners.faults.hold import RUN_PREFIX
        from runners.faults.journal import open_entries
        from runners.faults.recover import recover, settle

        journal = self.environment.journal
        held = [record for record in open_entries(journal) if record.run.startswith(RUN_PREFIX)]
        settled = [settle(journal, record, "recover") for record in held if record.state != "FAILED"]
        for fault in [*settled, *recover(self.environment, failed=True)]:
            self.on_event(
                {
                    "type": "phase",
                    "name": "faults",
                    "message": f"{fault.fault} on {fault.target}: {fault.state.lower()}",
                }
            )


def _lives(look: str) -> bool:
    """Does the process live that a folder of this name (look-PID-START) belongs to?"""
    numbers = look.split("-")[1:]
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return False
    found = proc.stat(int(numbers[0]))
    return found is not None and found.alive and found.start == int(numbers[1])


def _version(folder: Path) -> object:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None
