"""From what was seen to outcomes: one test per operation, one leak test per operation, one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runners.lib.units import format_count, format_duration
from runners.load.scoreboard import Scoreboard, Tally
from runners.load.steps import STEPS
from runners.suite import Verdict

CPU_MAX = 0.9
"""Share of a core above which latencies are the generator's, not the target's (the bound Locust warns at, too)."""


@dataclass(frozen=True)
class Outcome:
    """The result of one planned test."""

    id: str
    outcome: Literal["passed", "failed", "skipped", "invalid"]
    message: str


def plan(scenario: str, operations: Sequence[str]) -> list[str]:
    """The ids of all tests of a run."""
    return [f"{scenario}.{name}" for name in operations] + [f"leak.{name}" for name in operations]


def outcomes(
    scenario: str, operations: Sequence[str], board: Scoreboard, *, cpu: float | None, absent: Mapping[str, str],
    tenants: Sequence[str],
) -> list[Outcome]:  # fmt: skip
    """cpu: share of a core the generator used, None when not measured. absent: operations the target has not, and why.

    tenants: of the users; what was seen of one says nothing about another.
    """
    found: list[Outcome] = []
    overload = None
    if board.faults:
        overload = f"the generator failed {len(board.faults)} times: {board.faults[0]}"
    elif cpu is not None and cpu > CPU_MAX:
        overload = f"the generator used {cpu:.0%} of a core: its latencies are not the target's"
    for name in operations:
        found.append(_operation(f"{scenario}.{name}", name, board, overload, absent.get(name), tenants=tenants))
    for name in operations:
        found.append(_leak(f"leak.{name}", name, board, absent.get(name), tenants))
    return found


def verdict(found: Sequence[Outcome]) -> Verdict:
    """failed if any test failed; else invalid if any was invalid or all were skipped; else passed."""
    kinds = {item.outcome for item in found}
    if "failed" in kinds:
        return "failed"
    return "invalid" if "invalid" in kinds or "passed" not in kinds else "passed"


def _operation(
    id_: str, name: str, board: Scoreboard, overload: str | None, absent: str | None, *, tenants: Sequence[str]
) -> Outcome:  # fmt: skip
    if absent:
        return Outcome(id_, "skipped", absent)
    tally = board.tallies.get(name)
    if wrong := board.failures.content_errors(name):
        kinds = "; ".join(f"{item.count}× {item.kind.removeprefix('content: ')}" for item in wrong[:3])
        return Outcome(id_, "failed", f"wrong answers: {kinds}")
    if tally is None or not tally.latency.count:
        source = STEPS[name].needs
        why = f": {source} showed nothing to ask for" if source else ""
        return Outcome(id_, "invalid", overload or f"not assessed: no request was made{why}")
    if not tally.successes:
        kinds = "; ".join(f"{item.count}× {item.kind}" for item in board.failures.all() if item.operation == name)
        return Outcome(id_, "failed", f"none of {tally.latency.count} requests succeeded: {kinds}")
    if shut := [tenant for tenant in tenants if tally.asked[tenant] and not tally.served[tenant]]:
        which = "; ".join(f"none of {tally.asked[tenant]} requests of tenant {tenant} succeeded" for tenant in shut)
        return Outcome(id_, "failed", which)
    if overload:
        return Outcome(id_, "invalid", overload)
    if idle := [tenant for tenant in tenants if not tally.asked[tenant]]:
        return Outcome(id_, "invalid", f"not assessed for tenant {', '.join(idle)}: no request was made")
    return Outcome(id_, "passed", _figures(tally))


def _leak(id_: str, name: str, board: Scoreboard, absent: str | None, tenants: Sequence[str]) -> Outcome:
    if absent:
        return Outcome(id_, "skipped", absent)
    check = board.leaks.get(name)
    if check is None:
        return Outcome(id_, "invalid", "not assessed: no answer was seen")
    if check.leaked or not check.marked:
        return Outcome(id_, "failed" if check.leaked else "invalid", check.summary)
    if blind := [tenant for tenant in tenants if not check.seen[tenant]]:
        return Outcome(id_, "invalid", f"not assessed for tenant {', '.join(blind)}: no item said whose it is")
    return Outcome(id_, "passed", check.summary)


def _figures(tally: Tally) -> str:
    text = f"{format_count(tally.latency.count)} requests, {format_count(tally.errors)} errors"
    if tally.renewed:
        text += f", {format_count(tally.renewed)} tokens refreshed after a 401"
    if (p95 := tally.latency.quantile(0.95)) is not None:
        text += f", p95 {format_duration(p95)}"
    return text
