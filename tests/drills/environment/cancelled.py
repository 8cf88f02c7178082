"""SIGINT to `testbed up` at random boundaries: how long until no process of the playbook and no service is left."""

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

TRIALS = 20
WITHIN_S = 2.0
PATIENCE_S = 60.0


def cancels(_: Share, rng: random.Random) -> Result:
    """p95 over twenty cancels, spread over all boundaries."""
    result = Result()
    times: list[float] = []
    wholes: list[float] = []
    for number in range(1, TRIALS + 1):
        testbed = Testbed()
        with finally_do(testbed.close):
            traces = Traces(testbed.environment)
            at = Share(number, TRIALS).pick(boundaries() - 1, rng)
            with Watched(testbed, "up") as watched:
                if watched.boundary(at) is None:
                    result.wrong.append(f"task {at}: up ended before")
                    continue
                traces.look()
                end = _End(traces)
                begin = time.monotonic()
                watched.interrupt()
                code, said = watched.end()
                wholes.append(round(time.monotonic() - begin, 2))
            times.append(round(end.moment() - begin, 2))
            if code != 130:
                result.wrong.append(f"task {at}: exit {code}: {said[-300:]}")
            result.wrong += [f"task {at}: {item}" for item in traces.left(AFTER_FAILURE)]
            result.wrong += [f"task {at}: {item}" for item in testbed.down() + traces.left()]
    result.figures = {"cancels": len(times), "p50_s": _of(times, 50), "p95_s": _of(times, 95), "max_s": _of(times, 100)}
    result.figures["whole_p50_s"] = _of(wholes, 50)
    if not times or _of(times, 95) > WITHIN_S:
        result.wrong.append(f"p95 of the time to 0 processes is {_of(times, 95)} s, {WITHIN_S} s are allowed")
    return result


def _of(times: list[float], percent: int) -> float:
    """The nearest-rank percentile; infinite when there is none."""
    return sorted(times)[max(0, -(-len(times) * percent // 100) - 1)] if times else float("inf")


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


CASES = {"cancel": cancels}
