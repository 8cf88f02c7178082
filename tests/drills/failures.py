"""A service that cannot come up is the root cause that `testbed up` names, alone and in pairs; nothing of the attempt is left.

Its port is taken, which stops any server without a change to any file: bound but not listening, so that who asks is refused
at once.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from runners.config.lookup import PROJECT
from runners.environment import inventory
from runners.environment.host import keycloak, processes
from runners.environment.host.binaries import server
from runners.environment.host.impact import with_requirements
from runners.lib.files import read_json
from tests.drills.framework import Drill, Result, finally_do
from tests.drills.testbed import KEPT_AFTER_DOWN, Testbed

LATE = {"backend", "ingest", "web", "keycloak"}  # started when the rest is healthy: see playbooks/provision.yml
PAIRS = (
    ("postgres", "redis"), ("postgres", "backend"), ("ingest", "web"), ("backend", "ingest"), ("prometheus", "loki"),
    ("redis", "alertmanager"),
)  # fmt: skip


def _services() -> list[str]:
    catalogue = inventory.load(PROJECT / "inventories" / "local").catalogue
    assert catalogue is not None
    return list(catalogue.testbed_services)


def _keys(rounds: int) -> list[str]:
    cases = [*_services(), *("+".join(pair) for pair in PAIRS)]
    return [f"{case}/{number}" for case in cases for number in range(rounds)]


class _Bench:
    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        real = server(["loki"]) is not None or server(["tempo"]) is not None
        self._options = [*(["--set", "stores=real"] if real else []),
                         *(["--set", "identity=keycloak"] if keycloak.find() is not None else [])]  # fmt: skip

    @property
    def _state(self) -> dict[str, Any]:
        return dict(read_json(self._testbed.environment.state) or {})

    def trial(self, key: str, _rng: random.Random) -> Result:
        broken = key.partition("/")[0].split("+")
        if not self._state.get("ports"):
            self._testbed.ready(*self._options)
        if self._state["state"] == "ready":
            self._testbed.command("down", "--keep-data")
        there = {service["name"]: tuple(service["requires"]) for service in self._state["services"]}
        if absent := set(broken) - set(there):
            return Result(figures={"skipped": f"no {', '.join(sorted(absent))} on this machine"})
        with ExitStack() as taken:
            for name in broken:
                taken.enter_context(_bound(self._state["ports"][name]))
            began = time.monotonic()
            done = self._testbed.command("up", "--json", *self._options)
            seconds = time.monotonic() - began
        return Result(list(self._wrong(done.returncode, done.stdout, set(broken), there)), {"up_s": round(seconds, 1)})

    def _wrong(self, code: int, output: str, broken: set[str], requires: dict[str, tuple[str, ...]]) -> Iterator[str]:
        failure = read_json(self._testbed.environment.failure)
        if code != 2 or failure is None:
            yield f"exit code {code}, failure.json {'is there' if failure else 'is not there'}"
            return
        first = broken - LATE or broken
        expected = {name for name in first if not first & set(with_requirements(requires, [name])) - {name}}
        named = {cause["service"] for cause in failure["root_causes"]}
        if named != expected:
            yield f"root causes {sorted(named)}, expected {sorted(expected)}"
        if silent := [cause["service"] for cause in failure["root_causes"] if not cause["log"] or not cause["reason"]]:
            yield f"no reason or no last lines of {silent}"
        blocked = {item["service"] for item in failure["blocked"]}
        behind = {name for name in requires if set(with_requirements(requires, [name])) & expected} - expected
        if not behind <= blocked:
            yield f"not named as blocked: {sorted(behind - blocked)}"
        if blocked & set(failure["healthy"]) or named & set(failure["healthy"]):
            yield "a service is healthy and not"
        if not failure["rolled_back"] or processes.members(processes.ENV_MARK, self._state["env_id"]):
            yield "it is not rolled back"
        last = json.loads(output.splitlines()[-1])
        if last["state"] != "failed" or last["failure"]["root_causes"] != failure["root_causes"]:
            yield "the last event says something else"


@contextlib.contextmanager
def _bound(port: int) -> Iterator[None]:
    deadline = time.monotonic() + 10
    with socket.socket() as holder:
        while True:
            try:
                holder.bind(("127.0.0.1", port))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def _open() -> Iterator[_Bench]:
    testbed = Testbed()
    with finally_do(lambda: _close(testbed)):
        yield _Bench(testbed)


def _close(testbed: Testbed) -> None:
    testbed.command("down", "--force")
    left = {path.name for path in testbed.environment.root.iterdir()} - KEPT_AFTER_DOWN
    shutil.rmtree(testbed.root, ignore_errors=True)
    assert not left, f"left after down: {sorted(left)}"


DRILL = Drill(
    "failures", "each service that cannot start is named as the root cause, alone and in pairs", 1, _keys, _open
)
