"""A series that was said to have ended is gone at once, and whoever reads samples is never shown how that was said."""

from __future__ import annotations

import math
from typing import Any

import pytest

from observastack.store.rows import STALE
from observastack.tests.backend.serving import SECOND, Backend, Store


@pytest.fixture
def ended(store: Store, era: int) -> int:
    """When one of two series ended (ns): both have samples of 1, 2 and 3 until 10 s before, and one goes on."""
    at = era + 600 * SECOND
    points = [(at - ago * SECOND, value) for ago, value in ((30, 1.0), (20, 2.0), (10, 3.0))]
    store.samples("initech", "load", [*points, (at, STALE)], "ending", labels={"shard": "1"})
    store.samples("initech", "load", [*points, (at, 4.0)], "ending", labels={"shard": "2"})
    return at


def shards(served: Backend, query: str, at: float) -> dict[str, str]:
    answer = served.post("initech-viewer", "/metrics/query", {"query": query, "time": at})
    assert answer.status_code == 200, answer.text
    return {one["metric"]["shard"]: one["value"][1] for one in answer.json()["data"]["result"]}


def test_an_instant_query_shows_it_up_to_its_end_and_no_longer(served: Backend, ended: int) -> None:
    at = ended / SECOND
    assert shards(served, "load", at - 1) == {"1": "3", "2": "3"}
    assert shards(served, "load", at) == {"2": "4"}
    assert shards(served, "load offset 5s", at + 5) == {"2": "4"}
    assert shards(served, "load offset 5s", at + 4) == {"1": "3", "2": "3"}


def test_a_range_query_shows_it_at_no_step_after_its_end(served: Backend, ended: int) -> None:
    at = ended / SECOND
    body = {"query": "load", "start": at - 30, "end": at + 10, "step": "10s"}
    result = served.post("initech-viewer", "/metrics/query_range", body).json()["data"]["result"]
    values = {one["metric"]["shard"]: [value for _, value in one["values"]] for one in result}
    assert values == {"1": ["1", "2", "3"], "2": ["1", "2", "3", "4", "4"]}


@pytest.mark.parametrize(
    ("function", "value"),
    [("count", "3"), ("sum", "6"), ("avg", "2"), ("min", "1"), ("max", "3"), ("last", "3")],
)
def test_what_counts_the_samples_of_a_range_counts_no_marker(
    served: Backend, ended: int, function: str, value: str
) -> None:
    assert shards(served, f"{function}_over_time(load[1m])", ended / SECOND)["1"] == value


def test_it_is_there_again_with_its_next_sample(served: Backend, store: Store, ended: int) -> None:
    store.samples("initech", "load", [(ended + 20 * SECOND, 7.0)], "ending", labels={"shard": "1"})
    at = ended / SECOND
    assert "1" not in shards(served, "load", at + 19)
    assert shards(served, "load", at + 20)["1"] == "7"
    assert shards(served, "count_over_time(load[2m])", at + 20)["1"] == "4"


def test_the_raw_samples_of_a_range_have_no_marker_among_them(served: Backend, ended: int) -> None:
    answer = served.post("initech-viewer", "/metrics/query", {"query": "load[1m]", "time": ended / SECOND})
    assert "NaN" not in answer.text
    assert [len(one["values"]) for one in answer.json()["data"]["result"]] == [3, 4]


def test_neither_search_nor_export_nor_counts_show_it(served: Backend, ended: int) -> None:
    window = {"from": str(ended - 60 * SECOND), "to": str(ended + SECOND)}
    only: dict[str, Any] = {"type": "metrics", "time_range": window}
    found = served.post("initech-viewer", "/search", {**only, "limit": 100})
    values = [one["content"]["value"] for one in found.json()["items"]]
    assert sorted(values) == [1, 1, 2, 2, 3, 3, 4]
    assert "NaN" not in found.text
    *items, last = served.export("initech-analyst", only)
    assert (len(items), last["count"]) == (7, 7)
    counted = served.post("initech-viewer", "/search/aggregate", only).json()
    assert sum(sum(one["counts"].values()) for one in counted["buckets"]) == 7


def test_any_other_nan_is_a_sample(served: Backend, store: Store, era: int) -> None:
    store.samples("initech", "ratio", [(era, math.nan)], "other", labels={"shard": "1"})
    assert shards(served, "ratio", era / SECOND) == {"1": "NaN"}
    window = {"from": str(era - SECOND), "to": str(era + SECOND)}
    *items, _ = served.export("initech-analyst", {"type": "metrics", "time_range": window})
    assert len(items) == 1
