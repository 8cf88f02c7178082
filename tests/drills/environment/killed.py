"""kill -9 at the boundary of two tasks: of Ansible, of the testbed, of supervisord, of a removal. Then one `testbed down`."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from runners.environment.host.processes import ENV_MARK, members
from runners.lib import proc
from runners.lib.files import read_json
from tests.drills.environment.moments import Share, Watched, tasks_of
from tests.drills.environment.traces import AFTER_FAILURE, Traces, job_processes
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed

REMOVAL_TASKS = 8  # tasks of a removal that do something, about

_boundaries: dict[str, int] = {}


def boundaries() -> int:
    """Of an `up` that nothing disturbs; counted once a call of the drill."""
    if "up" not in _boundaries:
        testbed = Testbed()
        with finally_do(testbed.close):
            _boundaries["up"] = tasks_of(testbed, "up")
    return _boundaries["up"]


def ansible(share: Share, rng: random.Random) -> Result:
    """The playbook dies; the testbed lives: the failure is reported, all is rolled back."""
    at = share.pick(boundaries(), rng)
    testbed = Testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result(figures={"task": at})
        with Watched(testbed, "up") as watched:
            if watched.boundary(at) is None:
                return Result(["up ended before the boundary"])
            traces.look()
            victims = job_processes(testbed.environment)
            for pid in victims:
                proc.kill(pid, signal.SIGKILL)
            result.figures["killed"] = len(victims)
            code, said = watched.end()
        result.figures["exit"] = code
        if code == 0 and victims and at < boundaries() - 1:
            result.wrong.append("the playbook was killed, yet up ended with 0")
        if code:
            failure = read_json(testbed.environment.failure) or {}
            if not failure.get("rolled_back") or not failure.get("root_causes"):
                result.wrong.append(f"no whole failure.json: {failure}")
            result.wrong += [f"after the rollback: {item}" for item in traces.left(AFTER_FAILURE)]
            if "Traceback" in said:
                result.wrong.append(f"a traceback: {said[-400:]}")
        result.wrong += _down(testbed, traces)
        result.wrong += _again(testbed, traces, result, rng)
        return result


def testbed_itself(share: Share, rng: random.Random) -> Result:
    """The command dies, its playbook lives on as an orphan."""
    at = share.pick(boundaries(), rng)
    testbed = Testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result(figures={"task": at})
        with Watched(testbed, "up") as watched:
            watched.boundary(at)
            traces.look()
            watched.process.kill()
            watched.process.wait()
        result.wrong += _down(testbed, traces)
        result.wrong += _again(testbed, traces, result, rng)
        return result


def supervisord(share: Share, rng: random.Random) -> Result:
    """While services are being started: up fails or mends it, and says which."""
    count = boundaries()
    testbed = Testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        with Watched(testbed, "up") as watched:
            at = 0
            while (event := watched.boundary(1)) is not None:
                at += 1
                if event.get("role") == "supervisor" and event.get("outcome") == "changed":
                    break
            extra = rng.randrange(0, max(1, count - at))
            for _ in range(extra):
                if watched.boundary(1) is None:
                    break
            state = traces.look() or {}
            marked = [pid for pid in members(ENV_MARK, str(state.get("env_id"))) if _is_supervisord(pid)]
            for pid in marked:
                proc.kill(pid, signal.SIGKILL)
            code, said = watched.end()
        result.figures |= {"task": at + extra, "killed": len(marked), "exit": code}
        if code == 0 and testbed.status()["state"] == "ready" and marked and extra < count - at - 2:
            result.wrong.append("supervisord was killed, yet up ended with 0 and the environment is called ready")
        if code and "Traceback" in said:
            result.wrong.append(f"a traceback: {said[-400:]}")
        if code:
            result.wrong += [f"after the rollback: {item}" for item in traces.left(AFTER_FAILURE)]
        result.wrong += _down(testbed, traces)
        result.wrong += _again(testbed, traces, result, rng)
        return result


def removal(share: Share, rng: random.Random) -> Result:
    """`down` and its playbook die at a boundary; the next `down` does the rest."""
    testbed = Testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        testbed.ready()
        traces.look()
        at = share.pick(REMOVAL_TASKS, rng)
        with Watched(testbed, "down") as watched:
            reached = watched.boundary(at)
            watched.process.kill()
            for pid in job_processes(testbed.environment):
                proc.kill(pid, signal.SIGKILL)
            watched.process.wait()
        result.figures |= {"task": at, "reached": reached is not None}
        result.wrong += _down(testbed, traces)
        result.wrong += _again(testbed, traces, result, rng)
        return result


def _down(testbed: Testbed, traces: Traces) -> list[str]:
    done = testbed.command("down")
    wrong = [f"down: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else []
    return wrong + [f"after down: {item}" for item in traces.left()]


def _again(testbed: Testbed, traces: Traces, result: Result, rng: random.Random) -> list[str]:
    """One in four trials also brings it up once more, which must work as if nothing had been."""
    if rng.random() >= 0.25:
        return []
    done = testbed.command("up")
    result.figures["again"] = done.returncode
    wrong = [f"a second up: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else []
    traces.look()
    return wrong + _down(testbed, traces)


def _is_supervisord(pid: int) -> bool:
    try:
        return b"runners.environment.host.supervise" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


CASES = {
    "ansible-killed": ansible, "testbed-killed": testbed_itself, "supervisord-killed": supervisord, "down-killed": removal,
}  # fmt: skip
