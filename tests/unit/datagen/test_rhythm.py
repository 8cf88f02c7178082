from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.datagen.clock import Schedule, schedule
from runners.datagen.rhythm import MONDAY_S, RHYTHMS, WEEK_S, busy, local_week_s, time_zone, week_time
from runners.datagen.scenario import ScenarioFile

HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_the_mean_of_a_week_is_the_rate_that_was_asked_for(rhythm: str) -> None:
    values = [busy(rhythm, second) for second in range(0, WEEK_S, 600)]
    assert abs(sum(values) / len(values) - 1000) < 6


def test_an_office_works_by_day_and_a_shop_sells_in_the_evening_and_at_weekends() -> None:
    noon, evening, night, saturday = 10 * HOUR, 20 * HOUR, 3 * HOUR, 5 * DAY
    assert busy("office", noon) > 5 * busy("office", night) and busy("office", noon) > 3 * busy("office", evening)
    assert busy("office", noon) > 4 * busy("office", saturday + noon)
    assert busy("evening", evening) > 1.5 * busy("evening", noon) > 5 * busy("evening", night)
    assert busy("evening", saturday + noon) > busy("evening", noon)
    assert {busy("flat", second) for second in range(0, WEEK_S, 977)} == {1000}


@given(st.integers(0, WEEK_S - 61), st.sampled_from(sorted(RHYTHMS)))
def test_it_never_jumps(second: int, rhythm: str) -> None:
    assert abs(busy(rhythm, second + 60) - busy(rhythm, second)) <= 20


def test_clocks_show_the_time_of_their_zone_in_summer_and_in_winter() -> None:
    july = MONDAY_S + 26 * WEEK_S  # Monday, 2026-07-06
    assert local_week_s(MONDAY_S, "UTC") == 0
    assert local_week_s(MONDAY_S, "Europe/Berlin") == HOUR and local_week_s(july, "Europe/Berlin") == 2 * HOUR
    assert local_week_s(MONDAY_S, "America/New_York") == WEEK_S - 5 * HOUR
    assert local_week_s(MONDAY_S + DAY, "Asia/Kolkata") == DAY + 5 * HOUR + 1800


@pytest.mark.parametrize(("text", "second"), [("monday 00:00", 0), ("Sunday 23:59", WEEK_S - 60)])
def test_a_time_of_the_week_is_read(text: str, second: int) -> None:
    assert week_time(text) == second


@pytest.mark.parametrize("text", ["someday 06:00", "monday", "monday 24:00", "monday 6", "06:00", "monday 06:60", ""])
def test_what_is_no_time_of_the_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write for example monday 06:00"):
        week_time(text)


@pytest.mark.parametrize("text", ["Europe/Atlantis", "Europe", "../../etc/passwd", "", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write for example Europe/Berlin"):
        time_zone(text)


def plan(*, zone: str = "UTC", start_s: int = MONDAY_S, duration: str = "24h", **more: object) -> Schedule:
    file = ScenarioFile.model_validate(
        {
            "scenario": "x", "duration": duration, "tick": 60, "load": {"requests": 10},
            "tenants": [{"id": "acme", "zone": zone, "rhythm": "office"}], **more,
        }
    )  # fmt: skip
    return schedule(file, 0, start_s * 10**9)


def busiest_hour(of: Schedule) -> int:
    hours = [of.cumulative[60 * (hour + 1)] - of.cumulative[60 * hour] for hour in range(of.ticks // 60)]
    return hours.index(max(hours))


def test_the_busiest_hour_comes_earlier_in_the_east() -> None:
    assert [busiest_hour(plan(zone=zone)) for zone in ("Asia/Tokyo", "Europe/Berlin", "UTC")] == [1, 9, 10]


def test_a_simulated_week_can_pass_faster_and_then_does_not_depend_on_the_start() -> None:
    quick = plan(duration="60m", clock={"begins": "monday 00:00", "speed": 24})
    assert (
        quick.cumulative
        == plan(duration="60m", start_s=MONDAY_S + 5 * DAY, clock={"begins": "monday 00:00", "speed": 24}).cumulative
    )
    whole_day = plan()
    assert abs(quick.total * 24 - whole_day.total) < 0.02 * whole_day.total
    assert plan(duration="60m").total < 0.3 * quick.total  # a real hour after midnight


def test_a_backfilled_week_has_the_load_of_its_days() -> None:
    week = plan(duration="168h")
    days = [week.cumulative[1440 * (day + 1)] - week.cumulative[1440 * day] for day in range(7)]
    assert days[2] > 4 * days[5] and abs(week.total - 10 * WEEK_S) < 0.01 * week.total
