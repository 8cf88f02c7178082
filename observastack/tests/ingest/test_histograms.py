"""Histograms become the samples that PromQL asks for; what contradicts itself is refused."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from observastack.ingest.otlp import Dictionary, decode
from observastack.ingest.otlp.histograms import Shown, Unsound, classic, exponential


def buckets(shown: list[Shown]) -> list[tuple[float, float]]:
    return [(float(one.le), one.value) for one in shown if one.le is not None]


def test_a_classic_histogram_is_cumulative_with_count_and_sum() -> None:
    point = HistogramDataPoint(count=7, sum=3.5, bucket_counts=[1, 0, 4, 2], explicit_bounds=[0.005, 1, 2500])
    assert list(classic(point)) == [
        ("_bucket", "0.005", 1), ("_bucket", "1", 1), ("_bucket", "2500", 5), ("_bucket", "+Inf", 7),
        ("_count", None, 7), ("_sum", None, 3.5),
    ]  # fmt: skip


def test_without_a_sum_none_is_made_up() -> None:
    assert [one.suffix for one in classic(HistogramDataPoint(count=2))] == ["_bucket", "_count"]


@pytest.mark.parametrize(
    ("point", "why"),
    [
        (HistogramDataPoint(count=2, bucket_counts=[1, 1], explicit_bounds=[1, 2]), "one bucket more"),
        (HistogramDataPoint(count=3, bucket_counts=[1, 1], explicit_bounds=[1]), "sum of its buckets"),
        (HistogramDataPoint(count=3, bucket_counts=[1, 1, 1], explicit_bounds=[2, 1]), "rise"),
        (HistogramDataPoint(count=2, bucket_counts=[1, 1], explicit_bounds=[math.nan]), "rise"),
    ],
)
def test_what_contradicts_itself_is_refused(point: HistogramDataPoint, why: str) -> None:
    with pytest.raises(Unsound, match=why):
        list(classic(point))


def exponential_of(values: list[float], scale: int) -> ExponentialHistogramDataPoint:
    """Written from the data model's definition, independently of the code under test."""
    point = ExponentialHistogramDataPoint(scale=scale, count=len(values), sum=math.fsum(values))
    for side, own in (("positive", [v for v in values if v > 0]), ("negative", [-v for v in values if v < 0])):
        indexes = [math.ceil(math.log2(value) * 2.0**scale) - 1 for value in own]
        if indexes:
            part = getattr(point, side)
            part.offset = min(indexes)
            part.bucket_counts.extend(indexes.count(place) for place in range(min(indexes), max(indexes) + 1))
    point.zero_count = sum(value == 0 for value in values)
    return point


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 2) + 0.0013), max_size=40),
    st.integers(-2, 4),
    st.integers(0, 3),
)
def test_an_exponential_histogram_counts_what_lies_below_each_bound(
    values: list[float], scale: int, zeros: int
) -> None:
    values += [0.0] * zeros
    shown = list(exponential(exponential_of(values, scale)))
    found = buckets(shown)
    assert found[-1] == (math.inf, len(values))
    assert all(low[0] < high[0] and low[1] <= high[1] for low, high in pairwise(found))
    ordered = sorted(values)
    for bound, count in found[:-1]:  # only zeros lie on a bound
        assert count == bisect_right(ordered, bound)
    assert {one.suffix: one.value for one in shown if one.le is None}["_count"] == len(values)


@pytest.mark.parametrize("scale", [-11, 21, -(2**31), 2**31 - 1])
def test_a_scale_that_no_sdk_makes_is_refused_at_once(scale: int) -> None:
    with pytest.raises(Unsound, match="scale"):
        list(exponential(ExponentialHistogramDataPoint(scale=scale, count=1, positive={"bucket_counts": [1]})))  # type: ignore[arg-type]


@pytest.mark.parametrize("offset", [-(2**31), 2**31 - 1])
def test_buckets_beyond_the_doubles_are_one(offset: int) -> None:
    positive = {"offset": offset, "bucket_counts": [1] if offset > 0 else [1, 1]}
    point = ExponentialHistogramDataPoint(count=len(positive["bucket_counts"]), positive=positive)  # type: ignore[arg-type]
    assert buckets(list(exponential(point)))[-1] == (math.inf, point.count)


def test_one_point_is_one_item_of_several_rows() -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="latency", unit="s")
    metric.histogram.aggregation_temporality = 2  # type: ignore[assignment]
    for moment in (10**18, 10**18 + 1):
        counts = random.Random(moment).choices(range(9), k=3)
        metric.histogram.data_points.add(
            time_unix_nano=moment, count=sum(counts), sum=1.5, bucket_counts=counts, explicit_bounds=[0.1, 1]
        )
    batch = decode(
        "metrics", request.SerializeToString(), json=False, tenant=1, dictionary=Dictionary(), first_id=1, now=10**18
    )
    assert (batch.items, len(batch.rows), batch.rejected_items) == (2, 10, 0)
    assert sorted(row.name for row in batch.series.values()) == ["latency_bucket"] * 3 + [
        "latency_count",
        "latency_sum",
    ]
    batch.keep_window(10**18 + 1, 10**18 + 2)
    assert (batch.items, len(batch.rows), batch.rejected_items) == (1, 5, 1)
