"""The shipped rules hear of what goes wrong in time, and of nothing else, in a real Prometheus and Alertmanager.

A scenario is played against an environment with real stores, made anew for each, and `data score` must find every alert
that was due and no false one. Silence and slowness need their minutes, so this is a drill and no test.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator

from tests.drills.dependencies import real_stores
from tests.drills.framework import Drill, Result, finally_do
from tests.drills.testbed import Testbed

# What no error speaks of: a service that nobody hears any longer, and one that answers late since its last release.
_HUSH = """
scenario: hush
description: A service falls silent, another becomes slow with its new version.
duration: 150s
tick: 1s
tenants: [{id: acme}, {id: globex}, {id: initech}]
load: {requests: 30/s}
metrics: {interval: 5s, cpus: 1, histograms: true}
anomalies:
  - name: search-unheard
    kind: silent
    target: {tenant: acme, service: search}
    at: 15s
    lasts: 120s
    alert: {name: ServiceSilent, within: 2m}
  - name: slow-release
    kind: deploy
    target: {tenant: globex, service: accounts}
    at: 15s
    lasts: 2m
    magnitude: x60
    alert: {name: ServiceSlow, within: 100s}
quiet:
  - {at: 0s, lasts: 15s}
"""
_SCENARIOS = {"hush": 2, "alert-storm": 9, "quiet-night": 1}
"""How many alerts are due in each. The last two are the shipped ones."""
_PATIENCE_S = 1200.0


def keys(rounds: int) -> list[str]:
    names = _SCENARIOS if real_stores() else ()
    return [f"{name}/{number}" for name in names for number in range(1, rounds + 1)]


class Alerts:
    """One environment at a time: what still fires from the last trial would hide what fires in this one."""

    def __init__(self) -> None:
        self.testbed = Testbed(name="alerts")

    def trial(self, key: str, rng: random.Random) -> Result:
        name, _, _ = key.partition("/")
        result = Result()
        self.testbed.ready("--set", "stores=real", "--fresh")
        file = self.testbed.root / "hush.yaml"
        file.write_text(_HUSH)
        scenario, seed = str(file) if name == "hush" else name, str(rng.randrange(1000))
        done = self.testbed.command("data", "generate", scenario, "--seed", seed, timeout=_PATIENCE_S)
        if done.returncode:
            result.wrong.append(f"data generate ended with {done.returncode}: {done.stderr[-400:]}")
            return result
        began = time.monotonic()
        strict = ("--min-recall", "1", "--min-precision", "1")
        done = self.testbed.command("--json", "data", "score", "last", *strict, timeout=_PATIENCE_S)
        if done.returncode:
            result.wrong.append(f"data score ended with {done.returncode}: {done.stderr[-400:]}")
        said = json.loads(done.stdout)
        if said["reason"]:
            result.wrong.append(said["reason"])
        if said["expected"] != _SCENARIOS[name]:
            result.wrong.append(f"{said['expected']} alerts were due, not {_SCENARIOS[name]}")
        result.wrong += [f"{one['alert']} of {one['service']} was {one['result']}" for one in said["anomalies"] if one["result"] != "detected"]  # fmt: skip
        result.wrong += [f"false: {one['labels']}" for one in said["false_alerts"]]
        result.figures |= {one: said[one] for one in ("recall", "precision", "detected", "explained")}
        result.figures |= {"after_s": said["time_to_detect_s"], "score_s": round(time.monotonic() - began, 1)}
        return result


@contextlib.contextmanager
def bench() -> Iterator[Alerts]:
    opened = Alerts()
    with finally_do(opened.testbed.close):
        yield opened


DRILL = Drill("alerts", "what goes wrong is heard of in time, and nothing else is", 1, keys, bench)
