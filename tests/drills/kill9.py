"""kill -9 of everything that takes part in a campaign, at random moments of `drill`."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runners.faults import journal
from runners.lib import proc
from runners.lib.files import read_json
from runners.orchestrator.spec import CampaignSpec, load_spec
from tests.drills.framework import Drill, Result, finally_do
from tests.drills.testbed import Testbed
from tests.integration.orchestrator.harness import (
    coordinator_pid,
    endings,
    events_of,
    faults_of_bookkeeping,
    runner_pid,
    shim_pid,
    wait_for,
)

VICTIMS = ("coordinator", "shim", "chaos", "generator", "ingest", "supervisord")
REVERTED_WITHIN_S = 15.0
SECONDS = 12.0  # about as long as drill lasts


def keys(rounds: int) -> list[str]:
    """Each victim so often; after each victim the environment is taken down and looked for leftovers."""
    return [f"{victim}/{number}" for victim in VICTIMS for number in [*range(1, rounds + 1), "down"]]


@contextmanager
def bench() -> Iterator[Kill9]:
    opened = Kill9(Testbed())
    with finally_do(opened.testbed.close):
        yield opened


class Kill9:
    """One environment for all trials of a victim."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self.home = testbed.home
        self.runs = 0

    def trial(self, key: str, rng: random.Random) -> Result:
        victim, _, number = key.partition("/")
        if number == "down":
            self.testbed.ready()
            return Result(self.testbed.down())
        figures: dict[str, Any] = {"up_s": self.testbed.ready()}
        front, spec = self._begin()
        at = self._wait(victim, spec, rng)
        hit = self._kill(victim, spec, rng)
        killed_at = time.time()
        figures |= {"moment_s": round(at, 2), "hit": hit}
        if victim == "coordinator" and rng.random() < 0.5:
            front.kill()
            figures["hit"] = [*hit, "front end"]
        code = self._end(front, spec)
        figures["end_s"] = round(time.time() - killed_at, 1)
        end = read_json(self.home.run(spec.id) / "exit.json") or {}
        figures |= {"verdict": end.get("verdict"), "state": end.get("state")}
        wrong = faults_of_bookkeeping(self.home, spec)
        if code is not None and code != end.get("exit_code"):
            wrong.append(f"the front end ended with {code}, the run with {end.get('exit_code')}")
        wrong += self._wrong_verdict(victim, hit, spec, end)
        wrong += self._wrong_faults(spec, killed_at, figures)
        wrong += self._wrong_audit(spec, victim, figures)
        return Result(wrong, figures)

    def _begin(self) -> tuple[subprocess.Popen[bytes], CampaignSpec]:
        self.runs += 1
        log = self.testbed.root / f"run-{self.runs}.log"
        front = self.testbed.start("--json", "run", "drill", "--on-disconnect", "continue", output=log)
        live = self.home.live

        def found() -> list[str]:
            if front.poll() is not None:
                raise RuntimeError(f"run: {log.read_text()[-600:]}")
            return sorted(path.name for path in live.iterdir()) if live.is_dir() else []

        run = wait_for(found, 30, "the run")[0]
        return front, load_spec(self.home.run(run))

    def _wait(self, victim: str, spec: CampaignSpec, rng: random.Random) -> float:
        """Until a random moment of the victim's life; seconds since the run began."""
        begin = time.monotonic()
        crash, telemetry = spec.stage("crash").runs[0], spec.stage("telemetry").runs[0]

        def sending() -> bool:
            return any(event["type"] == "phase" for event in events_of(self.home, telemetry))

        moments: dict[str, tuple[Callable[[], Any], float]] = {
            "coordinator": (lambda: coordinator_pid(self.home, spec.id), SECONDS),
            "shim": (lambda: shim_pid(self.home, telemetry), SECONDS - 1),
            "chaos": (lambda: runner_pid(self.home, crash), 3.0),
            "generator": (sending, 8.0),
            "ingest": (sending, 8.0),
            "supervisord": (sending, 8.0),
        }
        alive, span = moments[victim]
        wait_for(alive, 30, f"the {victim}")
        time.sleep(rng.uniform(0, span))  # the moment is the random variable of this experiment
        return time.monotonic() - begin

    def _kill(self, victim: str, spec: CampaignSpec, rng: random.Random) -> list[str]:
        """Names of what was killed: processes, or stages for those that belong to one."""
        crash, telemetry = spec.stage("crash").runs[0], spec.stage("telemetry").runs[0]
        if victim == "coordinator":
            return ["coordinator"] if _kill(coordinator_pid(self.home, spec.id)) else []
        if victim == "shim":
            live = [stage for stage in spec.stages if shim_pid(self.home, stage.runs[0])]
            chosen = rng.choice(live) if live else None
            return [chosen.name] if chosen and _kill(shim_pid(self.home, chosen.runs[0])) else []
        if victim == "chaos":
            victims = [runner_pid(self.home, crash), *proc.carriers(proc.WATCHDOG_MARK, crash)]
            return ["crash"] if any([_kill(pid) for pid in victims]) else []  # noqa: C419  (all of them)
        if victim == "generator":
            return ["telemetry"] if _kill(runner_pid(self.home, telemetry)) else []
        state = read_json(self.testbed.environment.state) or {}
        if victim == "supervisord":
            return ["supervisord"] if _kill(state["supervisor"]["pid"]) else []
        services = {item["name"]: item["pid"] for item in self.testbed.status()["services"]}
        return ["ingest"] if _kill(services["ingest"]) else []

    def _end(self, front: subprocess.Popen[bytes], spec: CampaignSpec) -> int | None:
        """The next command, then the end of the run; the exit code of the first front end, if that lived."""
        self.testbed.command("--json", "status")
        code: int | None = front.wait(400)
        if code is not None and code < 0:
            code = self.testbed.command("attach", spec.id).returncode
        return code

    def _wrong_verdict(self, victim: str, hit: list[str], spec: CampaignSpec, end: dict[str, Any]) -> list[str]:
        wrong = []
        ended = endings(self.home, spec.id)
        gates = [event["verdict"] for event in events_of(self.home, spec.id) if event["type"] == "gate"]
        verdicts = [verdict for _, verdict in ended.values()] + gates
        want = "failed" if "failed" in verdicts else "invalid" if set(verdicts) != {"passed"} else "passed"
        if (end.get("state"), end.get("verdict")) != ("finished", want):
            wrong.append(f"{end.get('state')} {end.get('verdict')}, though {ended} and gates {gates}")
        if victim in ("shim", "chaos", "generator"):
            for stage in hit:
                if ended.get(stage) != ("lost", "invalid") and not self._had_finished(spec, stage):
                    wrong.append(f"{stage} was hit, yet {ended.get(stage)}")
        if victim == "coordinator" or not hit:
            odd = {name: item for name, item in ended.items() if item[0] not in ("finished", "skipped")}
            if odd or (want != "passed" and "skipped" not in [state for state, _ in ended.values()]):
                wrong.append(f"only the coordinator was hit, yet {ended}")
        if victim == "supervisord" and hit and ended["telemetry"][1] == "passed" and want == "passed":
            acked_after = "the platform was gone, yet everything passed"
            wrong.append(acked_after)
        return wrong

    def _had_finished(self, spec: CampaignSpec, stage: str) -> bool:
        """Its last word was already written when the kill came."""
        types = [event["type"] for event in events_of(self.home, spec.stage(stage).runs[0])]
        return "run.finished" in types

    def _wrong_faults(self, spec: CampaignSpec, killed_at: float, figures: dict[str, Any]) -> list[str]:
        wrong = []
        for record in journal.entries(self.testbed.environment.journal, spec.stage("crash").runs[0]):
            if record.state != "REVERTED":
                wrong.append(f"fault {record.fault} is {record.state}: {record.reason}")
                continue
            after = (record.reverted_at or 0) - max(killed_at, record.injected_at or 0)
            figures |= {"reverted_by": record.by, "reverted_after_s": round(after, 2)}
            if after > REVERTED_WITHIN_S:
                wrong.append(f"fault {record.fault} was reverted only after {after:.1f} s")
        return wrong

    def _wrong_audit(self, spec: CampaignSpec, victim: str, figures: dict[str, Any]) -> list[str]:
        """What the generator was told was stored can be read back exactly once, whoever died."""
        if victim in ("supervisord", "ingest"):
            figures["again_s"] = self.testbed.ready()
        ledger = self.home.run(spec.stage("telemetry").runs[0]) / "artifacts" / "ledger"
        if not any(path.stat().st_size for path in ledger.rglob("*") if path.is_file()):
            figures["acked"] = 0  # killed before it sent anything
            return []
        found = self.testbed.audit(spec.id)
        signals = found.get("signals") or {}
        figures["acked"] = sum(item["acked"] for item in signals.values())
        return [
            f"audit of {signal}: {key} {item[key]}"
            for signal, item in signals.items()
            for key in ("lost", "duplicated", "duplicated_by_retry", "leaked", "corrupt", "forged")
            if item[key]
        ] + ([] if signals else ["no audit"])


def _kill(pid: int | None) -> bool:
    found = proc.stat(pid) if pid else None
    if pid is None or found is None or not found.alive:
        return False
    proc.kill(pid, signal.SIGKILL)
    return True


DRILL = Drill(
    "kill9", "kill -9 of coordinator, shim, chaos runner with watchdog, generator, ingest, supervisord", 5, keys, bench
)
