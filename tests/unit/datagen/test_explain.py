from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.datagen.explain import explain, room, spark, text
from runners.datagen.plan import count
from runners.datagen.scenario import load_scenario, read_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity
from runners.ledger.items import SIGNALS
from runners.lib.units import format_duration
from tests.unit.datagen.worlds import TEXT, scenario

SHIPPED = Path("runners/shipped/scenarios")
DATA = sorted(path for path in SHIPPED.glob("*.yaml") if "\nscenario:" in path.read_text())
LABELLED = (
    TEXT
    + """
anomalies: [{name: drop, kind: dip, target: {tenant: acme}, at: 2s, lasts: 2s, magnitude: 10%, alert: {name: Dropped, within: 90s}}]
quiet: [{at: 4s, lasts: 2s}]
"""
)


@pytest.mark.parametrize("columns", [1, 4, 6, 60])
def test_the_drawing_holds_every_item_of_the_plan_but_the_sentinels(columns: int) -> None:
    found, plan = explain(scenario(), 42, columns=columns), count(scenario(), 42)
    for signal in SIGNALS:
        assert sum(found.of(signal)) == plan.items[signal] - 2
    assert len(found.columns_s) == min(columns, 6) and sum(found.columns_s) == found.duration_s == 6


def test_columns_that_are_not_alike_are_compared_by_rate() -> None:
    found = explain(
        read_scenario(TEXT.replace("wave: {amplitude: 30%, period: 5s}", "").encode(), Path("x")), 1, columns=4
    )
    rates = found.rates(found.of("traces"))
    assert set(found.columns_s) == {1, 2} and max(rates) < 1.5 * min(rates)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=40), st.integers(1, 5))
def test_bars_are_as_high_as_their_values(values: list[float], height: int) -> None:
    lines = spark(values, height)
    assert len(lines) == height and {len(line) for line in lines} == {len(values)}
    levels = [sum(" ▁▂▃▄▅▆▇█".index(line[column]) for line in lines) for column in range(len(values))]
    for value, level in zip(values, levels, strict=True):
        assert abs(level - value / (max(values) or 1) * height * 8) <= 1
        assert (level > 0) == (value > 0)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_it_fits_the_terminal_with_and_without_colours(path: Path, width: int) -> None:
    of = load_scenario(path)
    drawn = explain(of, 1, duration_s=min(20.0, of.file.duration), columns=room(of, width))
    plain, coloured = text(drawn, width), text(drawn, width, color=True)
    assert max(map(len, plain.splitlines())) <= width
    assert "\x1b" not in plain and re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain != coloured


def test_it_says_when_what_goes_wrong_and_which_alert_must_fire() -> None:
    shown = text(explain(read_scenario(LABELLED.encode(), Path("x")), 1)).splitlines()
    (drop,) = (line for line in shown if line.startswith("drop"))
    bar = drop.split("│")[1]
    assert bar == "  ▒▒  " and "dip of acme: Dropped within 01:30" in drop
    (quiet,) = (line for line in shown if line.startswith("quiet"))
    assert quiet.split("│")[1] == "    ··"
    assert any(line.startswith("globex") for line in shown)


@pytest.mark.parametrize(
    ("duration_s", "columns", "least"),
    [(1, 60, 1), (2, 60, 1), (3, 60, 2), (6, 60, 2), (30, 4, 2), (30, 12, 2), (30, 17, 3), (30, 60, 5), (300, 60, 5), (300, 40, 5)],
)  # fmt: skip
def test_the_times_below_a_drawing_stand_apart_each_at_its_mark(duration_s: float, columns: int, least: int) -> None:
    """least: labels that there must be; those that have no room are left out."""
    slow = TEXT if duration_s < 300 else TEXT.replace("tick: 1s", "tick: 10s").replace("interval: 2s", "interval: 10s")
    found = explain(scenario(slow), 1, duration_s=duration_s, columns=columns)
    shown = text(found).splitlines()
    at = next(number for number, line in enumerate(shown) if "└" in line)
    left = shown[at].index("└") + 1
    marks, times = shown[at][left:], shown[at + 1][left:]
    possible = ["0", *(format_duration(found.duration_s * quarter / 4) for quarter in range(1, 5))]
    labels = re.findall("|".join(rf"(?<!\S){re.escape(label)}(?!\S)" for label in reversed(possible)), times)
    assert labels[0] == "0" and len(labels) >= least
    assert re.split(" +", times.strip()) == " ".join(labels).split(" ")
    assert [times.index(label) if label != "0" else 0 for label in labels] == [
        place for place, mark in enumerate(marks) if mark == "┴"
    ]


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_each_shipped_scenario_is_sound_and_says_what_question_it_answers(path: Path) -> None:
    found = load_scenario(path)
    assert found.name == path.stem
    assert found.file.question.count("?") >= 1 and len(found.file.question) > 100
    assert 30 < len(found.file.description) < 130
    assert set(found.tenants) <= {"acme", "globex", "initech"}, "the environments that are shipped have these tenants"


def test_the_scenarios_that_were_promised_are_shipped() -> None:
    promised = {
        "smoke",
        "drill",
        "production-day",
        "black-friday",
        "noisy-neighbour",
        "quiet-night",
        "migration-backfill",
        "alert-storm",
        "cardinality-bomb",
    }
    assert promised <= {path.stem for path in DATA}


def test_a_day_of_production_has_a_night_for_each_tenant() -> None:
    found = explain(load_scenario(SHIPPED / "production-day.yaml"), 42, columns=24)
    for name, counts in found.counts["traces"].items():
        assert max(counts) > 3 * min(counts), name


@pytest.mark.parametrize("name", ["drill", "quiet-night", "cardinality-bomb"])
def test_a_dry_run_counts_what_is_generated_and_this_machine_is_fast_enough(name: str) -> None:
    """Of the others too, but that takes minutes: items, requests and bytes of what is really encoded."""
    of = load_scenario(SHIPPED / f"{name}.yaml")
    lasts_s = min(15.0, of.file.duration)
    plan = count(of, 7, lasts_s)
    made = World(of, Identity("dry-run", of.tenants), 7, 10**18, lasts_s)
    parcels = [made.parcel(batch) for tick in range(made.ticks + 1) for batch in made.batches(tick)]
    for signal in SIGNALS:
        assert sum(parcel.items for parcel in parcels if parcel.batch.signal == signal) == plan.items[signal]
    assert len(parcels) == plan.requests
    assert abs(sum(len(parcel.body) for parcel in parcels) / plan.bytes_estimate - 1) < 0.05
    assert plan.busy < 0.7


def test_the_times_of_an_axis_are_of_one_kind() -> None:
    said = text(explain(scenario(), 0, duration_s=150), 100)
    axis = said.splitlines()[next(at for at, line in enumerate(said.splitlines()) if "└" in line) + 1].split()
    assert axis == ["0", "00:38", "01:15", "01:52", "02:30"]
