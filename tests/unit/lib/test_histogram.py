"""The histogram: within 1/128 of the truth, and the same however the values are grouped."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from runners.lib.histogram import SUB_BUCKETS, ZERO, Histogram, bucket_of, middle_of

VALUES = st.floats(1e-9, 1e9)
ANY = st.floats(-1e300, 1e300)


def of(values):
    made = Histogram()
    for value in values:
        made.record(value)
    return made


@given(VALUES)
def test_the_middle_of_its_bucket_is_near_every_value(value):
    assert abs(middle_of(bucket_of(value)) - value) <= value / (2 * SUB_BUCKETS) * 1.0001


@given(st.lists(VALUES, min_size=1), st.floats(0, 1))
def test_a_quantile_is_the_nearest_rank_within_a_bucket(values, q):
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    assert abs(of(values).quantile(q) - exact) <= exact / SUB_BUCKETS


@given(st.lists(VALUES), st.lists(VALUES))
def test_merging_is_recording_all(one, two):
    merged = Histogram.merged([of(one), of(two)])
    both = of([*one, *two])
    assert (merged.buckets, merged.count, merged.minimum, merged.maximum) == (
        both.buckets,
        both.count,
        both.minimum,
        both.maximum,
    )
    assert math.isclose(merged.total, both.total, rel_tol=1e-9, abs_tol=1e-12)


@given(st.lists(ANY | st.just(0.0) | st.just(5e-324) | st.integers(-5, 5)))
def test_recording_many_is_recording_each(values):
    many = Histogram()
    many.record_many(values)
    each = of([float(value) for value in values])
    assert many == each


@given(st.lists(VALUES), st.lists(VALUES))
def test_recording_many_does_not_depend_on_the_cut(one, two):
    cut, whole = Histogram(), Histogram()
    cut.record_many(one)
    cut.record_many(two)
    whole.record_many([*one, *two])
    assert cut == whole


@given(st.lists(VALUES))
def test_json_brings_it_back(values):
    made = of(values)
    assert Histogram.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_zero_and_less_have_a_bucket_of_their_own_and_nothing_has_no_quantile():
    assert bucket_of(0) == bucket_of(-3) == ZERO
    assert Histogram().quantile(0.5) is None and Histogram().mean is None
    made = of([0, 0, 8])
    assert made.quantile(0.5) == 0 and made.quantile(1) == 8 and made.mean == 8 / 3


def test_errors_are_counted_beside():
    made = Histogram()
    made.record(1.0, error=True)
    made.record(2.0)
    assert (made.count, made.errors) == (2, 1)
