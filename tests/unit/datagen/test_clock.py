from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.datagen.clock import schedule
from runners.datagen.scenario import ScenarioFile
from runners.lib.errors import FileError

TENANTS = st.lists(st.integers(1, 50), min_size=1, max_size=5)


def file(rate: float, weights: list[int], **load: object) -> ScenarioFile:
    return ScenarioFile.model_validate(
        {
            "scenario": "x",
            "duration": 20,
            "tenants": [{"id": f"t{n}", "weight": weight} for n, weight in enumerate(weights)],
            "load": {"requests": rate, **load},
        }
    )


@given(st.floats(0.1, 5000), TENANTS)
def test_no_request_is_lost_to_rounding(rate: float, weights: list[int]) -> None:
    plans = [schedule(file(rate, weights), tenant, 0) for tenant in range(len(weights))]
    assert abs(sum(plan.total for plan in plans) - rate * 20) <= len(weights) + 1
    for plan in plans:
        assert list(plan.cumulative) == sorted(plan.cumulative)
        assert sum(len(plan.requests(tick)) for tick in range(plan.ticks)) == plan.total


@given(st.floats(0.5, 500), TENANTS, st.data())
def test_the_tick_of_a_request_is_the_one_that_lists_it(rate: float, weights: list[int], data: st.DataObject) -> None:
    plan = schedule(file(rate, weights), 0, 0)
    if not plan.total:
        return
    number = data.draw(st.integers(0, plan.total - 1))
    tick = plan.tick_of(number)
    assert tick is not None and number in plan.requests(tick)
    assert plan.tick_of(plan.total) is None and plan.tick_of(-1) is None


def test_a_spike_multiplies_the_rate_while_it_lasts() -> None:
    plan = schedule(file(100, [1], spikes=[{"at": 5, "lasts": 2, "factor": 3}]), 0, 0)
    per_tick = [len(plan.requests(tick)) for tick in range(plan.ticks)]
    assert per_tick[4:8] == [100, 300, 300, 100]


def test_a_wave_swings_around_the_rate() -> None:
    plan = schedule(file(1000, [1], wave={"amplitude": 0.5, "period": 20}), 0, 0)
    per_tick = [len(plan.requests(tick)) for tick in range(plan.ticks)]
    assert max(per_tick) == 1500 and min(per_tick) == 500
    assert abs(plan.total - 20_000) < 5


def test_times_follow_from_the_start_alone() -> None:
    plan = schedule(file(10, [1]), 0, 7, 2.5)
    assert (plan.ticks, plan.begins(0), plan.begins(2), plan.end_ns) == (3, 7, 2_000_000_007, 3_000_000_007)


def test_a_run_of_more_ticks_than_memory_has_room_for_is_refused() -> None:
    with pytest.raises(FileError, match="4,000,000 ticks are more") as caught:
        schedule(file(10, [1]), 0, 0, 4_000_000.0)
    assert "a tick of 2s or longer" in str(caught.value)
