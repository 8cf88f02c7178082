"""supervisord of an environment: started when it does not run, told of a changed configuration when it does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.environment.host.impact import tail
from runners.environment.host.known import section_hash, started_with
from runners.environment.host.processes import ENV_MARK
from runners.environment.host.supervisor import Control, Unreachable
from runners.lib import proc
from runners.lib.text import one_line

PATIENCE_S = 20.0
APPLY_TIMEOUT_S = 40.0  # more than any program's patience for its orderly stop


class DidNotStart(Exception):
    """supervisord ended, or did not answer in time."""


@dataclass(frozen=True)
class Applied:
    """pid and start name this very process; programs: those that are new, changed or gone."""

    pid: int
    start: int
    started: bool
    programs: list[str]


def apply(facts: Mapping[str, Any], configuration: Path, log: Path, env_id: str) -> Applied:
    """facts: how to reach it. Raises DidNotStart."""
    control = Control(facts, timeout_s=APPLY_TIMEOUT_S)
    try:
        pid = control.pid()
        found = proc.stat(pid)
        if found is None:
            raise Unreachable("it just ended")
        programs = control.apply()
        return Applied(
            pid, found.start, False, [*programs, *_stop_outdated(control, configuration.parent / "programs")]
        )
    except Unreachable:
        return _start(control, configuration, log, env_id)


def _stop_outdated(control: Control, sections: Path) -> list[str]:
    """Stop what was started with another configuration than the provisioned one: somebody edited it, and took it back or
    had it mended since. Whoever starts services next starts them with the right one."""
    stopped = []
    for name, process in control.processes().items():
        knows, should = started_with(process.pid) if process.alive else None, section_hash(sections / f"{name}.conf")
        if knows and should and knows != should:
            control.stop(name)
            stopped.append(name)
    return stopped


def runs(facts: Mapping[str, Any]) -> bool:
    """Does supervisord answer?"""
    try:
        return bool(Control(facts).pid())
    except Unreachable:
        return False


def _start(control: Control, configuration: Path, log: Path, env_id: str) -> Applied:
    # It says why it gives up there alone ("Another program is already listening on a port …"); a file without a name, so
    # that nothing is left of it and nobody must read on.
    last_words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as supervisord
    process = subprocess.Popen(
        [sys.executable, "-m", "runners.environment.host.supervise", "-n", "-c", str(configuration)],
        env=environment(os.environ, env_id), cwd="/", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=last_words,
    )  # fmt: skip
    found = proc.stat(process.pid)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if control.pid() == process.pid and found is not None:
                process.returncode = 0  # it is nobody's child from here on: never waited for, never a zombie of ours
                return Applied(process.pid, found.start, True, [])
            raise DidNotStart("another supervisord answers on its port")
        except Unreachable as error:
            if process.poll() is not None:
                last_words.seek(0)
                why = one_line(last_words.read(), 400) or " · ".join(tail(log, 3)) or "it left no log"
                raise DidNotStart(f"supervisord ended with exit code {process.returncode}: {why}") from None
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise DidNotStart(f"supervisord does not answer: {error}") from None
            time.sleep(0.05)


def environment(inherited: Mapping[str, str], env_id: str) -> dict[str, str]:
    """What services inherit: a search path, a locale and the mark; no proxy, no secret, no mark of a run."""
    kept = {name: inherited[name] for name in ("PATH", "HOME", "TZ", "LD_LIBRARY_PATH") if name in inherited}
    return kept | {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", ENV_MARK: env_id}
