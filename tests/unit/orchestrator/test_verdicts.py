"""The verdict table: every way to end, and never a false green."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.orchestrator.facts import Facts
from runners.orchestrator.gating import declared_gates
from runners.orchestrator.verdicts import Ending, exit_code, judge_campaign, judge_stage


def facts(verdict: str | None = "passed", **changes: Any) -> Facts:
    base: dict[str, Any] = {"seq": 5, "plan": ["t"], "reported": {"t": "passed"}, "verdict": verdict}
    return Facts(**(base | changes))


def exit_file(**changes: Any) -> dict[str, Any]:
    return {"rc": 0, "reason": None, "seq": 5} | changes


@pytest.mark.parametrize(
    ("exit_changes", "found", "state", "verdict"),
    [
        ({}, facts(), "finished", "passed"),
        ({"rc": 1}, facts("failed"), "finished", "failed"),
        ({"rc": 2}, facts("invalid"), "finished", "invalid"),
        ({"lost": True, "rc": None, "reason": "its supervisor died"}, facts(), "lost", "invalid"),
        ({"reason": "cancelled"}, facts(), "cancelled", None),
        ({"reason": "timed_out", "rc": -9}, facts(), "timed_out", "invalid"),
        ({"reason": "killed by signal 9", "rc": -9}, facts(), "lost", "invalid"),
        ({"reason": "disk full"}, facts(), "error", "invalid"),
        ({"reason": "did not stop", "rc": -15}, facts(), "error", "invalid"),
        ({}, facts(None), "error", "invalid"),
        ({}, facts("splendid"), "error", "invalid"),
        ({}, facts(gap=True), "error", "invalid"),
        ({"seq": 6}, facts(), "error", "invalid"),
        ({"rc": 1}, facts(), "error", "invalid"),
        ({"rc": 0}, facts("failed"), "error", "invalid"),
        ({"rc": 7}, facts("invalid"), "error", "invalid"),
        ({}, facts(plan=None), "finished", "invalid"),
        ({}, facts(plan=["t", "u"]), "finished", "invalid"),
        ({}, facts(plan=[], reported={}), "finished", "invalid"),
        ({}, facts(reported={"t": "failed"}), "finished", "failed"),
        ({}, facts(reported={"t": "invalid"}), "finished", "invalid"),
        ({}, facts(reported={"t": "skipped"}), "finished", "invalid"),
        ({}, facts(reported={"t": "splendid"}), "finished", "invalid"),
        ({}, facts(plan=["t", "u"], reported={"t": "skipped", "u": "passed"}), "finished", "passed"),
    ],
)
def test_of_a_stage(exit_changes: dict[str, Any], found: Facts, state: str, verdict: str | None) -> None:
    ending = judge_stage(exit_file(**exit_changes), found)
    assert (ending.state, ending.verdict) == (state, verdict)
    assert ending.reason or ending.verdict in ("passed", found.verdict)


@given(
    rc=st.one_of(st.none(), st.integers(-15, 5)),
    reason=st.sampled_from([None, "cancelled", "timed_out", "killed by signal 9", "disk full", "did not stop"]),
    seq=st.integers(4, 6),
    lost=st.booleans(),
    gap=st.booleans(),
    verdict=st.sampled_from([None, "passed", "failed", "invalid"]),
    plan=st.one_of(st.none(), st.lists(st.sampled_from("abc"), unique=True)),
    reported=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["passed", "failed", "skipped", "invalid"])),
)
def test_passed_needs_everything(
    *,
    rc: int | None,
    reason: str | None,
    seq: int,
    lost: bool,
    gap: bool,
    verdict: str | None,
    plan: list[str] | None,
    reported: dict[str, str],
) -> None:
    found = Facts(seq=5, gap=gap, plan=plan, reported=reported, verdict=verdict)
    ending = judge_stage({"rc": rc, "reason": reason, "seq": seq, "lost": lost}, found)
    whole = (
        verdict == "passed" and rc == 0 and reason is None and seq == 5 and not lost and not gap
        and plan and set(plan) <= set(reported) and "passed" in reported.values()
        and not set(reported.values()) & {"failed", "invalid"}
    )  # fmt: skip
    assert (ending.verdict == "passed") == bool(whole)


STATES = ("finished", "cancelled", "timed_out", "lost", "error", "skipped")
VERDICTS = ("passed", "failed", "invalid")
ENDINGS = [Ending("finished", verdict) for verdict in VERDICTS] + [
    Ending(state, None if state == "cancelled" else "invalid") for state in STATES[1:]
]


def test_of_a_campaign_in_every_combination_of_two_stages_and_a_gate() -> None:
    for first, second, gate, optional in itertools.product(ENDINGS, ENDINGS, VERDICTS, (False, True)):
        other = Ending(second.state, second.verdict, None, optional)
        verdict, reason = judge_campaign({"a": first, "b": other}, [("x < 1", gate)])
        if "failed" in (first.verdict, other.verdict, gate):
            assert verdict == "failed"
        elif first != Ending("finished", "passed") or gate == "invalid" or (other.verdict != "passed" and not optional):
            assert verdict == "invalid"
        else:
            assert verdict == "passed"
        assert reason or (verdict == "passed" and other.verdict == "passed"), "anything less than passed says why"


def test_what_an_optional_stage_left_open_is_listed() -> None:
    verdict, reason = judge_campaign({"a": Ending("finished", "passed"), "b": Ending("lost", "invalid", "x", True)}, [])
    assert verdict == "passed"
    assert "b (lost)" in str(reason)


def test_an_optional_stage_that_failed_still_fails_the_campaign() -> None:
    assert judge_campaign({"b": Ending("finished", "failed", None, True)}, [])[0] == "failed"


def test_a_campaign_of_which_no_stage_passed_is_not_passed() -> None:
    spared = Ending("finished", "invalid", "blind", True)
    verdict, reason = judge_campaign({"a": spared, "b": spared}, [("x < 1", "passed")])
    assert verdict == "invalid"
    assert "a (blind)" in str(reason)
    assert judge_campaign({}, [])[0] == "invalid"


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [
        ("finished", "passed", 0),
        ("finished", "failed", 1),
        ("finished", "invalid", 2),
        ("timed_out", "failed", 2),
        ("lost", "invalid", 2),
        ("skipped", "invalid", 2),
        ("error", "invalid", 3),
        ("cancelled", None, 130),
    ],
)
def test_exit_codes(state: str, verdict: str | None, code: int) -> None:
    assert exit_code(state, verdict) == code


def test_a_number_that_is_missing_or_comes_twice_is_a_gap() -> None:
    def taken(*numbers: int) -> Facts:
        return Facts.of({"seq": number, "type": "log"} for number in numbers)

    assert not taken(0, 1, 2).gap and taken(0, 1, 2).seq == 3
    for numbers in ((1, 2), (0, 2), (0, 1, 1, 2), (0, 2, 1)):
        assert taken(*numbers).gap, numbers


def test_an_optional_gate_is_excused_when_it_cannot_be_assessed_and_not_when_it_fails() -> None:
    stages = {"audit": Ending("finished", "passed")}
    gates = [("audit.lost == 0", "passed"), ("audit.duplicated == 0", "invalid")]
    assert judge_campaign(stages, gates)[0] == "invalid"
    verdict, reason = judge_campaign(stages, gates, ["audit.duplicated == 0"])
    assert (verdict, reason) == ("passed", "optional, not assessed: gate audit.duplicated == 0")
    failed = [("audit.duplicated == 0", "failed")]
    assert judge_campaign(stages, failed, ["audit.duplicated == 0"])[0] == "failed"
    assert judge_campaign(stages, [("audit.lost == 0", "invalid")], ["audit.duplicated == 0"])[0] == "invalid"


def test_a_declared_gate_without_a_result_was_not_assessed() -> None:
    stages = {"a": Ending("finished", "passed")}
    said = {("gate", "audit.lost == 0"): {"verdict": "passed"}, ("gate", "somebody.else == 1"): {"verdict": "failed"}}
    gates = declared_gates(["audit.lost == 0", "audit.leaked == 0"], said)
    assert judge_campaign(stages, gates) == (
        "invalid", "not assessed: gate audit.leaked == 0: no result was recorded",
    )  # fmt: skip
    verdict, reason = judge_campaign(stages, gates, ["audit.leaked == 0"])
    assert (verdict, reason) == (
        "passed", "optional, not assessed: gate audit.leaked == 0: no result was recorded",
    )  # fmt: skip
    assert judge_campaign(stages, declared_gates(["audit.lost == 0"], said)) == ("passed", None)
