"""Pace: how long users wait, and how that is changed while they work."""

import random

import pytest

from runners.load.pace import Pace
from runners.load.scenario import Scenario

SCENARIO = Scenario.model_validate(
    {"load": "x", "users": 20, "think": {"min": "400ms", "max": "600ms"}, "mix": {"search.logs": 1}}
)


def test_think_times_lie_within_their_bounds() -> None:
    pace, rng = Pace(SCENARIO), random.Random(1)
    waits = [pace.pause_s(rng, 9.0) for _ in range(500)]
    assert 0.4 <= min(waits) < max(waits) <= 0.6
    assert pace.target_rate == pytest.approx(40)


def test_users_share_a_rate_and_do_not_catch_up() -> None:
    pace, rng = Pace(SCENARIO), random.Random(1)
    pace.change({"rate": "10/s"})
    waits = [pace.pause_s(rng, 0.5) for _ in range(2000)]
    assert sum(waits) / len(waits) == pytest.approx(20 / 10 - 0.5, rel=0.02)
    assert pace.pause_s(rng, 100.0) == 0
    assert pace.target_rate == 10


def test_a_change_is_whole_or_not_at_all() -> None:
    pace = Pace(SCENARIO)
    assert pace.change({"users": 30, "rate": "2k/s"}) == "users=30, rate=2k/s"
    for wrong in ({"users": 5, "speed": 1}, {"users": 0}, {"users": 5, "rate": "fast"}, {"rate": 0}, {}):
        with pytest.raises(ValueError, match=r"set|above 0|not a rate"):
            pace.change(wrong)
    assert (pace.users, pace.rate) == (30, 2000)
