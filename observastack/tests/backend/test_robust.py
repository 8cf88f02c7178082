"""The statistics of insights: what holds for all values."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from observastack.backend.insights import robust

values = st.lists(st.floats(0, 1e6), min_size=robust.LEAST, max_size=60)
sigmas = st.floats(1, 20)


@given(values)
def test_a_minority_of_wild_values_does_not_move_what_is_usual_beyond_the_others(found: list[float]) -> None:
    wild = [1e12] * ((len(found) - 1) // 2)
    usual = robust.baseline([*found, *wild])
    assert usual is not None
    assert min(found) <= usual.center <= max(found)


@given(values)
def test_a_baseline_does_not_depend_on_the_order(found: list[float]) -> None:
    assert robust.baseline(found) == robust.baseline(sorted(found))


@given(st.lists(st.floats(0, 1e6), max_size=robust.LEAST - 1))
def test_few_values_are_no_baseline(found: list[float]) -> None:
    assert robust.baseline(found) is None
    assert robust.anomaly(found or [1.0], 3) is None


@given(st.floats(0, 1e6), st.integers(robust.LEAST, 60), sigmas)
def test_what_never_changes_is_never_an_anomaly(value: float, count: int, sigma: float) -> None:
    assert robust.anomaly([value] * (count + 1), sigma) is None


@given(values, sigmas)
def test_an_anomaly_lies_outside_its_band_in_its_direction(found: list[float], sigma: float) -> None:
    unusual = robust.anomaly(found, sigma)
    if unusual is None:
        return
    low, high = unusual.bands[-1]
    assert unusual.now == found[-1]
    assert abs(unusual.deviation) > sigma
    assert unusual.now > high if unusual.direction == "up" else unusual.now <= low or low == 0
    assert robust.LEAST <= unusual.since < len(found)
    assert len(unusual.bands) == len(found)


@given(values, sigmas, st.floats(1.1, 5))
def test_a_larger_sigma_never_finds_more(found: list[float], sigma: float, factor: float) -> None:
    if robust.anomaly(found, sigma) is None:
        assert robust.anomaly(found, sigma * factor) is None


def test_a_jump_is_found_with_its_beginning() -> None:
    unusual = robust.anomaly([10, 11, 9, 10, 12, 10, 9, 11, 10, 10, 60, 70, 65], 3)
    assert unusual is not None
    assert (unusual.direction, unusual.since, unusual.expected) == ("up", 10, 10)
    silence = robust.anomaly([100.0, 101, 99, 100, 102, 100, 99, 101, 100, 0], 3)
    assert silence is not None
    assert silence.direction == "down"


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.lists(st.integers(0, 10_000), min_size=2, max_size=50, unique=True))
def test_a_line_is_found_again(slope: float, intercept: float, places: list[int]) -> None:
    line = robust.fitted([(float(x), intercept + slope * x) for x in places])
    assert line is not None
    assert line.slope == pytest.approx(slope, rel=1e-6, abs=1e-3)
    assert line.at(places[0]) == pytest.approx(intercept + slope * places[0], rel=1e-6, abs=1)


@given(st.lists(st.tuples(st.floats(0, 1e5), finite), min_size=2, max_size=50))
def test_the_line_passes_through_the_mean_and_r2_is_a_share(points: list[tuple[float, float]]) -> None:
    assume(max(x for x, _ in points) - min(x for x, _ in points) > 1e-3)
    line = robust.fitted(points)
    assert line is not None
    middle, level = math.fsum(x for x, _ in points) / len(points), math.fsum(y for _, y in points) / len(points)
    assert line.at(middle) == pytest.approx(level, rel=1e-6, abs=1e-2)
    assert 0 <= line.r2 <= 1


def test_what_has_no_line_has_none() -> None:
    assert robust.fitted([]) is None
    assert robust.fitted([(1, 2)]) is None
    assert robust.fitted([(1, 2), (1, 3)]) is None
    assert robust.fitted([(1, 2), (2, math.inf)]) is None


def test_directions() -> None:
    def of(values: list[float]) -> str:
        points = [(float(x), y) for x, y in enumerate(values)]
        line = robust.fitted(points)
        assert line is not None
        return robust.direction(line, points)

    assert of([1, 2, 3, 4]) == "rising"
    assert of([4, 3, 2, 1]) == "falling"
    assert of([100, 101, 100, 101]) == "flat"
    assert of([0, 0, 0]) == "flat"


def test_changes_need_something_to_compare_with() -> None:
    assert robust.change_pct(100, 110) == 10
    assert robust.change_pct(100, 0) == -100
    for before, now in ((0, 5), (None, 5), (5, None)):
        assert robust.change_pct(before, now) is None


@given(st.lists(finite, min_size=1), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_with_that_share_below(found: list[float], share: float) -> None:
    value = robust.quantile(found, share)
    assert value in found
    assert value is not None
    assert sum(one <= value for one in found) >= share * len(found) - 1e-9
