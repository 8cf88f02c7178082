"""Every item is accounted for, whatever befalls the ingest, the way to it, the generator and its disk.

A run of `production-day` against a real environment. It is hurt at random moments, taken up again where it was cut short,
and audited. What must hold: everything planned was acknowledged in the end and is there exactly once; what a target without
idempotency has twice is explained by a retry. With the embedded store, and with Loki, Tempo and Prometheus where they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.datagen.auditing import scenario_of
from runners.datagen.plan import count
from runners.ledger.attempt import Outcome
from runners.ledger.find import find_ledger, ledgers
from runners.ledger.header import read_header
from runners.ledger.reader import fates, read_attempts
from runners.lib import proc
from runners.lib.errors import TestbedError
from tests.drills.dependencies import real_stores
from tests.drills.framework import Drill, Result, finally_do
from tests.drills.testbed import Testbed
from tests.integration.orchestrator.harness import runner_pid, wait_for
from tests.wayward import Front, Mode, front

SCENARIO = "production-day"
LONG_S, SHORT_S = 60, 20
AWAY_S, PAUSED_S = 5.0, 10.0
_ROOM = "64m"
_AUDIT_S = 900.0  # Tempo gives a trace at a time
Kill = tuple[str, float]
"""(of what moment, as a share of the run's time). slice: as soon as a request is under way."""


@dataclass(frozen=True)
class Case:
    """What befalls a run. lasts_s: its scenario's; kills: of the generator, each followed by a resume; ingest: how often that
    is killed; way: how its front misbehaves, for 5 s or all the time; act: something else, once, at a random moment."""

    lasts_s: int = SHORT_S
    kills: tuple[Kill, ...] = ()
    ingest: int = 0
    way: tuple[Mode, ...] = ()
    always: bool = False
    shards: int = 1
    act: Callable[[Run, random.Random], None] | None = None


@dataclass
class Run:
    """A run as it goes on. code: how the last command ended; said: what it printed."""

    testbed: Testbed
    case: Case
    sink: str
    began: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    log: Path = Path()
    said: str = ""
    codes: list[int] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    older: set[Path] = field(default_factory=set)

    def start(self, *arguments: str) -> None:
        runs = self.testbed.home.runs
        self.known = {path.name for path in runs.glob("*")}
        if self.process is None:
            self.older = {one.folder for one in ledgers(runs)}
        self.log = self.testbed.root / f"command-{time.monotonic_ns()}.log"
        self.process = self.testbed.start(*arguments, output=self.log)
        self.began = self.began or time.monotonic()

    def end(self) -> int:
        assert self.process is not None
        self.codes.append(self.process.wait(self.case.lasts_s + 240))
        self.said = self.log.read_text()
        return self.codes[-1]

    def generator(self) -> int:
        """The process of the suite; raises AssertionError when it does not come within 30 s, or has gone."""
        home = self.testbed.home

        def found() -> int | None:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the command ended: {self.log.read_text()[-400:]}")
            new = [path.name for path in home.runs.glob("*") if path.name not in self.known]
            return next((pid for run in new if (pid := runner_pid(home, run))), None)

        return int(wait_for(found, 30, "the generator"))

    def ledger(self) -> Path:
        """Raises AssertionError while there is none."""
        found = find_ledger(self.testbed.home.runs, "last")
        assert found not in self.older, "there is no ledger of this run"
        return found

    def wait_until(self, moment_s: float) -> None:
        """Seconds of the scenario."""
        while (left := self.began + moment_s - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def under_way(self) -> bool:
        """Is a request of it without an answer just now?"""
        with contextlib.suppress(AssertionError, TestbedError, ValueError):  # no ledger yet, no row yet
            *_, (_, settled) = read_attempts(self.ledger())
            return settled.outcome is Outcome.UNKNOWN
        return False


def _first_row(run: Run) -> bool:
    with contextlib.suppress(AssertionError, TestbedError):
        return any(True for _ in read_attempts(run.ledger()))
    return False


def _kill_generator(run: Run, kill: Kill) -> None:
    when, share = kill
    if when == "first":
        wait_for(lambda: _first_row(run), 30, "the first request")
    run.wait_until(share * run.case.lasts_s)
    pid = run.generator()
    if when == "slice":
        wait_for(run.under_way, 10, "a request under way")
    os.kill(pid, signal.SIGKILL)
    code = run.end()
    if code != 2:
        raise AssertionError(f"the killed run ended with {code}, not 2: {run.said[-400:]}")
    open_ = sum(fate.outcome is Outcome.UNKNOWN for fate in fates(read_attempts(run.ledger())).values())
    run.notes.setdefault("unknown_at_kill", []).append(open_)
    run.start("data", "resume", "last")


def _kill_shard(run: Run, rng: random.Random) -> None:
    """One of the two processes: a further one is a child of the run's own."""
    run.wait_until(rng.uniform(0.2, 0.8) * run.case.lasts_s)
    main = run.generator()
    child = next(pid for pid in proc.pids() if (found := proc.stat(pid)) is not None and found.parent == main)
    os.kill(child, signal.SIGKILL)
    if run.end() == 0:
        raise AssertionError("a shard was killed, yet the run passed")
    run.start("data", "resume", "last")


def _interrupt(run: Run, rng: random.Random) -> None:
    """Ctrl-C: an orderly end. What was sent by then is proved, then the run is taken up again."""
    run.wait_until(rng.uniform(0.2, 0.8) * run.case.lasts_s)
    assert run.process is not None
    run.generator()
    began = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    if (code := run.end()) != 130:
        raise AssertionError(f"an interrupted run ended with {code}, not 130: {run.said[-400:]}")
    run.notes["end_s"] = round(time.monotonic() - began, 1)
    done = run.testbed.command("--json", "data", "audit", "last", timeout=_AUDIT_S)
    if done.returncode:
        raise AssertionError(f"what was sent by then: {done.stdout[-600:]} {done.stderr[-200:]}")
    run.start("data", "resume", "last")


def _terminate(run: Run, rng: random.Random) -> None:
    """SIGTERM of the generator itself, as a machine that shuts down sends it."""
    run.wait_until(rng.uniform(0.2, 0.8) * run.case.lasts_s)
    os.kill(run.generator(), signal.SIGTERM)
    run.end()
    done = run.testbed.command("--json", "data", "audit", "last", timeout=_AUDIT_S)
    if done.returncode:
        raise AssertionError(f"what was sent by then: {done.stdout[-600:]} {done.stderr[-200:]}")
    run.start("data", "resume", "last")


def _pause(run: Run, rng: random.Random) -> None:
    run.wait_until(rng.uniform(0.1, 0.7) * run.case.lasts_s)
    pid = run.generator()
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(PAUSED_S)
    finally:
        os.kill(pid, signal.SIGCONT)


def _fill_disk(run: Run, rng: random.Random) -> None:
    """All that is left of the ledger's file system is taken for a while."""
    run.wait_until(rng.uniform(0.2, 0.7) * run.case.lasts_s)
    ballast = run.testbed.home.runs / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    code = run.end()
    run.notes["said"] = " ".join(run.said.split())[-160:]
    if code != 2:
        raise AssertionError(f"with a full disk the run ended with {code}, not 2: {run.said[-400:]}")
    if "disk is full" not in run.said and "No space left" not in run.said:
        raise AssertionError(f"the message does not say what it is: {run.said[-400:]}")
    ballast.unlink()
    run.start("data", "resume", "last")


CASES: dict[str, Case] = {
    "calm": Case(LONG_S),
    "killed first": Case(LONG_S, kills=(("first", 0.02),), ingest=3, way=("unavailable",)),
    "killed in a slice": Case(LONG_S, kills=(("slice", 0.5),), ingest=3, way=("unavailable",)),
    "killed at the end": Case(LONG_S, kills=(("end", 0.99),), ingest=3, way=("unavailable",)),
    "killed twice": Case(LONG_S, kills=(("any", 0.3), ("any", 0.6)), ingest=3, way=("unavailable",)),
    "shard killed": Case(shards=2, act=_kill_shard),
    "interrupted": Case(act=_interrupt),
    "terminated": Case(act=_terminate),
    "paused": Case(act=_pause),
    "disk full": Case(act=_fill_disk),
    "cut": Case(way=("cut", "halved")),
    "unanswered": Case(way=("unanswered",)),
    "slow": Case(way=("slow",), always=True),
    "throttled": Case(way=("throttled",)),
}
REAL = ("calm", "killed in a slice", "killed twice", "unanswered")


def keys(rounds: int) -> list[str]:
    found = [f"{name}/{number}" for name in CASES for number in range(1, rounds + 1)]
    return found + (
        [f"real: {name}/{number}" for name in REAL for number in range(1, rounds + 1)] if real_stores() else []
    )


class Telemetry:
    """One environment for the embedded store, one for the real ones; each begins when it is needed."""

    def __init__(self) -> None:
        self._embedded, self._real = Testbed(), Testbed(name="real")

    def close(self) -> None:
        for one in (self._embedded, self._real):
            one.close()

    def trial(self, key: str, rng: random.Random) -> Result:
        name, _, _ = key.partition("/")
        testbed, case = self._embedded, CASES[name.removeprefix("real: ")]
        if name.startswith("real: "):
            testbed = self._real
            if testbed.status()["state"] != "ready":
                testbed.ready("--set", "stores=real")
        else:
            testbed.ready()
        with contextlib.ExitStack() as stack:
            if case.act is _fill_disk:
                if os.geteuid() != 0:
                    return Result(figures={"skipped": "needs root, to mount a small file system"})
                stack.enter_context(_small_disk(testbed.home.runs))
            port = int(next(one["port"] for one in testbed.status()["services"] if one["name"] == "ingest"))
            way = stack.enter_context(front(port))
            return _trial(Run(testbed, case, way.url if case.way else "platform:"), way, rng)


def _trial(run: Run, way: Front, rng: random.Random) -> Result:
    result, case, over = Result(), run.case, threading.Event()
    shards = ("--shards", str(case.shards)) if case.shards > 1 else ()
    lasts = ("--duration", f"{case.lasts_s}s")
    seed = ("--seed", str(rng.randrange(1000)))
    run.start("data", "generate", SCENARIO, *lasts, "--sink", run.sink, *seed, *shards)
    troubles = threading.Thread(target=_trouble, args=(run, way, rng, over, result))
    run.generator()
    troubles.start()
    try:
        for kill in case.kills:
            _kill_generator(run, kill)
        if case.act is not None:
            case.act(run, rng)
        if (code := run.end()) != 0:
            result.wrong.append(f"the last command ended with {code}: {run.said[-500:]}")
    except (AssertionError, TimeoutError) as error:
        result.wrong.append(str(error))
        if run.process is not None and run.process.poll() is None:
            run.testbed.command("cancel", "--all", "--now")
            run.process.wait(60)
    finally:
        over.set()
        troubles.join()
    result.figures |= run.notes | {"codes": run.codes, "met": dict(way.met - _well(way))}
    if not result.wrong:
        result.wrong += _judge(run, seed, result)
    return result


def _well(way: Front) -> Any:
    return type(way.met)({"well": way.met["well"]})


def _trouble(run: Run, way: Front, rng: random.Random, over: threading.Event, result: Result) -> None:
    """Kills of the ingest and the front's moods, at random moments of the scenario's time."""
    began, plan = time.monotonic(), []
    length = run.case.lasts_s
    plan += [(rng.uniform(0.02, 0.9) * length, "kill") for _ in range(run.case.ingest)]
    if run.case.always:
        way.mode = run.case.way[0]
    else:
        first = rng.uniform(0.05, 0.3) * length
        plan += [(first + number * (AWAY_S + 1), mode) for number, mode in enumerate(run.case.way)]
    killed = 0
    for moment, what in sorted(plan):
        if over.wait(max(0.0, began + moment - time.monotonic())):
            break
        if what != "kill":
            with way.being(what):  # type: ignore[arg-type]
                over.wait(AWAY_S)
            continue
        try:
            services = run.testbed.status()["services"]
            os.kill(next(one["pid"] for one in services if one["name"] == "ingest"), signal.SIGKILL)
            killed += 1
            wait_for(lambda: _healthy(run.testbed), 40, "the ingest again")
        except (OSError, TimeoutError) as error:
            result.wrong.append(f"the ingest: {error}")
    result.figures["ingest_killed"] = killed


def _healthy(testbed: Testbed) -> bool:
    return any(one["name"] == "ingest" and one["health"] == "healthy" for one in testbed.status()["services"])


def _judge(run: Run, seed: tuple[str, ...], result: Result) -> list[str]:
    """The audit of it, against what a dry run says that there is."""
    wrong, began = [], time.monotonic()
    done = run.testbed.command("--json", "data", "audit", "last", timeout=_AUDIT_S)
    result.figures["audit_s"] = round(time.monotonic() - began, 1)
    if done.returncode:
        wrong.append(f"data audit ended with {done.returncode}")
    document = json.loads(done.stdout)
    planned = _planned(run)
    for signal_, counts in document["signals"].items():
        for name in ("lost", "duplicated", "leaked", "corrupt", "forged", "rejected", "unknown"):
            if counts[name]:
                wrong.append(f"{signal_}: {counts[name]} {name}")
        if not planned[signal_] == counts["sent"] == counts["acked"] == counts["found"]:
            told = {name: counts[name] for name in ("sent", "acked", "found")}
            wrong.append(f"{signal_}: {planned[signal_]} were planned; {told}")
        if counts["duplicated_by_retry"]:
            result.figures[f"twice_{signal_}"] = counts["duplicated_by_retry"]
    result.figures["items"] = sum(planned.values())
    return wrong


def _planned(run: Run) -> dict[str, int]:
    """What the ledger's own scenario has of each signal."""
    folder = run.ledger()
    header = read_header(folder)
    scenario = scenario_of(folder, header)
    items = count(scenario, header.seed, header.duration_s, header.start_ns).items
    return {str(name): number for name, number in items.items()}


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "testbed-drill", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@contextlib.contextmanager
def bench() -> Iterator[Telemetry]:
    opened = Telemetry()
    with finally_do(opened.close):
        yield opened


DRILL = Drill("telemetry", "a run hurt in every way, resumed, and audited to the last item", 1, keys, bench)
