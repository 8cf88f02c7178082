"""From what happened to test outcomes and a verdict. Pure; never a false green."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runners.chaos.outcome import Outcome
from runners.probes.recovery import STABLE
from runners.suite import Verdict

Result = Literal["passed", "failed", "skipped", "invalid"]


@dataclass(frozen=True)
class Judged:
    """tests: id → (outcome, message); reason: why the verdict is not passed."""

    verdict: Verdict
    tests: dict[str, tuple[Result, str]]
    reason: str | None


@dataclass(frozen=True)
class Seen:
    """before, after: was the steady state met (None: not asked); faults: ours; interrupted: why the run was cut short;
    failed_activities: activities of others that did not succeed; actions: how many actions the method has."""

    before: bool | None
    after: bool | None
    faults: Sequence[Outcome]
    planned_faults: int
    objective_s: float
    interrupted: str | None
    failed_activities: Sequence[str]
    actions: int


def judge(seen: Seen) -> Judged:
    """An interrupted run is not assessed, whatever it showed until then; a failed revert fails it in any case."""
    tests: dict[str, tuple[Result, str]] = {"steady-state-before": _before(seen)}
    if seen.planned_faults:
        tests["inject"], tests["recovery"] = _inject(seen), _recovery(seen)
    else:
        tests["method"] = _method(seen)
    tests["steady-state-after"] = _after(seen)
    outcomes = [outcome for outcome, _ in tests.values()]
    stuck = [item for item in seen.faults if item.record is not None and item.record.state == "FAILED"]
    if stuck:
        verdict: Verdict = "failed"
    elif seen.interrupted is not None or "invalid" in outcomes or "skipped" in outcomes:
        verdict = "invalid"
    else:
        verdict = "failed" if "failed" in outcomes else "passed"
    reason = None
    if verdict != "passed":
        told = {"failed": ("failed",), "invalid": ("invalid", "skipped")}[verdict]
        reasons = [f"{name}: {message}" for name, (outcome, message) in tests.items() if outcome in told and message]
        reason = seen.interrupted if verdict == "invalid" and seen.interrupted else "; ".join(reasons) or None
    return Judged(verdict, tests, reason)


def _before(seen: Seen) -> tuple[Result, str]:
    if seen.before is None:
        return "skipped", seen.interrupted or "no steady state was asked for"
    return ("passed", "") if seen.before else ("invalid", "the steady state was not met before the fault")


def _inject(seen: Seen) -> tuple[Result, str]:
    problems = [f"{item.fault} {item.target}: {item.problem}" for item in seen.faults if item.problem]
    if problems:
        return "invalid", "; ".join(problems)
    if cut := [f"{item.fault} {item.target}: {item.cut}" for item in seen.faults if item.cut]:
        return "invalid", "; ".join(cut)
    proved = [item for item in seen.faults if item.injected]
    if len(proved) < max(seen.planned_faults, len(seen.faults)):
        return "skipped", seen.interrupted or "not every fault was injected"
    return "passed", "; ".join(str(item.record.effect) for item in proved if item.record is not None)


def _recovery(seen: Seen) -> tuple[Result, str]:
    proved = [item for item in seen.faults if item.injected]
    for item in proved:
        if item.record is not None and item.record.state == "FAILED":
            return "failed", f"{item.fault} {item.target} could not be reverted: {item.record.reason}"
    if not proved:
        return "skipped", "nothing was injected"
    messages = []
    for item in proved:
        if item.recovery is None:
            return "skipped", seen.interrupted or "recovery was not watched to its end"
        if not item.recovery.symptom and item.recovery.served < STABLE:
            return "invalid", f"{item.target}: the probe saw {item.recovery.served} answers after the injection"
        if not item.recovery.symptom:
            messages.append(f"{item.target}: no symptom")
        elif item.after_s is None:
            if seen.interrupted is not None:
                return "skipped", seen.interrupted
            return "failed", f"{item.target} did not recover within {seen.objective_s:g} s"
        elif item.after_s > seen.objective_s:
            return "failed", f"{item.target} recovered after {item.after_s:.2f} s, objective {seen.objective_s:g} s"
        else:
            messages.append(f"{item.target}: recovered after {item.after_s:.2f} s")
    return "passed", "; ".join(messages)


def _after(seen: Seen) -> tuple[Result, str]:
    if seen.after is None:
        return "skipped", seen.interrupted or "the experiment did not get that far"
    return ("passed", "") if seen.after else ("failed", "the steady state was not met after the fault")


def _method(seen: Seen) -> tuple[Result, str]:
    if seen.before is False:
        return "skipped", "the steady state was not met"
    if not seen.actions:
        return "invalid", "the method has no action: nothing was tested"
    if seen.failed_activities:
        return "invalid", "activities did not succeed: " + ", ".join(seen.failed_activities)
    return "passed", ""
