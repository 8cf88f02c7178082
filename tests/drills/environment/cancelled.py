"""SIGINT to `testbed up` at a boundary: how long until no process of the playbook and no service is left."""

from __future__ import annotations

import random
import threading
import time

from runners.environment.host import processes
from runners.lib import proc
from runners.playbook.ladder import MARK
from tests.drills.environment.killed import boundaries
from tests.drills.environment.moments import Share, Watched
from tests.drills.environment.traces import AFTER_FAILURE, Traces, job_processes
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed

TRIALS = 20  # spread over all boundaries; the bar is the 95th percentile: nineteen of them hold
WITHIN_S = 2.0
PATIENCE_S = 60.0


def cancel(share: Share, rng: random.Random) -> Result:
    """Processes are gone within two seconds, the exit code is 130, and everything is rolled back."""
    at = share.pick(boundaries() - 1, rng)
    testbed = Testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result(figures={"task": at})
        with Watched(testbed, "up") as watched:
            if watched.boundary(at) is None:
                return Result(["up ended before the boundary"])
            traces.look()
            end = _End(traces)
            begin = time.monotonic()
            watched.interrupt()
            code, said = watched.end()
            result.figures["whole_s"] = round(time.monotonic() - begin, 1)
        result.figures["gone_s"] = round(end.moment() - begin, 2)
        if result.figures["gone_s"] > WITHIN_S:
            result.wrong.append(f"0 processes only after {result.figures['gone_s']} s, {WITHIN_S} s are allowed")
        if code != 130:
            result.wrong.append(f"exit {code}: {said[-300:]}")
        result.wrong += traces.left(AFTER_FAILURE)
        result.wrong += testbed.down() + traces.left()
        return result


class _End(threading.Thread):
    """Notes when the playbook that worked at its creation and all services had ended. The roll-back that follows has
    processes of its own, which are no part of what was cancelled."""

    def __init__(self, traces: Traces) -> None:
        super().__init__(daemon=True)
        marks = {item for pid in job_processes(traces.environment) for item in proc.environ(pid)}
        prefix = f"{MARK}=".encode()
        self._jobs = {item[len(prefix) :].decode() for item in marks if item.startswith(prefix)}
        self._environments = list(traces.states)
        self._ended = float("inf")
        self.start()

    def moment(self) -> float:
        """On the monotonic clock; infinite when something still lives after a minute."""
        self.join(PATIENCE_S + 5)
        return self._ended

    def run(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            job = any(proc.carriers(MARK, value) for value in self._jobs)
            if not job and not any(processes.members(processes.ENV_MARK, value) for value in self._environments):
                self._ended = time.monotonic()
                return
            time.sleep(0.02)


CASES = {"cancel": cancel}
