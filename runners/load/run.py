"""The action `run` of the suite `load`: from spec to verdict."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from runners.lib.errors import NotReady
from runners.lib.files import write_json
from runners.load.engine import Engine
from runners.load.leaks import LeakCheck
from runners.load.pace import Pace
from runners.load.scenario import CHANGEABLE, Scenario, changes_of, load
from runners.load.scoreboard import Scoreboard
from runners.load.steps import STEPS
from runners.load.users import Plan
from runners.load.verdicts import outcomes, plan, verdict
from runners.suite import Context, Verdict
from runners.target import Identity, Target, open_target

_OWN = ("scenario", "duration_s")


def run(context: Context) -> Verdict:
    """Load the target as the scenario says. Raises FileError and NotReady before anything is sent."""
    params = context.params
    if unknown := sorted(set(params) - {*CHANGEABLE, *_OWN}):
        raise NotReady(f"a load stage has no parameter '{unknown[0]}'", remedy=f"valid: {', '.join(CHANGEABLE)}")
    scenario = load(Path(params["scenario"]), changes_of(params))
    with open_target(context.environment) as target:
        target.require("load")
        return _run(context, scenario, target)


def _run(context: Context, scenario: Scenario, target: Target) -> Verdict:
    started = time.monotonic()
    board, pace = Scoreboard(), Pace(scenario)
    operations, absent = {}, {}
    for name in scenario.operations:
        if (operation := target.operation(name)) is None:
            absent[name] = f"not applicable: target {target.name} has no capability {name}"
        else:
            operations[name] = operation
    if not operations.keys() & scenario.mix.keys():
        raise NotReady(f"target {target.name} has none of the operations of scenario {scenario.load}")
    for name in set(operations) - set(scenario.mix):  # asked on behalf of others only
        asking = [other for other in scenario.mix if STEPS[other].needs == name]
        if not set(asking) & set(operations):
            del operations[name]
            absent[name] = f"not applicable: it is asked for {', '.join(asking)} only, which target {target.name} lacks"
    crowd = _crowd(scenario, target)
    tests = plan(scenario.load, scenario.operations)
    context.events.emit("run.started", plan=tests, scenario=scenario.load, users=scenario.users, target=target.name)
    for test in tests:
        context.events.emit("test.started", id=test)
    context.on("set", lambda wanted: context.log("set " + pace.change(wanted)))

    def alarm(message: str) -> None:
        context.log(message, level="error")

    engine = Engine(context, Plan(target, scenario, pace, board, crowd, operations, context.seed, alarm))
    duration = context.params.get("duration_s") or scenario.duration
    engine.run(None if duration is None else float(duration))
    tenants = sorted({str(identity.tenant) for identity in crowd[: scenario.users]})
    found = outcomes(scenario.load, scenario.operations, board, cpu=engine.cpu_share, absent=absent, tenants=tenants)
    _tell(context, board)
    elapsed_ms = round((time.monotonic() - started) * 1000)
    for item in found:
        context.events.emit(
            "test.finished", id=item.id, outcome=item.outcome, attempt=1, duration_ms=elapsed_ms, message=item.message
        )
    wrong = [item for item in found if item.outcome in ("failed", "invalid")]
    context.reason = "; ".join(f"{item.id}: {item.message}" for item in wrong[:3]) or None
    return verdict(found)


def _crowd(scenario: Scenario, target: Target) -> list[Identity]:
    """Identities, dealt out in turn: every tenant before the next role. Raises NotReady when one is missing."""
    tenants = scenario.tenants or tuple(target.tenants)
    if not tenants:
        raise NotReady(f"target {target.name} has no tenants", remedy=f"name them in {target.identities.path}")
    return [target.identity(tenant, role) for role in scenario.roles for tenant in tenants]


def _tell(context: Context, board: Scoreboard) -> None:
    """Findings, and the artifacts with every signature and every leak."""
    for check in board.leaks.values():
        if check.leaked:
            context.events.emit("finding", **_finding(check))
    for item in board.failures.all():
        if item.content:
            what = {"kind": "wrong_answer", "severity": "high", "title": f"{item.name} ({item.count}×)"}
            context.events.emit("finding", fingerprint=f"wrong_answer:{item.name}", **item.to_json() | what)
        context.log(f"{item.name}: {item.count}×", level="warn", failure=item.to_json())
    if board.abandoned:
        context.log(f"requests given up without an answer, and not counted: {board.abandoned}", level="warn")
    _artifact(context, "failures", [item.to_json() for item in board.failures.all()])
    _artifact(context, "leaks", [check.to_json() for check in board.leaks.values()])


def _finding(check: LeakCheck) -> dict[str, Any]:
    return {
        "kind": "tenant_leak", "severity": "critical", "title": check.summary,
        "fingerprint": f"tenant_leak:{check.operation}", "count": check.leaked, **check.to_json(),
    }  # fmt: skip


def _artifact(context: Context, name: str, document: Any) -> None:
    path = context.artifacts / f"{name}.json"
    write_json(path, document, sync=False, mode=0o600)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    context.events.emit("artifact", path=f"artifacts/{path.name}", sha256=digest, kind=name)
