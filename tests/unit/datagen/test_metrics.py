"""Histograms, exemplars, restarts, cardinality and churn: what is measured is what the spans say, in exact numbers."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import cast

import numpy as np
import pytest

from runners.datagen.model.buckets import BOUNDS, BUCKETS, OFFSET, classic, exponential
from runners.datagen.model.filler import Filler
from runners.datagen.model.metrics import CALLED, CALLS, SERVED
from runners.datagen.plan import count
from runners.datagen.world import World
from runners.ledger.items import Histogram, Item, Sample, Span
from runners.ledger.shown import series_of, shown, split
from runners.ledger.sight import Sight, labels
from runners.lib.errors import FileError
from runners.wire.otlp import encode_metrics
from runners.wire.remote_write import samples_of
from tests.unit.datagen.worlds import START, TEXT, scenario, world

HISTOGRAMS = TEXT.replace("cpus: 1", "cpus: 1, histograms: true")
RESTARTS = HISTOGRAMS.replace("cpus: 1", "cpus: 1, restart: 3s")


def points(of: World, tenant: int = 0) -> list[Item]:
    return [item for tick in range(of.ticks) for item in of.slice(tenant, "metrics", tick)]


def spans(of: World, tenant: int = 0) -> list[Span]:
    return [cast("Span", item) for tick in range(of.ticks) for item in of.slice(tenant, "traces", tick)]


def key(item: Histogram | Sample) -> tuple[str, str]:
    return item.resource.instance_id, repr(sorted(item.attributes.items()))


def of_span(span: Span) -> tuple[str, str]:
    kinds = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
    attributes = {
        "span.name": span.name, "span.kind": f"SPAN_KIND_{kinds[span.kind]}",
        "status.code": f"STATUS_CODE_{('UNSET', 'OK', 'ERROR')[span.status_code]}",
    }  # fmt: skip
    return span.resource.instance_id, repr(sorted(attributes.items()))


def test_histograms_count_the_very_spans() -> None:
    of = world(text=HISTOGRAMS)
    took: dict[tuple[str, str], list[int]] = defaultdict(list)
    for span in spans(of):
        took[of_span(span)].append(span.end - span.start)
    last = {(item.name, key(item)): item for item in points(of) if isinstance(item, Histogram)}
    assert {name for name, _ in last} == {SERVED, CALLED}
    assert sum(item.total for item in last.values()) == sum(span.kind in (2, 3, 5) for span in spans(of))
    for (name, which), item in last.items():
        durations = took[which]
        assert (item.total, item.sum) == (len(durations), sum(durations) / 1e9)
        if name == SERVED:
            expected = Counter(bisect_left(item.bounds, each / 1e9) for each in durations)
        else:
            assert item.scale == 0
            expected = Counter(math.ceil(math.log2(each / 1e9)) - 1 - item.offset for each in durations)
        assert {place: cell for place, cell in enumerate(item.counts) if cell} == expected


def test_a_bound_belongs_to_the_bucket_below() -> None:
    for number, bound in enumerate(BOUNDS):
        ns = round(bound * 10**9)
        assert classic(np.array([ns, ns + 1])).tolist() == [number, number + 1]
    for number in range(BUCKETS - 1):
        ns = 10**9 * 2 ** (OFFSET + 1 + number)  # a whole number from 2^-9 s on
        if ns == int(ns):
            assert exponential(np.array([int(ns), int(ns) + 1])).tolist() == [number, number + 1]


def test_series_that_churn_are_replaced_one_after_the_other() -> None:
    of = Filler(slots=100, lifetime=20)
    for tick in range(60):
        assert (of.generations(tick + 1) != of.generations(tick)).sum() == 5


def test_exemplars_point_to_the_last_span_that_was_counted() -> None:
    of = world(text=HISTOGRAMS)
    known = {(span.trace_id, span.span_id): span for span in spans(of)}
    found = 0
    for item in points(of):
        if not isinstance(item, Histogram):
            continue
        for exemplar in item.exemplars:
            span = known[exemplar.trace_id, exemplar.span_id]
            assert of_span(span) == key(item)
            assert exemplar.value == (span.end - span.start) / 1e9
            assert item.start <= exemplar.time == span.end <= item.time
            found += 1
        assert len(item.exemplars) == (item.total > 0)
    assert found > 100


@pytest.mark.parametrize(("restart", "interval"), [("3s", "2s"), ("2s", "2s"), ("4s", "3s"), ("5s", "1s")])
def test_a_restart_sets_all_that_a_process_counts_back_and_says_when(restart: str, interval: str) -> None:
    of = world(
        text=RESTARTS.replace("restart: 3s", f"restart: {restart}").replace("interval: 2s", f"interval: {interval}")
    )
    lives: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    for item in points(of):
        if isinstance(item, Histogram):
            lives[item.name, *key(item)][item.start] = item.total
            assert sum(item.counts) == item.total
        elif isinstance(item, Sample) and item.instrument == "counter":
            own = lives[item.name, *key(item)]
            assert item.value >= own.get(item.start, 0)
            own[item.start] = item.value
            assert START <= item.start <= item.time
            if item.name.startswith("system."):
                assert item.start == START  # hosts go on
    assert max(map(len, lives.values())) >= 2
    assert all(start == START or (start - START) % of.tick_ns == 0 for life in lives.values() for start in life)
    # It restarts when it has just reported: all lives together have counted every span.
    calls = sum(sum(life.values()) for (name, *_), life in lives.items() if name == CALLS)
    assert calls == len(spans(of))


def test_series_are_exactly_as_many_as_asked_for() -> None:
    text = TEXT.replace("cpus: 1", "cpus: 1, histograms: true, series: 20000")
    of = world(text=text)
    for tick in range(of.ticks - 1, of.ticks + 1):
        seen = {
            repr(sorted(told.items()))
            for tenant in range(2)
            for item in of.slice(tenant, "metrics", tick)
            for told, _ in samples_of(of.tenants[tenant], item)  # type: ignore[arg-type]
        }
        assert len(seen) == (20_000 - 2 if tick < of.ticks else 2)
    assert of.series() == of.active_series() == 20_000
    planned = count(scenario(text), 42)
    assert (planned.series, planned.active_series) == (20_000, 20_000)


def test_churned_series_are_counted_exactly() -> None:
    text = TEXT.replace("cpus: 1", "cpus: 1, series: 5000, churn: 20%/s")
    of = world(text=text)
    seen: set[str] = set()
    for tick in range(of.ticks + 1):
        for tenant in range(2):
            items = of.slice(tenant, "metrics", tick)
            own = {
                repr(sorted(told.items()))
                for item in items
                for told, _ in samples_of(of.tenants[tenant], item)  # type: ignore[arg-type]
            }
            assert len(own) == len(items)
            seen |= own
    assert of.active_series() == 5000
    assert len(seen) == of.series()
    assert 1.5 < of.series() / 5000 < 2.5


@pytest.mark.parametrize("labelled", [False, True])
def test_every_stored_sample_of_a_point_names_it(labelled: bool) -> None:
    of = world(text=RESTARTS.replace("cpus: 1", "cpus: 1, series: 20000, churn: 20%/s"))
    sight = Sight(labels=True) if labelled else Sight()
    for tick in (1, 5):
        for item in of.slice(1, "metrics", tick):
            parts = [("", item.attributes)]
            if isinstance(item, Histogram):
                parts = [
                    (one.suffix, item.attributes if one.le is None else {**item.attributes, "le": one.le})
                    for one in shown(item)
                ]
                assert len(parts) == series_of(item)
            for suffix, attributes in parts:
                told = labels(item.resource, attributes) if labelled else dict(attributes)
                name = f"{item.name}{suffix}"  # type: ignore[union-attr]
                found = of.sample_number(item.resource.instance_id, name, told, item.time, sight)  # type: ignore[arg-type, union-attr]
                assert found == (1, item.seq), (name, told)
                assert of.sample_number(item.resource.instance_id, name, {**told, "x": 1}, item.time, sight) is None  # type: ignore[arg-type, union-attr]
                if not split(name, {}):
                    assert of.sample_number(item.resource.instance_id, f"{name}_count", told, item.time, sight) is None  # type: ignore[arg-type, union-attr]


def test_points_of_one_metric_are_told_together() -> None:
    of = world(text=HISTOGRAMS)
    assert len(encode_metrics(of.slice(0, "metrics", 1))) > 10_000  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        ("series: 100", "makes"),
        ("series: 20000000", "at most"),
        ("churn: 5%/h", "without metrics.series"),
        ("series: 20000, churn: 5", "not a churn"),
        ("series: 20000, churn: 90%/s", "faster"),
    ],
)
def test_what_cannot_be_met_is_refused(metrics: str, why: str) -> None:
    with pytest.raises(FileError, match=why):
        world(text=TEXT.replace("cpus: 1", f"cpus: 1, {metrics}"))
