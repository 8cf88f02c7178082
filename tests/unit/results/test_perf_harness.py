"""How benchmarks are judged."""

import pytest

from tests.perf import harness
from tests.perf.harness import Absent, Case, Round, judged, measure


def made(run, **bars):
    bars = {"at_least": None, "at_most": None} | bars
    return Case("x", run, "ms", "y", large=False, **bars)


def test_the_ratio_is_the_median_of_the_rounds():
    rounds = [Round(10, 1), Round(40, 10), Round(6, 1), Round(100, 1), Round(5, 1)]
    line = judged(made(None, at_least=5), rounds)
    assert (line["ratio"], line["holds"], line["rounds"], line["spread"]) == (6, True, 5, [4, 100])
    assert judged(made(None, at_most=5), rounds)["holds"] is False


def test_without_reference_the_bar_is_on_the_value_and_without_bar_nothing_holds():
    assert judged(made(None, at_most=5), [Round(4)])["holds"] is True
    line = judged(made(None), [Round(4, 2)])
    assert line["holds"] is None and line["ratio"] == 2 and line["reason"] == "no bar is set"


def test_an_absent_reference_and_a_broken_case_neither_hold_nor_fail():
    def absent(quick):
        raise Absent("no PostgreSQL")
        yield

    def broken(quick):
        yield Round(1, 1)
        raise RuntimeError("boom")

    line = measure(made(absent, at_least=1), quick=True)
    assert line["holds"] is None and line["reason"] == "no PostgreSQL" and "broken" not in line
    line = measure(made(broken, at_least=1), quick=True)
    assert line["holds"] is None and line["broken"] and "boom" in line["reason"]


def test_names_are_unique(monkeypatch):
    monkeypatch.setattr(harness, "CASES", {})
    harness.case("a", unit="s")(lambda quick: iter([]))
    with pytest.raises(ValueError, match="twice"):
        harness.case("a", unit="s")(lambda quick: iter([]))
