"""The process model alone, with fake suites: many kills, chosen moments of death, many cancels."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runners.lib import locks, proc
from runners.lib.home import Home
from runners.orchestrator import crashpoints, service
from runners.orchestrator.spec import CampaignSpec
from tests.drills.framework import Drill, Result, finally_do
from tests.integration.orchestrator.harness import (
    GRACE_S,
    campaign,
    endings,
    fake_suites_importable,
    faults_of_bookkeeping,
    follow_quietly,
    front_end,
    stage,
    usual,
    wait_for,
)
from tests.integration.orchestrator.test_kill import VICTIMS, kill_shim

AT_ONCE = 6
SECONDS = 1.5
CANCELS = ("cancel", "interrupt", "interrupt-twice")


def keys(rounds: int) -> list[str]:
    kills = [f"{victim.replace(' ', '-')}/{number}" for victim in VICTIMS for number in range(1, rounds + 1)]
    points = [f"at {point}/{number}" for point in crashpoints.NAMES for number in range(1, (rounds + 2) // 3 + 1)]
    cancels = [f"{way}/{number}" for way in CANCELS for number in range(1, rounds + 1)]
    return kills + points + cancels


@contextmanager
def bench() -> Iterator[Engine]:
    root = Path(tempfile.mkdtemp(prefix="testbed-drill-"))
    with fake_suites_importable(), finally_do(lambda: shutil.rmtree(root, ignore_errors=True)):
        yield Engine(root)


class Engine:
    """Six homes at once for each trial."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._environ = threading.Lock()

    def trial(self, key: str, rng: random.Random) -> Result:
        case = key.partition("/")[0]
        seeds = [rng.random() for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = list(pool.map(lambda item: self._one(case, item[0], random.Random(item[1])), enumerate(seeds)))
        whole = Result()
        for number, part in enumerate(parts):
            whole.wrong += [f"{number}: {item}" for item in part.wrong]
        took = sorted(part.figures["took_s"] for part in parts)
        whole.figures = {
            "runs": len(parts), "hit": sum(bool(part.figures.get("hit")) for part in parts),
            "took_p50_s": took[len(took) // 2], "took_max_s": took[-1],
            "verdicts": sorted(str(part.figures["verdict"]) for part in parts),
        }  # fmt: skip
        return whole

    def _one(self, case: str, number: int, rng: random.Random) -> Result:
        home = Home(self.root / f"{case.replace(':', '-')}-{number}-{time.monotonic_ns()}")
        home.create()
        if case in CANCELS:
            result = self._cancel(home, case, rng)
        elif case.startswith("at "):
            result = self._crash(home, case.removeprefix("at "), rng)
        else:
            result = self._kill(home, case.replace("-", " "), rng)
        if not result.wrong:
            shutil.rmtree(home.root, ignore_errors=True)
        return result

    def _launch(self, home: Home, spec: CampaignSpec, **environ: str) -> None:
        """environ: of the coordinator and its children; the lock keeps other trials from inheriting it."""
        with self._environ:
            os.environ.update(environ)
            try:
                service.launch(home, spec)
            finally:
                for name in environ:
                    del os.environ[name]

    def _kill(self, home: Home, victim: str, rng: random.Random) -> Result:
        spec = usual(home.root, SECONDS)
        self._launch(home, spec)
        time.sleep(rng.uniform(0, SECONDS + 1.2))
        hit = VICTIMS[victim](home, spec, rng)
        return self._check(home, spec, time.monotonic(), {"hit": hit}, quiet=not hit)

    def _crash(self, home: Home, point: str, rng: random.Random) -> Result:
        spec = usual(home.root, SECONDS)
        mark = home.root / "crashed"
        self._launch(home, spec, **{crashpoints.CRASH: point, crashpoints.CRASH_MARK: str(mark)})
        begin = time.monotonic()
        if point.startswith("repair"):
            time.sleep(rng.uniform(0.5, SECONDS))
            while not kill_shim(home, spec, rng) and time.monotonic() < begin + 10:
                time.sleep(0.02)
        result = self._check(home, spec, begin, {"hit": True}, quiet=False)
        if not mark.exists():
            result.wrong.append(f"{point} was not reached")
        return result

    def _cancel(self, home: Home, way: str, rng: random.Random) -> Result:
        spec = campaign(
            stage("telemetry", params={"seconds": 60, "rate": 50, "stubborn": True}),
            stage("users", during="telemetry", params={"seconds": 60}),
            stage("audit", needs=("telemetry",)),
        )
        self._launch(home, spec)
        watcher = None
        if way != "cancel":
            watcher = front_end(home, "attach", spec.id)
            wait_for(lambda: locks.held(home.run(spec.id) / "attached"), 30)
        time.sleep(rng.uniform(0, 1.5))
        begin = time.monotonic()
        if watcher is None:
            service.request_cancel(home, spec.id)
        else:
            watcher.send_signal(signal.SIGINT)
            if way == "interrupt-twice":
                time.sleep(rng.uniform(0.05, GRACE_S))
                if watcher.poll() is None:
                    watcher.send_signal(signal.SIGINT)
            watcher.wait(60)
        result = self._check(home, spec, begin, {"hit": True}, quiet=False)
        if result.figures["verdict"] is not None:
            result.wrong.append(f"verdict {result.figures['verdict']} after a cancel")
        if left := [pid for run in spec.run_ids for pid in proc.carriers(proc.RUN_MARK, run)]:
            result.wrong.append(f"processes left: {left}")
        return result

    def _check(self, home: Home, spec: CampaignSpec, begin: float, figures: dict[str, Any], *, quiet: bool) -> Result:
        ended = follow_quietly(home, spec.id)
        figures |= {"took_s": round(time.monotonic() - begin, 2), "verdict": ended.verdict, "state": ended.state}
        wrong = faults_of_bookkeeping(home, spec, ended=ended)
        if quiet and ended.verdict != "passed":
            wrong.append(f"nothing was killed, yet {ended.verdict}: {endings(home, spec.id)}")
        return Result(wrong, figures)


DRILL = Drill("engine", "the process model with fake suites: random kills, chosen moments, cancels", 3, keys, bench)
