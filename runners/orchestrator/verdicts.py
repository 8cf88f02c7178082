"""How a stage, a campaign and a command end: pure rules, never a false green.

A stage is passed only with `run.finished{passed}`, exit 0, contiguous seq, and every planned test reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runners.lib.errors import EXIT_CANCELLED, EXIT_ERROR, EXIT_FAILED, EXIT_INVALID, EXIT_PASSED
from runners.orchestrator.facts import Facts

_EXIT_OF = {"passed": 0, "failed": 1, "invalid": 2}  # what runners.suite promises
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Ending:
    """state: finished cancelled timed_out lost error skipped; verdict: passed failed invalid, None when cancelled."""

    state: str
    verdict: str | None
    reason: str | None = None
    optional: bool = False


def judge_stage(exit_file: Mapping[str, Any], facts: Facts) -> Ending:
    """The ending of a stage run from its exit.json and its events."""
    reason: str | None = exit_file.get("reason")
    code = exit_file.get("rc")
    if exit_file.get("lost"):
        return Ending("lost", "invalid", reason)
    if reason == "cancelled":
        return Ending("cancelled", None, reason)
    if reason == "timed_out":
        return Ending("timed_out", "invalid", "it did not end within its timeout")
    if reason and reason.startswith("killed"):
        return Ending("lost", "invalid", reason)
    if reason:
        return Ending("error", "invalid", reason)
    if facts.verdict not in _EXIT_OF:
        return Ending("error", "invalid", f"exit {code} without a verdict")
    if facts.gap or facts.seq != exit_file.get("seq"):
        return Ending("error", "invalid", "events are missing")
    if code != _EXIT_OF[facts.verdict]:
        return Ending("error", "invalid", f"it said {facts.verdict}, but its exit code is {code}")
    return _judge_tests(facts)


def _judge_tests(facts: Facts) -> Ending:
    if facts.verdict != "passed":
        return Ending("finished", facts.verdict, facts.reason or _blame(facts))
    if not facts.plan:
        return Ending("finished", "invalid", "no plan was announced" if facts.plan is None else "nothing was planned")
    if missing := [test for test in facts.plan if test not in facts.reported]:
        return Ending("finished", "invalid", f"planned, but not run: {_list(missing)}")
    for outcome in ("failed", "invalid"):
        if named := [test for test, found in facts.reported.items() if found == outcome]:
            return Ending("finished", outcome, f"it said passed, yet {outcome}: {_list(named)}")
    if strange := [test for test, found in facts.reported.items() if found not in ("passed", "skipped")]:
        return Ending("finished", "invalid", f"it said passed, yet without a known outcome: {_list(strange)}")
    if "passed" not in facts.reported.values():
        return Ending("finished", "invalid", f"it said passed, yet every test was skipped: {_list(facts.plan)}")
    return Ending("finished", "passed", facts.reason)


def _blame(facts: Facts) -> str | None:
    """The tests behind a verdict that came without a reason."""
    named = [test for test, outcome in facts.reported.items() if outcome == facts.verdict]
    return f"{facts.verdict}: {_list(named)}" if named else None


def _list(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def judge_campaign(
    stages: Mapping[str, Ending], gates: Iterable[tuple[str, str | None]], optional_gates: Collection[str] = ()
) -> tuple[str, str | None]:
    """(verdict, reason). stages: by name; gates: (expression, verdict) of each that the campaign declares, None when no
    result was recorded; optional_gates: expressions.

    Failed if any stage or gate failed; else invalid if any stage is not finished or anything is invalid, unless the
    stage or gate is optional (then it is listed), or if not one stage passed; else passed.
    """
    known = list(gates)
    failed = [f"stage {name}" for name, end in stages.items() if end.verdict == "failed"]
    failed += [f"gate {expr}" for expr, verdict in known if verdict == "failed"]
    if failed:
        return "failed", "failed: " + "; ".join(failed)
    unsound = {name: end for name, end in stages.items() if end.state != "finished" or end.verdict != "passed"}
    invalid = [f"stage {name}: {_why(end)}" for name, end in unsound.items() if not end.optional]
    unknown = {expr: verdict for expr, verdict in known if verdict != "passed"}
    invalid += [_gate(expr, verdict) for expr, verdict in unknown.items() if expr not in optional_gates]
    if invalid:
        return "invalid", "not assessed: " + "; ".join(invalid)
    spared = [f"{name} ({_why(end)})" for name, end in unsound.items()]
    spared += [_gate(expr, verdict) for expr, verdict in unknown.items()]
    if len(unsound) == len(stages):  # all optional, or none at all: nothing stands behind a pass
        return "invalid", "not assessed: no stage passed" + (f": {'; '.join(spared)}" if spared else "")
    return "passed", "optional, not assessed: " + "; ".join(spared) if spared else None


def _gate(expr: str, verdict: str | None) -> str:
    return f"gate {expr}" if verdict is not None else f"gate {expr}: no result was recorded"


def _why(end: Ending) -> str:
    return end.state if end.state != "finished" else end.reason or str(end.verdict)


def exit_code(state: str, verdict: str | None) -> int:
    """The exit code of a command that followed a run to this end."""
    if state == "cancelled":
        return EXIT_CANCELLED
    if state == "error":
        return EXIT_ERROR
    if state != "finished":
        return EXIT_INVALID
    return {"passed": EXIT_PASSED, "failed": EXIT_FAILED}.get(str(verdict), EXIT_INVALID)
