"""PromQL over HTTP, on stored samples: the numbers of the evaluator's tests come out of the database too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from observastack.backend.database import Database
from observastack.backend.promql.compile import compile_query
from observastack.backend.stores.embedded.metrics import EmbeddedMetrics
from observastack.backend.stores.ports import Tenant
from observastack.config import Config
from observastack.tests.backend.serving import SECOND, Backend, Store


@pytest.fixture
def at(store: Store, era: int) -> float:
    """Unix seconds of the end of a minute of samples: two services, two instances, a counter and a histogram."""
    end = era + 600 * SECOND
    for service, slope in (("cart", 2), ("mail", 5)):
        points = [(end - ago * SECOND, float((60 - ago) * slope)) for ago in (60, 45, 30, 15, 0)]
        store.samples(
            "initech", "requests_total", points, service, labels={"code": "200"}, counter=True, pod=f"{service}-1"
        )
        store.samples(
            "initech", "requests_total", points, service, labels={"code": "500"}, counter=True, pod=f"{service}-1"
        )
    for bound, count in (("0.1", 10), ("0.5", 40), ("1", 50), ("+Inf", 50)):
        store.samples("initech", "latency_bucket", [(end, float(count))], "cart", labels={"le": bound})
    return end / SECOND


def query(served: Backend, text: str, at: float) -> Any:
    answer = served.post("initech-viewer", "/metrics/query", {"query": text, "time": at})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


def test_rate_by_service(served: Backend, at: float) -> None:
    # Four samples lie in (T-60, T], 45 s apart in all; the start border is 15 s away (within 1.1 x 15 s): factor 60/45.
    # cart: 90 in 45 s for each of two codes -> 2 x 90 * (60/45) / 60 = 4/s.
    data = query(served, 'sum by (service) (rate(requests_total{service=~"cart|mail"}[1m]))', at)
    assert data["resultType"] == "vector"
    values = {one["metric"]["service"]: float(one["value"][1]) for one in data["result"]}
    assert values == {"cart": pytest.approx(4), "mail": pytest.approx(10)}
    assert all(one["value"][0] == at for one in data["result"])


def test_labels_are_attributes_of_point_and_resource(served: Backend, at: float) -> None:
    (one,) = query(served, 'requests_total{code="500", pod="mail-1", tenant="initech"}', at)["result"]
    assert one["metric"] == {
        "__name__": "requests_total", "code": "500", "pod": "mail-1", "service": "mail", "service_name": "mail",
        "tenant": "initech",
    }  # fmt: skip
    assert one["value"][1] == "300"


@pytest.mark.parametrize(
    ("matcher", "count"),
    [
        ('code="200"', 2), ('code!="200"', 2), ('code=~"2..|3.."', 2), ('code!~"5.."', 2), ('code=~"20"', 0),
        ('missing=""', 4), ('missing!=""', 0), ('service="cart",code=~".+"', 2), ('code=~".*",pod=~"mail.*"', 2),
    ],
)  # fmt: skip
def test_matchers(served: Backend, at: float, matcher: str, count: int) -> None:
    assert len(query(served, f"requests_total{{{matcher}}}", at)["result"]) == count


def test_quantile_scalar_and_matrix(served: Backend, at: float) -> None:
    (one,) = query(served, "histogram_quantile(0.5, sum by (le) (latency_bucket))", at)["result"]
    assert float(one["value"][1]) == pytest.approx(0.3)
    assert query(served, "1 / 0", at) == {"resultType": "scalar", "result": [at, "+Inf"]}
    matrix = query(served, 'requests_total{code="200",service="cart"}[30s]', at)
    assert matrix["resultType"] == "matrix"
    assert matrix["result"][0]["values"] == [[at - 15, "90"], [at, "120"]]


def test_a_range_is_the_instant_query_at_every_step(served: Backend, at: float) -> None:
    text = "sum(requests_total)"
    body = {"query": text, "start": at - 60, "end": at, "step": "15s"}
    data = served.post("initech-viewer", "/metrics/query_range", body).json()["data"]
    assert data["resultType"] == "matrix"
    (series,) = data["result"]
    assert series["metric"] == {}
    assert series["values"] == [[at - ago, str(14 * (60 - ago))] for ago in (60, 45, 30, 15, 0)]
    assert query(served, text, at)["result"][0]["value"] == series["values"][-1]


def test_a_sample_stored_twice_counts_once(served: Backend, store: Store, era: int) -> None:
    for _ in range(2):
        store.samples("initech", "twice", [(era, 1.0), (era + SECOND, 2.0)])
    at = era / SECOND + 1
    assert float(query(served, "count_over_time(twice[1m])", at)["result"][0]["value"][1]) == 2


def test_times_may_be_rfc3339(served: Backend, at: float) -> None:
    from datetime import UTC, datetime

    text = datetime.fromtimestamp(at, UTC).isoformat()
    answer = served.post("initech-viewer", "/metrics/query", {"query": "sum(requests_total)", "time": text})
    assert answer.json()["data"]["result"][0]["value"] == [at, "840"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("query", {"query": "sum("}, 400),
        ("query", {"query": "absent(x)"}, 501),
        ("query", {"query": "x", "time": "soon"}, 422),
        ("query", {"query": 5}, 422),
        ("query", {}, 422),
        ("query", {"query": 'x{a=~"\\\\pL"}'}, 422),
        ("query_range", {"query": "x", "start": 0, "end": 10**6, "step": 1}, 422),
        ("query_range", {"query": "x", "start": 10, "end": 5, "step": 1}, 422),
        ("query_range", {"query": "x", "start": 0, "end": 5, "step": 0}, 422),
        ("query_range", {"query": "x[5m]", "start": 0, "end": 5, "step": 1}, 400),
    ],
)
def test_what_cannot_be_answered(served: Backend, at: float, path: str, body: Any, status: int) -> None:
    if path == "query" and status == 422 and "pL" in str(body):
        body = {"query": 'requests_total{code=~"\\\\pL"}', "time": at}
    answer = served.post("initech-viewer", f"/metrics/{path}", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_label_values(served: Backend, at: float) -> None:
    def values(label: str) -> list[str]:
        answer = served.get("initech-viewer", f"/metrics/labels/{label}/values")
        assert answer.status_code == 200
        return list(answer.json()["data"])

    assert {"requests_total", "latency_bucket"} <= set(values("__name__"))
    assert values("code") == ["200", "500"]
    assert values("pod") == ["cart-1", "mail-1"]
    assert values("tenant") == ["initech"]
    assert values("nothing") == []


SERIES = 10_000
TICK_S = 0.01


async def longest_pause(act: Callable[[], Awaitable[Any]]) -> float:
    """Seconds of work that a task which wants to run every 10 ms had to wait for at most, while this was done.

    In processor time of the event loop's thread: what other processes of a busy machine take is not ours."""
    longest, last, over = 0.0, time.thread_time(), False

    async def tick() -> None:
        nonlocal longest, last
        while not over:
            await asyncio.sleep(TICK_S)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(2 * TICK_S)
    await act()
    over = True
    await ticking
    return longest


async def test_ten_thousand_series_hold_up_nobody_else(served_config: Config, store: Store) -> None:
    """Labels are made from JSON, a series at a time: other requests get their turn meanwhile."""
    store.sql("INSERT INTO tenants(key, name) VALUES ('many-series', 'Many') ON CONFLICT (key) DO NOTHING")
    number = store.number("many-series")
    store.sql(
        "INSERT INTO resources(tenant_id, resource_id, service, attrs, first_seen) SELECT %s, n, 'shop-' || n,"
        " jsonb_build_object('service.name', 'shop-' || n, 'host.name', 'host-' || n, 'k8s.pod.name', 'pod-' || n), 0"
        " FROM generate_series(1, 100) n ON CONFLICT DO NOTHING",
        number,
    )
    store.sql(
        "INSERT INTO series(tenant_id, series_id, resource_id, name, type, monotonic, temporality, unit, description,"
        " service, labels) SELECT %s, n, 1 + n %% 100, 'requests', 2, true, 2, '1', '', 'shop-' || 1 + n %% 100,"
        " jsonb_build_object('http.route', '/r/' || n, 'http.method', 'GET', 'http.status_code', n %% 500, 'net.peer', 'x')"
        " FROM generate_series(1, %s) n ON CONFLICT DO NOTHING",
        number,
        SERIES,
    )
    database = Database(served_config)
    await database.open()
    metrics, tenant, now = EmbeddedMetrics("metrics", database), Tenant(number, "many-series"), time.time_ns()
    node = compile_query('requests{http_method="GET"}')
    try:
        assert len(await metrics.label_values(tenant, "http_route")) == SERIES
        for act in (
            lambda: metrics.label_values(tenant, "http_route"),
            lambda: metrics.label_names(tenant),
            lambda: metrics.load(tenant, node, now, now),
        ):
            assert await longest_pause(act) < 0.1
    finally:
        await database.close()
