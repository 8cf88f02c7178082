"""Evaluate the gates of a finished campaign from its event files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runners.events import read_events
from runners.lib.home import Home
from runners.orchestrator.journal import EVENTS
from runners.orchestrator.spec import CampaignSpec


def evaluate_gates(home: Home, spec: CampaignSpec, runs: Mapping[str, str]) -> list[dict[str, Any]]:
    """`{expr, verdict, value, reason}` of each gate. runs: the run id of each stage that was started."""
    if not spec.gates:
        return []
    try:
        from runners.results.gates import evaluate
        from runners.results.measures import Measures

        measures = Measures(
            {stage: read_events(home.run(run) / EVENTS) for stage, run in runs.items()},
            read_events(home.run(spec.id) / EVENTS),
        )
    except Exception as error:
        return [_invalid(expr, error) for expr in spec.gates]
    gates = []
    for expr in spec.gates:
        try:
            gate = evaluate(expr, measures)
        except Exception as error:  # a gate that cannot be computed was not assessed; the others still are
            gates.append(_invalid(expr, error))
        else:
            gates.append({"expr": expr, "verdict": gate.verdict, "value": gate.value, "reason": gate.reason})
    return gates


def declared_gates(
    declared: Iterable[str], said: Mapping[tuple[str, str | None], Mapping[str, Any]]
) -> list[tuple[str, str | None]]:
    """(expression, verdict) of every declared gate by the events that were said; None where there is no result of it."""
    found = [(expr, said.get(("gate", expr), {}).get("verdict")) for expr in declared]
    return [(expr, None if verdict is None else str(verdict)) for expr, verdict in found]


def _invalid(expr: str, error: Exception) -> dict[str, Any]:
    return {"expr": expr, "verdict": "invalid", "value": None, "reason": f"{type(error).__name__}: {error}"}
