"""Run one playbook with ansible-runner and stream what happens as event dictionaries."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runners.playbook.ladder import GRACE_S, MARK, Ladder
from runners.playbook.mask import NOTHING, Mask

Status = Literal["successful", "failed", "cancelled"]
OnEvent = Callable[[dict[str, Any]], None]

POLL_S = 0.25
# Action plugins that work inside ansible-playbook; every other action executes a module, which is what costs.
_IN_PROCESS = {
    "set_fact",
    "debug",
    "fail",
    "assert",
    "meta",
    "validate_argument_spec",
    "include_tasks",
    "testbed_render",
    "testbed_release",
    "include_vars",
}
_OUTCOMES = {
    "runner_on_ok": "ok", "runner_on_failed": "failed", "runner_on_skipped": "skipped",
    "runner_on_unreachable": "failed",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a playbook ended. changed: tasks that changed something; modules: module executions; message: of the failure;
    drift: what tasks found otherwise than it should be, in check mode."""

    status: Status
    changed: int = 0
    modules: int = 0
    failed_task: str | None = None
    message: str | None = None
    drift: tuple[dict[str, Any], ...] = ()


def run(
    playbook: Path,
    inventory: Path,
    folder: Path,
    *,
    variables: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    on_event: OnEvent,
    cancel: Callable[[], int] = lambda: 0,
    grace_s: float = GRACE_S,
    mask: Mask = NOTHING,
    log: Path | None = None,
) -> Outcome:
    """Run it to its end. folder: for the run's own files, temporary ones included; removed at the end.

    variables end up in a file and in the process list: never a secret. environ: added to the environment of Ansible.
    on_event gets `{type: "task", role, task, outcome, duration_ms, message?}` for every task that did something. log: where
    Ansible's own (masked) output is appended.
    """
    import ansible_runner

    job = uuid.uuid4().hex
    ladder = Ladder(job, cancel, grace_s=grace_s)
    reader = _Reader(on_event, mask, log)
    temporary = folder / "tmp"
    shutil.rmtree(folder, ignore_errors=True)
    temporary.mkdir(mode=0o700, parents=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(playbook.parent / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(temporary), "ANSIBLE_REMOTE_TEMP": str(temporary), "TMPDIR": str(temporary),
        MARK: job, **(environ or {}),
    }  # fmt: skip
    try:
        result = ansible_runner.run(
            private_data_dir=str(folder), project_dir=str(playbook.parent), playbook=str(playbook),
            inventory=str(inventory), extravars=dict(variables), envvars=environment, ident="job", quiet=True,
            settings={"pexpect_timeout": POLL_S, "suppress_ansible_output": True}, event_handler=reader.take,
            cancel_callback=ladder.poll,
        )  # fmt: skip
    finally:
        ladder.sweep()
        shutil.rmtree(folder, ignore_errors=True)
    if ladder.cancelled:
        return reader.outcome("cancelled")
    return reader.outcome("successful" if result.status == "successful" else "failed")


class _Reader:
    """Turns ansible-runner's events into ours, and remembers what the outcome needs."""

    def __init__(self, on_event: OnEvent, mask: Mask, log: Path | None) -> None:
        self._on_event, self._mask, self._log = on_event, mask, log
        self._changed = self._modules = 0
        self._failure: tuple[str | None, str | None] = (None, None)
        self._drift: list[dict[str, Any]] = []
        self._last_line = self._error = ""

    def take(self, event: Mapping[str, Any]) -> bool:
        """The event handler: False, so that ansible-runner keeps no file of it."""
        text = str(event.get("stdout") or "")
        if text:
            lines = text.strip().splitlines() or [""]
            self._last_line = lines[-1]
            self._error = self._error or next((line for line in lines if "ERROR" in line[:8]), "")
            if self._log is not None:
                _append(self._log, self._mask.text(text) + "\n")
        if (outcome := _OUTCOMES.get(str(event.get("event")))) is not None:
            self._task(dict(event.get("event_data") or {}), outcome)
        return False

    def outcome(self, status: Status) -> Outcome:
        task, message = self._failure
        if status == "failed" and message is None:  # a playbook that cannot even be read
            message = self._mask.text(self._error or self._last_line) or "ansible-playbook failed"
        return Outcome(status, self._changed, self._modules, task, message, tuple(self._drift))

    def _task(self, data: Mapping[str, Any], outcome: str) -> None:
        result = data.get("res") or {}
        action = str(data.get("resolved_action") or data.get("task_action") or "").rsplit(".", 1)[-1]
        if outcome != "skipped" and action not in _IN_PROCESS:
            self._modules += 1
        self._drift += self._mask.value(result.get("drift") or [])
        if outcome == "ok" and result.get("changed"):
            outcome = "changed"
            self._changed += 1
        name = str(data.get("task") or "")
        event: dict[str, Any] = {
            "type": "task", "role": data.get("role"), "task": self._mask.text(name), "outcome": outcome,
            "duration_ms": round(1000 * float(data.get("duration") or 0)),
        }  # fmt: skip
        if outcome == "failed":
            event["message"] = self._mask.text(str(result.get("msg") or "it failed"))
            self._failure = (event["task"], event["message"])
        if action != "validate_argument_spec" or outcome == "failed":
            self._on_event(event)


def _append(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "a") as file:
        file.write(text)
