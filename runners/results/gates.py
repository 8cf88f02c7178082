"""Gates: an expression over a run's measures, three-valued. What cannot be computed was not assessed, never passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runners.lib import expr as language
from runners.lib.expr import Call, Comparison, Expr, ExprError, Name, Reference, Sum
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.lib.text import did_you_mean
from runners.results import reader
from runners.results.measures import AUDIT_FIELDS, Measures

Verdict = Literal["passed", "failed", "invalid"]


@dataclass(frozen=True)
class Gate:
    """value: of the left side of the comparison that decided, in base units (s, B, share of 1, /s), or None."""

    expr: str
    verdict: Verdict
    value: float | None
    reason: str | None


def evaluate(expr: str, measures: Measures) -> Gate:
    """Never raises for what an expression or a run may hold: an expression that makes no sense is invalid."""
    try:
        tree = language.parse(expr)
        holds = language.evaluate(tree, measures)
        told = [(item, *language.compare(item, measures)) for item in language.comparisons(tree)]
    except ExprError as error:
        return Gate(expr, "invalid", None, error.what + (f" ({error.remedy})" if error.remedy else ""))
    # Logic could pass `a or b` without knowing b; a gate may not: what does not exist was not assessed.
    unknown = holds is None or (holds and any(truth is None for _, truth, _, _ in told))
    verdict: Verdict = "invalid" if unknown else "passed" if holds else "failed"
    comparison, truth, left, right = next((item for item in told if item[1] is holds), told[0])
    value = left if isinstance(left, float | int) else None
    if verdict == "invalid":
        reason: str | None = "; ".join(dict.fromkeys(_missing(item[0], measures) for item in told if item[1] is None))
    else:
        reason = _sentence(comparison, left, right, measures)
        if truth is not holds:  # the condition is negated
            reason = reason.rsplit(", wanted", 1)[0]
    return Gate(expr, verdict, None if value is None else float(f"{value:.6g}"), reason)


def _sentence(comparison: Comparison, left: object, right: object, measures: Measures) -> str:
    unit = next((unit for side in (comparison.left, comparison.right) if (unit := _unit(side, measures))), "")
    text = f"{comparison.left} is {_written(left, unit)}"
    constant = isinstance(comparison.right, language.Number)
    return f"{text}, wanted {comparison.op} {comparison.right if constant else _written(right, unit)}"


def _unit(side: Sum, measures: Measures) -> str:
    for reference in language.references(side):
        unit = measures.unit(reference)
        if unit:
            return language.base_unit(unit)
    return ""


def _written(value: object, unit: str) -> str:
    if not isinstance(value, float | int):
        return str(value)
    if unit in ("%", "share"):
        return f"{value * 100:.4g} %"
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
    return number + ("/s" if unit == "/s" else f" {unit}" if unit not in ("", "1") else "")


def _missing(comparison: Comparison, measures: Measures) -> str:
    for reference in language.references(comparison):
        if why := measures.why(reference):
            return f"{reference}: {why}"
    return f"{comparison} has no value"


# ------------------------------------------------------------------ before a run


class Plan:
    """A scope from a campaign's stages alone: stage name to suite. Finds typing errors and wrong units before a run."""

    def __init__(self, stages: Mapping[str, str]) -> None:
        self.stages = stages

    def unit(self, reference: Reference) -> str | None:
        first = reference.path[0]
        if isinstance(reference, Name):
            if len(reference.path) != 2 or (first not in self.stages and first != "audit"):
                raise language.UnknownName(
                    f"unknown value '{reference}'", str(reference), reference.column,
                    did_you_mean(first, {*self.stages, "audit"}),
                )  # fmt: skip
            if reference.path[1] not in AUDIT_FIELDS:
                raise language.UnknownName(
                    f"an audit has no '{reference.path[1]}'", str(reference), reference.column,
                    did_you_mean(reference.path[1], AUDIT_FIELDS),
                )  # fmt: skip
            return "1"
        if first not in self.stages:
            raise language.UnknownName(
                f"unknown stage '{first}'", str(reference), reference.column, did_you_mean(first, self.stages)
            )
        return self._unit_of(reference)

    def _unit_of(self, call: Call) -> str | None:
        fixed = language.FUNCTIONS[call.function]
        if call.function in ("detect", "recovery") and self.stages[call.path[0]] != "chaos":
            raise ExprError(
                f"{call}: stage '{call.path[0]}' injects no fault", str(call), call.column,
                did_you_mean(call.path[0], [name for name, suite in self.stages.items() if suite == "chaos"]),
            )  # fmt: skip
        if fixed is not None:
            return fixed
        # A load stage's operations are latencies; its own gauges (load.cpu …) tell their unit only when they run.
        return "s" if self.stages[call.path[0]] == "load" and "load" not in call.path[1:] else None


def check(expr: str, stages: Mapping[str, str]) -> Expr:
    """The tree of a gate over these stages (name to suite). Raises ExprError."""
    tree = language.parse(expr)
    language.check(tree, Plan(stages))
    return tree


# ------------------------------------------------------------------ of a recorded run


def measures_of(home: Home, run: str) -> Measures:
    """Read the event files of a campaign run and of the stages that it started."""
    own = list(reader.events(home.run(run) / "events.jsonl"))
    runs = {
        str(event["stage_name"]): str(event["run_id"])
        for event in own
        if event.get("type") == "stage.starting" and event.get("run_id")
    }
    return Measures({stage: reader.events(home.run(id_) / "events.jsonl") for stage, id_ in runs.items()}, own)


def gates_of(home: Home, run: str) -> list[str]:
    """The expressions of the campaign, as its run recorded them."""
    for event in reader.events(home.run(run) / "events.jsonl"):
        if event.get("type") == "run.started":
            return [str(expr) for expr in event.get("gates") or []]
    return []


def optional_of(home: Home, run: str) -> frozenset[str]:
    """The expressions of those gates whose lack of an answer spoils nothing, as the campaign was planned."""
    spec = read_json(home.run(run) / "spec.json")
    return frozenset(map(str, (spec or {}).get("optional_gates") or ()))
