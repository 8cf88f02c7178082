"""PromQL against values computed by hand, with the worked examples beside them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from observastack.backend.promql.compile import MAX_DEPTH, MAX_QUERY_LENGTH, compile_query, selectors
from observastack.backend.promql.evaluate import Data, Series, evaluate, result_type
from observastack.backend.promql.functions import bucket_quantile
from observastack.backend.promql.nodes import BadQuery, Unsupported

S = 10**9
T = 1000 * S


def data(query: str, *series: tuple[dict[str, str], list[tuple[int, float]]]) -> Any:
    """Evaluate at T; every selector sees the series of its name. Points: (seconds before T, value), oldest first."""
    node = compile_query(query)
    stored = [
        Series(tuple(sorted(labels.items())), [T - ago * S for ago, _ in points], [value for _, value in points])
        for labels, points in series
    ]
    loaded: Data = {
        one: [each for each in stored if dict(each.labels)["__name__"] == one.name] for one in selectors(node)
    }
    value = evaluate(node, T, loaded)
    if isinstance(value, float):
        return value
    return {tuple(f"{k}={v}" for k, v in labels): number for labels, number in value}


def one(name: str, *points: tuple[int, float], **labels: str) -> tuple[dict[str, str], list[tuple[int, float]]]:
    return {"__name__": name, **labels}, list(points)


def test_an_instant_selector_takes_the_latest_sample_within_five_minutes() -> None:
    assert data("x", one("x", (400, 1), (20, 2), (10, 3))) == {("__name__=x",): 3}
    assert data("x", one("x", (299, 1))) == {("__name__=x",): 1}
    assert data("x", one("x", (300, 1))) == {}  # the look-back is open at its start
    assert data("x offset 10s", one("x", (20, 2), (5, 3))) == {("__name__=x",): 2}


def test_rate_without_extrapolation() -> None:
    # Samples at both ends of (T-60, T]: 59 s apart, 4.0 and 1 s average distance to the borders is within 1.1 × 29.5.
    # 30 -> 89: difference 59 over 59 s sampled; start border 1 s away, end border 0 s: 59 * (60/59) / 60 = 1.
    assert data("rate(c[1m])", one("c", (59, 30), (30, 59), (0, 89))) == {(): pytest.approx(1.0)}


def test_increase_extrapolates_to_the_borders() -> None:
    # (T-60, T]: samples at -50 (100) and -10 (140): 40 in 40 s. Average distance 40, so both borders (10 s) are
    # within 44 s: factor (40 + 10 + 10) / 40 = 1.5 -> 60.
    assert data("increase(c[1m])", one("c", (50, 100), (10, 140))) == {(): pytest.approx(60.0)}


def test_increase_stops_half_a_distance_beyond_samples_far_from_the_borders() -> None:
    # (T-100, T]: samples at -60, -50, -40 (10 s apart): borders are 40 s away, more than 11 s: 5 s on either side.
    # 20 in 20 s -> 20 * (20 + 5 + 5) / 20 = 30.
    assert data("increase(c[100s])", one("c", (60, 100), (50, 110), (40, 120))) == {(): pytest.approx(30.0)}


def test_a_counter_is_never_extrapolated_below_zero() -> None:
    # Starts at 1 with slope 1/s: zero is 1 s before the first sample, though the border is 10 s away.
    # (40 + 1 + 10) / 40 * 40 = 51.
    assert data("increase(c[1m])", one("c", (50, 1), (10, 41))) == {(): pytest.approx(51.0)}


def test_a_counter_reset_counts_what_came_before_it() -> None:
    # 10, 20, 5, 15: 10 before the reset, 5 after it from zero, 10 more: (15 - 10) + 20 = 25 in 30 s, borders 30 s away
    # at the start (half of 10 s average: 5 s), 0 at the end: 25 * 35 / 30.
    points = ((30, 10), (20, 20), (10, 5), (0, 15))
    assert data("increase(c[1m])", one("c", *points)) == {(): pytest.approx(25 * 35 / 30)}
    assert data("delta(c[1m])", one("c", *points)) == {(): pytest.approx(5 * 35 / 30)}


def test_rate_needs_two_samples() -> None:
    assert data("rate(c[1m])", one("c", (10, 5))) == {}


def test_over_time() -> None:
    series = one("g", (61, 100), (40, 1), (20, 5), (0, 3), a="b")
    for function, value in (("avg", 3), ("min", 1), ("max", 5), ("sum", 9), ("count", 3)):
        assert data(f"{function}_over_time(g[1m])", series) == {("a=b",): value}
    assert data("last_over_time(g[1m])", series) == {("__name__=g", "a=b"): 3}


FLEET = (
    one("m", (0, 1), job="a", host="x"),
    one("m", (0, 2), job="a", host="y"),
    one("m", (0, 10), job="b", host="x"),
    one("m", (0, 7), job="b", host="z"),
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(m)", {(): 20}),
        ("sum by (job) (m)", {("job=a",): 3, ("job=b",): 17}),
        ("avg by (job) (m)", {("job=a",): 1.5, ("job=b",): 8.5}),
        ("min(m)", {(): 1}),
        ("max without (host) (m)", {("job=a",): 2, ("job=b",): 10}),
        ("count by (host) (m)", {("host=x",): 2, ("host=y",): 1, ("host=z",): 1}),
        ("sum by (nothing) (m)", {(): 20}),
        ("topk(2, m)", {("__name__=m", "host=x", "job=b"): 10, ("__name__=m", "host=z", "job=b"): 7}),
        ("topk by (job) (1, m)", {("__name__=m", "host=y", "job=a"): 2, ("__name__=m", "host=x", "job=b"): 10}),
        ("bottomk(1, m)", {("__name__=m", "host=x", "job=a"): 1}),
        ("topk(0, m)", {}),
        ("sum(m) * 2 + 1", {(): 41}),
        ("2 ^ 3 ^ 2", 512.0),
        ("-sum(m)", {(): -20}),
        ("7 % 4", 3.0),
        ("1 / 0", math.inf),
        ("sum(m) > 30", {}),
        ("sum(m) > 10", {(): 20}),
        ("sum(m) > bool 30", {(): 0}),
        ("1 < bool 2", 1.0),
        ("10 - sum(m)", {(): -10}),
        ("m > 6", {("__name__=m", "host=x", "job=b"): 10, ("__name__=m", "host=z", "job=b"): 7}),
        ("sum by (job) (m) / count by (job) (m)", {("job=a",): 1.5, ("job=b",): 8.5}),
        ("sum by (job) (m) / on (job) max by (job) (m)", {("job=a",): 1.5, ("job=b",): 1.7}),
        ("m / ignoring (host, job) m", None),
    ],
)
def test_aggregation_and_arithmetic(query: str, expected: Any) -> None:
    if expected is None:
        with pytest.raises(BadQuery):
            data(query, *FLEET)
        return
    assert data(query, *FLEET) == (pytest.approx(expected) if isinstance(expected, dict) else expected)


def test_not_a_number_is_the_last_choice() -> None:
    series = (one("n", (0, math.nan), a="1"), one("n", (0, 5), a="2"))
    assert data("max(n)", *series) == {(): 5}
    assert data("topk(1, n)", *series) == {("__name__=n", "a=2"): 5}
    assert data("bottomk(1, n)", *series) == {("__name__=n", "a=2"): 5}
    assert math.isnan(data("sum(n)", *series)[()])


def test_histogram_quantile() -> None:
    # 10 observations <= 0.1, 30 more <= 0.5, 10 more <= 1: the median is rank 25, 15 of 30 into (0.1, 0.5] -> 0.3.
    buckets = [(0.1, 10.0), (0.5, 40.0), (1.0, 50.0), (math.inf, 50.0)]
    assert bucket_quantile(0.5, buckets) == pytest.approx(0.3)
    assert bucket_quantile(0.1, buckets) == pytest.approx(0.05)  # rank 5 of 10 in (0, 0.1]
    assert bucket_quantile(1, buckets) == pytest.approx(1.0)
    assert bucket_quantile(0.99, [(1.0, 1.0), (math.inf, 10.0)]) == 1.0  # beyond the last finite bound
    assert bucket_quantile(-0.1, buckets) == -math.inf
    assert bucket_quantile(1.1, buckets) == math.inf
    assert math.isnan(bucket_quantile(0.5, buckets[:3]))  # no +Inf bucket
    assert math.isnan(bucket_quantile(0.5, [(1.0, 0.0), (math.inf, 0.0)]))
    series = [
        one("h_bucket", (0, count), le="+Inf" if bound == math.inf else str(bound), job="a") for bound, count in buckets
    ]
    assert data("histogram_quantile(0.5, sum by (le, job) (h_bucket))", *series) == {("job=a",): pytest.approx(0.3)}


@pytest.mark.parametrize(
    "query", ["", "sum(", "x{", "rate(x)", "sum(x[5m])", "1 > 2", 'x{a=~"("}', "topk(1)", "{}", '{a=""}']
)
def test_what_is_no_query_is_bad(query: str) -> None:
    with pytest.raises(BadQuery):
        compile_query(query)


@pytest.mark.parametrize(
    "query",
    [
        "absent(x)", "stddev(x)", 'count_values("a", x)', "quantile(0.5, x)", "x and y", "x or y", "x unless y",
        "x @ 5", "rate(x[5m:1m])", "x / on (a) group_left y", '"text"', 'x{a="1" or b="2"}', "irate(x[1m])",
        'x{a=~"(?i)b"}', "topk(scalar(x), y)",
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_said_to_be_unsupported(query: str) -> None:
    with pytest.raises(Unsupported):
        compile_query(query)


@pytest.mark.parametrize(
    "query",
    [
        "(" * MAX_QUERY_LENGTH,
        "(" * 900 + "1" + ")" * 900,
        "1" + "+1" * (MAX_DEPTH + 1),
        "2^" * 900 + "1",
        "sum(" * 400 + "x" + ")" * 400,
    ],
)
def test_nesting_is_bounded(query: str) -> None:
    with pytest.raises(BadQuery):
        compile_query(query)


def test_two_series_of_one_label_set_are_an_error_not_a_wrong_number() -> None:
    with pytest.raises(BadQuery):
        data("rate(c[1m])", one("c", (50, 1), (10, 2)), one("c", (40, 1), (20, 2)))


@pytest.mark.parametrize(
    ("query", "kind"), [("1 + 1", "scalar"), ("x", "vector"), ("x[1m]", "matrix"), ("sum(x) + 1", "vector")]
)
def test_result_type(query: str, kind: str) -> None:
    assert result_type(compile_query(query)) == kind
