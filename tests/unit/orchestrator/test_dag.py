"""When a stage may start."""

from __future__ import annotations

from typing import Any

from runners.orchestrator.dag import Host, Outcome, Skip, Start, Wait, decide
from runners.orchestrator.spec import StageSpec
from runners.orchestrator.verdicts import Ending


def stage(name: str = "s", **keys: Any) -> StageSpec:
    return StageSpec(name=name, suite="data", action="generate", module="m", runs=("r",), **keys)


def ended(state: str = "finished", verdict: str | None = "passed", *, broken: bool = False) -> Outcome:
    return Outcome(Ending(state, verdict), broken)


def test_needs_wait_for_the_end_in_any_state() -> None:
    one = stage(needs=("a", "b"))
    assert decide(one, {"a": ended()}, critical={}) == Wait()
    for outcome in (ended(), ended("finished", "failed"), ended("cancelled", None), ended("timed_out", "invalid")):
        assert decide(one, {"a": ended(), "b": outcome}, critical={}) == Start()


def test_only_what_is_broken_skips_who_needs_it_and_that_spreads() -> None:
    found = decide(stage(needs=("a",)), {"a": ended("lost", "invalid", broken=True)}, critical={})
    assert found == Skip("needs a: lost", broken=True)
    assert decide(stage(after=("a",)), {"a": ended("lost", "invalid", broken=True)}, critical={}) == Start()


def test_company_starts_when_the_host_is_steady_and_its_moment_has_come() -> None:
    one = stage(during="h", at_s=2.0)

    def at(now_s: float, host: Host | None) -> object:
        return decide(one, {}, critical={}, host=host, now_ns=int(now_s * 1e9))

    assert at(100, None) == Wait()
    assert at(100, Host(live=True, steady_ns=None)) == Wait()
    assert at(11.9, Host(live=True, steady_ns=10 * 10**9)) == Wait()
    assert at(12.0, Host(live=True, steady_ns=10 * 10**9)) == Start()


def test_company_whose_host_has_ended_is_skipped_without_harm_to_others() -> None:
    found = decide(stage(during="h"), {"h": ended()}, critical={}, host=Host(False, 1))
    assert isinstance(found, Skip)
    assert not found.broken


def test_company_that_waits_for_others_does_not_wait_longer_than_its_host_lives() -> None:
    assert isinstance(decide(stage(during="h", needs=("n",)), {"h": ended()}, critical={}), Skip)


def test_a_critical_stage_that_did_not_pass_stops_all_others() -> None:
    assert isinstance(decide(stage(), {"c": ended()}, critical={"c": False}), Skip)
    assert decide(stage(), {"c": ended()}, critical={"c": True}) == Start()
    assert decide(stage("c"), {}, critical={"c": False}) == Start()
