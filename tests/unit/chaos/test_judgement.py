"""From what happened to the verdict: never a false green."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.chaos.judgement import Seen, judge
from runners.chaos.outcome import Outcome
from runners.faults.record import Access, FaultRecord, Guards, Identity, Operation
from runners.probes import Recovery

RECOVERED = Recovery(100.0, 100.05, 100.06, 101.0, 18, 0)
UNNOTICED = Recovery(100.0, None, None, None, 0, 0, served=20)
BLIND = Recovery(100.0, None, None, None, 0, 0, served=2)
DOWN = Recovery(100.0, 100.05, 100.06, None, 300, 0)


def record(state: str = "REVERTED", effect: str | None = "process 7 is dead") -> FaultRecord:
    return FaultRecord(
        id="f", run="r", environment="local", fault="kill", target="ingest", state=state,  # type: ignore[arg-type]
        ttl_s=20, planned_at=1, deadline=21, deadline_boot=21, inject=(), revert=(Operation("supervisor", "start"),),
        guards=Guards("b", "e", Identity(1, 1), Identity(2, 2), ()), access=Access("", "", "", "", {}),
        injected_at=100.0, effect=effect, reason="it does not start" if state == "FAILED" else None,
    )  # fmt: skip


def outcome(recovery: Recovery | None = RECOVERED, after_s: float | None = 1.0, state: str = "REVERTED") -> Outcome:
    return Outcome("kill", "ingest", record(state), recovery, after_s)


def seen(**changes: object) -> Seen:
    fields = {
        "before": True, "after": True, "faults": [outcome()], "planned_faults": 1, "objective_s": 15.0,
        "interrupted": None, "failed_activities": [], "actions": 1,
    }  # fmt: skip
    return Seen(**(fields | changes))  # type: ignore[arg-type]


def test_a_good_run_passes() -> None:
    judged = judge(seen())
    assert judged.verdict == "passed" and judged.reason is None
    assert {name: result for name, (result, _) in judged.tests.items()} == dict.fromkeys(
        ["steady-state-before", "inject", "recovery", "steady-state-after"], "passed"
    )


@pytest.mark.parametrize(
    ("changes", "verdict", "test", "result"),
    [
        ({"faults": [outcome(after_s=16.0)]}, "failed", "recovery", "failed"),
        ({"faults": [outcome(DOWN, None)]}, "failed", "recovery", "failed"),
        ({"faults": [outcome(UNNOTICED, None)]}, "passed", "recovery", "passed"),
        ({"faults": [outcome(BLIND, None)]}, "invalid", "recovery", "invalid"),
        ({"faults": [outcome(state="FAILED")]}, "failed", "recovery", "failed"),
        ({"after": False}, "failed", "steady-state-after", "failed"),
        ({"after": None}, "invalid", "steady-state-after", "skipped"),
        ({"before": False, "faults": [], "after": None}, "invalid", "steady-state-before", "invalid"),
        ({"faults": [Outcome("kill", "ingest", problem="no effect")]}, "invalid", "inject", "invalid"),
        ({"faults": [replace(outcome(), cut="reverted by recover")]}, "invalid", "inject", "invalid"),
        ({"faults": []}, "invalid", "inject", "skipped"),
        ({"planned_faults": 2}, "invalid", "inject", "skipped"),
        ({"faults": [Outcome("kill", "ingest", record(effect=None))]}, "invalid", "inject", "skipped"),
        ({"interrupted": "halted by x"}, "invalid", "inject", "passed"),
        ({"interrupted": "stopped", "faults": [outcome(None, None)], "after": None}, "invalid", "recovery", "skipped"),
        ({"interrupted": "stopped", "faults": [outcome(state="FAILED")]}, "failed", "recovery", "failed"),
    ],
)
def test_cases(changes: dict[str, object], verdict: str, test: str, result: str) -> None:
    judged = judge(seen(**changes))
    assert (judged.verdict, judged.tests[test][0]) == (verdict, result)
    assert judged.verdict == "passed" or judged.reason


def test_a_plain_experiment_needs_an_action_that_worked() -> None:
    plain = {"faults": [], "planned_faults": 0}
    assert judge(seen(**plain)).verdict == "passed"
    assert judge(seen(**plain, actions=0)).verdict == "invalid"
    assert judge(seen(**plain, failed_activities=["a"])).verdict == "invalid"
    assert judge(seen(**plain, after=False)).verdict == "failed"


@given(
    st.sampled_from([True, False, None]),
    st.sampled_from([True, False, None]),
    st.lists(st.sampled_from(["good", "slow", "down", "unproved", "refused", "stuck"]), max_size=3),
    st.integers(1, 3),
    st.sampled_from([None, "stopped"]),
)
def test_passed_means_everything_was_seen_and_good(
    before: bool | None, after: bool | None, kinds: list[str], planned: int, interrupted: str | None
) -> None:
    made = {
        "good": outcome(), "slow": outcome(after_s=99.0), "down": outcome(DOWN, None), "stuck": outcome(state="FAILED"),
        "unproved": Outcome("kill", "ingest", record(effect=None)), "refused": Outcome("kill", "ingest", problem="no"),
    }  # fmt: skip
    judged = judge(
        seen(
            before=before, after=after, faults=[made[kind] for kind in kinds], planned_faults=planned,
            interrupted=interrupted,
        )
    )  # fmt: skip
    good = before and after and interrupted is None and set(kinds) <= {"good"} and len(kinds) >= planned
    assert (judged.verdict == "passed") == bool(good)
    assert set(judged.tests) == {"steady-state-before", "inject", "recovery", "steady-state-after"}
