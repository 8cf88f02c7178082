"""Every generated secret, looked for wherever it must not be: events, logs, artifacts, reports, database, command lines."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runners.environment.host import secrets
from runners.lib import proc
from tests.drills.environment.moments import Share, Watched
from tests.drills.environment.traces import Traces
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed


def whole_life(_: Share, __: random.Random) -> Result:
    """From `up` over a campaign with a fault, its report and a failed `up` to what is left after `down`."""
    testbed = Testbed()
    with finally_do(testbed.close), _Listening() as listening:
        traces, result = Traces(testbed.environment), Result()
        said: dict[str, str] = {}
        known: set[str] = set()
        report = testbed.home.cache / "report"
        with Watched(testbed, "up") as watched:
            code, stderr = watched.end()
            said["events of up"], said["messages of up"] = json.dumps(watched.events), stderr
        if code:
            return Result([f"up: exit {code}: {stderr[-400:]}"])
        known |= set(secrets.values(testbed.environment.secrets))
        state = traces.look() or {}
        for command in (
            ("verify",), ("status",), ("config", "show"), ("run", "drill"), ("report", "last", "-o", str(report)),
            ("results", "show", "last"), ("restart", "redis"), ("logs", "backend"),
        ):  # fmt: skip
            done = testbed.command("--json", *command)
            said[" ".join(command)] = done.stdout + done.stderr
            if done.returncode not in (0, 1, 2):  # verdicts are not what is asked here
                result.wrong.append(f"{command[0]}: exit {done.returncode}: {done.stderr[-300:]}")
        found = _search(said, known, "output of ")
        found += _files(testbed.home.root, known, {testbed.environment.secrets, testbed.environment.data})
        done = testbed.command("--json", "down")
        found += _search({"down": done.stdout + done.stderr}, known, "output of ")
        found += _files(testbed.home.root, known, set())
        listening.end()
        found += _search(listening.command_lines, known, "command line of ")
        result.figures |= {
            "secrets": len(known), "texts": len(said), "command_lines": len(listening.command_lines),
            "files": sum(1 for _ in _regular(testbed.home.root, set())), "hits": len(found), "env": str(state.get("env_id"))[:8],
        }  # fmt: skip
        result.wrong += found
        if len(listening.command_lines) < 20 or len(known) < 20:
            result.wrong.append(f"the search itself is blind: {result.figures}")
        result.wrong += traces.left()
        return result


def _search(texts: dict[str, str], known: set[str], what: str) -> list[str]:
    return [f"{what}{name} has a secret" for name, text in texts.items() if any(value in text for value in known)]


def _files(root: Path, known: set[str], allowed: set[Path]) -> list[str]:
    """Files with a secret in them. allowed: folders where secrets belong; rendered configurations may have one (0600)."""
    values = [value.encode() for value in known]
    wrong = []
    for path in _regular(root, allowed):
        content = path.read_bytes()
        if any(value in content for value in values):
            private = path.stat().st_mode & 0o077 == 0 and path.parent.name == "config"
            if not private:
                wrong.append(f"{path.relative_to(root)} has a secret")
    return wrong


def _regular(root: Path, without: set[Path]) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and not without & set(path.parents):
            yield path


class _Listening:
    """Reads every command line of this machine, again and again: one that was there for some hundredths of a second counts."""

    def __init__(self) -> None:
        self.command_lines: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Listening:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> None:
        """No more is read."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        seen: set[tuple[int, int]] = set()
        while not self._stop.wait(0.02):
            for pid in proc.pids():
                found = proc.stat(pid)
                if found is None or (pid, found.start) in seen:
                    continue
                try:
                    line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if line:
                    self.command_lines[f"{pid} {line[:60]}"] = self.command_lines.get(f"{pid} {line[:60]}", "") + line
                    if found.parent != 0 and proc.age_s(pid) is not None and (proc.age_s(pid) or 0) > 0.5:
                        seen.add((pid, found.start))  # before, it may still become another program by exec


CASES = {"secrets": whole_life}
