"""Series that end are marked: each once, in the tick in which it is known, and whatever ends in silence is not."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from runners.datagen.plan import count
from runners.datagen.world import World
from runners.ledger.items import Histogram, Point, Sample
from runners.ledger.shown import shown
from runners.ledger.sight import Sight, labels
from runners.lib.errors import FileError
from runners.wire.remote_write import STALE, samples_of
from tests.unit.datagen.worlds import TEXT, scenario, world

CHURN = TEXT.replace("duration: 6s", "duration: 12s").replace(
    "cpus: 1", "cpus: 1, histograms: true, restart: 3s, series: 9000, churn: 20%/s, staleness: true"
)
DEPLOYS = """
anomalies:
  - {name: out, kind: deploy, target: {service: cart}, at: 1s, lasts: 4s}
  - {name: again, kind: deploy, target: {service: cart}, at: 6s, lasts: 4s}
  - {name: hush, kind: silent, target: {service: payment}, at: 3s, lasts: 4s}
  - {name: unheard, kind: deploy, target: {service: payment}, at: 4s, lasts: 4s}
  - {name: late, kind: deploy, target: {service: catalog}, at: 11s, lasts: 1s}
"""
SILENT = ("payment", range(3, 7))
Series = tuple[str, str, str]


def series(one: Point) -> Series:
    return one.resource.instance_id, one.name, repr(sorted(one.attributes.items()))


def points(of: World, tenant: int, tick: int) -> tuple[list[Point], list[Point]]:
    """(what is told, markers) of a tick."""
    items: list[Point] = of.slice(tenant, "metrics", tick)  # type: ignore[assignment]
    ended = of.ended(tenant, "metrics", tick)
    told, markers = items[: len(items) - ended], items[len(items) - ended :]
    assert not any(one.ended for one in told)
    assert all(one.ended for one in markers)
    return told, markers


def expected(of: World, tenant: int) -> dict[int, set[Series]]:
    """What ends in which tick, from what is told alone."""
    reports: dict[str, dict[int, set[Series]]] = defaultdict(lambda: defaultdict(set))
    services: dict[str, str] = {}
    for tick in range(of.ticks):
        for one in points(of, tenant, tick)[0]:
            reports[one.resource.instance_id][tick].add(series(one))
            services[one.resource.instance_id] = one.resource.service
    found: dict[int, set[Series]] = defaultdict(set)
    for instance, told in reports.items():
        ticks = sorted(told)
        for before, after in pairwise(ticks):
            found[after] |= told[before] - told[after]
        gone = ticks[-1] + 1
        if gone < of.ticks and not (services[instance] == SILENT[0] and gone in SILENT[1]):
            found[gone] |= told[ticks[-1]]
    return {tick: ended for tick, ended in found.items() if ended}


@pytest.mark.parametrize("text", [CHURN, CHURN + DEPLOYS, CHURN.replace("churn: 20%/s, ", "") + DEPLOYS])
def test_each_series_that_is_told_no_more_is_marked_once_when_that_is_known(text: str) -> None:
    of = world(text=text)
    for tenant in range(2):
        found: dict[int, set[Series]] = {}
        for tick in range(of.ticks):
            markers = points(of, tenant, tick)[1]
            assert len({series(one) for one in markers}) == len(markers)
            if markers:
                found[tick] = set(map(series, markers))
            for one in markers:
                assert one.time - of.start_ns - (tick + 1) * of.tick_ns in range(1, of.tick_ns)
        assert found == expected(of, tenant)
        assert len(found) > 1


def test_what_is_silent_or_replaced_in_silence_and_what_the_end_of_the_run_cuts_off_is_not_marked() -> None:
    of = world(text=CHURN.replace("churn: 20%/s, ", "") + DEPLOYS)
    gone: dict[str, set[str]] = defaultdict(set)
    for tick in range(of.ticks):
        for one in points(of, 0, tick)[1]:
            gone[one.resource.service].add(one.resource.instance_id)
    # Two instances of the cart, replaced twice; of the catalog one in the last tick, and one when the run is over.
    assert {service: len(instances) for service, instances in gone.items()} == {"cart": 4, "catalog": 1}
    assert not of.ended(0, "metrics", of.ticks)


def test_a_marker_says_its_series_and_time_and_nothing_else() -> None:
    of = world(text=CHURN + DEPLOYS)
    markers = [one for tick in range(of.ticks) for one in points(of, 0, tick)[1]]
    for one in markers:
        assert one.start == 0
        if isinstance(one, Histogram):
            assert (one.total, one.sum, sum(one.counts), one.exemplars) == (0, 0.0, 0, ())
        # Every series in which a store shows it ends.
        values = [value for _, value in samples_of("acme", one)]
        assert all(value is STALE for value in values)
        assert len(values) == (len(shown(one)) if isinstance(one, Histogram) else 1)
    assert {type(one) for one in markers} == {Sample, Histogram}


def test_the_other_requests_are_those_of_a_run_without_markers() -> None:
    text = CHURN.replace("histograms: true, ", "").replace("series: 9000", "series: 4000") + DEPLOYS
    marked, plain = world(text=text), world(text=text.replace(", staleness: true", ""))
    more = 0
    for tick in range(plain.ticks + 1):
        batches = marked.batches(tick)
        assert set(plain.batches(tick)) <= set(batches)
        for batch in batches:
            ended = marked.ended(batch.tenant, batch.signal, tick)
            size = marked.count(batch.tenant, batch.signal, tick)
            if ended and batch.part >= marked.part_of(size - ended, size, ended):
                more += marked.parcel(batch).items
            elif batch.signal == "metrics":
                assert marked.parcel(batch) == plain.parcel(batch)
    with_them, without = count(scenario(text), 42), count(scenario(text.replace(", staleness: true", "")), 42)
    assert with_them.items["metrics"] - without.items["metrics"] == with_them.markers == more > 1000
    assert (with_them.series, with_them.active_series) == (without.series, without.active_series)
    assert without.markers == 0


@pytest.mark.parametrize("labelled", [False, True])
def test_a_sample_in_the_place_of_a_marker_names_it(labelled: bool) -> None:
    of = world(text=CHURN + DEPLOYS)
    sight, seen = Sight(labels=True) if labelled else Sight(), set[int]()
    for tick in range(of.ticks):
        for one in points(of, 1, tick)[1]:
            name = f"{one.name}_count" if isinstance(one, Histogram) else one.name
            told = labels(one.resource, one.attributes) if labelled else dict(one.attributes)
            assert of.sample_number(one.resource.instance_id, name, told, one.time, sight) == (1, one.seq)  # type: ignore[arg-type]
            assert of.sample_number(one.resource.instance_id, name, {**told, "x": 1}, one.time, sight) is None
            seen.add(one.seq)
    assert len(seen) > 500


def test_the_numbers_of_all_points_are_different_ones() -> None:
    of = world(text=CHURN + DEPLOYS)
    for tick in range(of.ticks + 1):
        numbers = of.numbers(0, "metrics", tick).tolist()
        assert numbers == [one.seq for one in of.slice(0, "metrics", tick)]
        assert len(set(numbers)) == len(numbers)
        assert set(of.ticks_of(0, "metrics", of.numbers(0, "metrics", tick)).tolist()) <= {tick}


def test_series_that_would_have_too_many_markers_at_once_are_refused() -> None:
    text = TEXT.replace("instances: 2", "instances: 1").replace("cpus: 1", "cpus: 1, series: 787000")
    world(text=text)
    with pytest.raises(FileError, match="at most"):
        world(text=text.replace("series:", "staleness: true, series:"))
