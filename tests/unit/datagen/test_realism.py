"""Generated telemetry looks like production, and docs/realism.md says of it what is so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.realism.figures import Figure, figures, mined
from tests.realism.miner import ANY, Miner
from tests.realism.page import PAGE, PICTURES, stale, with_table
from tests.realism.sample import Sample, sample


@pytest.fixture(scope="module")
def of() -> Sample:
    return sample()


@pytest.fixture(scope="module")
def measured(of: Sample) -> list[Figure]:
    return figures(of)


def test_every_figure_is_in_the_range_of_production(measured: list[Figure]) -> None:
    assert not [f"{one.name}: {one.shown(one.value)}, not {one.range}" for one in measured if not one.holds]


def test_the_page_says_what_is_measured(measured: list[Figure]) -> None:
    page = PAGE.read_text()
    assert not stale(page, measured), "write it anew: python -m tests.perf.realism --page --pictures"
    other = [replace(measured[0], value=measured[0].value * 1.2), *measured[1:]]
    assert stale(page, other) and not stale(with_table(page, other), other)
    assert all(
        (PICTURES / f"{name}.png").stat().st_size > 20_000 for name in ("day", "chance", "logs", "trace", "latency")
    )


def test_a_template_miner_finds_some_patterns_in_each_service_and_hardly_a_line_like_no_other(of: Sample) -> None:
    assert len(of.lines) >= 20_000
    miners = mined(of)
    assert len(miners) == 12
    for miner in miners.values():
        assert 5 <= len(miner.templates) <= 200
        assert miner.rare < 0.01


def test_the_miner_tells_patterns_apart_and_parameters_not() -> None:
    miner = Miner()
    for number in range(50):
        miner.add(f"user u{number} signed in from 10.0.0.{number} at 2026-11-18T11:00:{number:02d}Z")
        miner.add(f"order {number:016x} placed, {number} items")
    miner.add("quorum lost: entering read-only mode")
    assert sorted((template.lines, template.text) for template in miner.templates) == [
        (1, "quorum lost: entering read-only mode"), (50, f"order {ANY} placed {ANY} items"),
        (50, f"user {ANY} signed in from {ANY} at {ANY}"),
    ]  # fmt: skip
    assert miner.rare == pytest.approx(1 / 101)
