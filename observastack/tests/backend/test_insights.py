"""Insights say what is stored, and null where nothing is."""

from __future__ import annotations

import csv
import io
import math
import time
import uuid
from typing import Any

import orjson
import pytest

from observastack.backend.sources import SOURCES
from observastack.tests.backend.serving import SECOND, Backend, Store

HOUR = 3600 * SECOND
GB = 10**9


class Person:
    """A tenant of this module's own with an analyst in it: no other test writes there."""

    def __init__(self, served: Backend) -> None:
        self.served = served
        self.tenant = f"i-{uuid.uuid4().hex[:10]}"
        served.post("platform-admin", "/admin/tenants", {"id": self.tenant, "name": "Insights"})
        self.username = f"{self.tenant}-analyst"
        body = {"username": self.username, "email": "a@example.test", "roles": ["analyst"], "tenant_id": self.tenant}
        answer = served.post("platform-admin", "/admin/users", body).json()
        password = answer["temporary_password"]
        served.knows(self.username, password)

    def get(self, path: str, start: int, end: int, **query: Any) -> dict[str, Any]:
        params = {"from": str(start), "to": str(end), **query}
        answer = self.served.call(self.username, "GET", f"/insights/{path}", params=params)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


@pytest.fixture
def own(served: Backend) -> Person:
    return Person(served)


def spans(count: int, at: int, *, errors: int = 0, kind: int = 2, duration: int = SECOND) -> list[dict[str, Any]]:
    return [
        {
            "ts": at + n, "trace_id": uuid.uuid4().hex, "span_id": f"{n + 1:016x}", "kind": kind, "duration": duration * (n + 1),
            "status": 2 if n < errors else 0,
        }
        for n in range(count)
    ]  # fmt: skip


def test_without_data_everything_is_null_or_nothing(own: Person, era: int) -> None:
    board = own.get("dashboard", era, era + HOUR)
    assert board["cost"] == {"amount": 0.0, "currency": "USD", "change_pct": None}
    assert board["cpu"] == board["memory"] == {"used_pct": None, "change_points": None}
    assert board["ingest"] == {"bytes_per_day": 0, "items_per_day": 0, "change_pct": None}
    assert (board["services"], board["error_pct"], board["alerts_active"]) == (0, None, 0)
    assert board["partial"] is False
    assert own.get("resource-utilization", era, era + HOUR) == {"items": [], "partial": False}
    assert own.get("cost-breakdown", era, era + HOUR)["items"] == []
    assert own.get("anomalies", era, era + HOUR)["items"] == []


def test_costs_are_counted_sizes_times_prices_and_add_up(own: Person, store: Store, era: int, served: Backend) -> None:
    store.logs(own.tenant, [{"ts": era + n, "body": "x" * 1000} for n in range(50)], "heavy")
    store.logs(own.tenant, [{"ts": era + n, "body": "y", "severity": 5} for n in range(30)], "light")
    store.spans(own.tenant, spans(20, era), "heavy")
    store.samples(own.tenant, "m", [(era + n, 1.0) for n in range(40)], "light")
    found = own.get("cost-breakdown", era, era + HOUR)
    heavy, light = found["items"]
    assert (heavy["service"], heavy["logs"], heavy["spans"], heavy["samples"]) == ("heavy", 50, 20, 0)
    assert (light["service"], light["logs"], light["spans"], light["samples"]) == ("light", 30, 0, 40)
    query = {"time_range": {"from": str(era), "to": str(era + HOUR)}, "limit": 1000}
    items = served.post(own.username, "/search", query).json()["items"]
    size: dict[tuple[str, str], int] = {}
    for one in items:
        key = (one["service"], one["source"])
        size[key] = size.get(key, 0) + len(orjson.dumps(one))
    # Stored JSON is written with spaces, so that it measures a little more.
    assert heavy["bytes"] == pytest.approx(size["heavy", "logs"] + size["heavy", "traces"], rel=0.01)
    assert light["bytes"] == pytest.approx(size["light", "logs"], rel=0.01)
    model = found["model"]
    expected = size["heavy", "logs"] / GB * model["per_gb_logs"] + size["heavy", "traces"] / GB * model["per_gb_traces"]
    assert heavy["cost"] == pytest.approx(expected, rel=0.01)
    assert light["cost"] == pytest.approx(
        size["light", "logs"] / GB * model["per_gb_logs"] + 40 / 1e6 * model["per_million_samples"], rel=0.01
    )
    assert found["total"] == pytest.approx(heavy["cost"] + light["cost"])
    assert math.isclose(sum(one["share_pct"] for one in found["items"]), 100, abs_tol=0.02)
    board = own.get("dashboard", era, era + HOUR)
    assert board["cost"]["amount"] == pytest.approx(found["total"])
    assert board["services"] == 2
    assert board["ingest"]["items_per_day"] == 24 * 140
    assert 0 < board["savings"]["amount"] < board["cost"]["amount"]


def test_changes_are_against_the_range_before(own: Person, store: Store, era: int) -> None:
    store.logs(own.tenant, [{"ts": era - HOUR + n, "body": "same"} for n in range(10)])
    store.logs(own.tenant, [{"ts": era + n, "body": "same"} for n in range(15)])
    (item,) = own.get("cost-breakdown", era, era + HOUR)["items"]
    assert item["change_pct"] == pytest.approx(50, abs=0.1)
    board = own.get("dashboard", era, era + HOUR)
    assert board["ingest"]["change_pct"] == 50
    assert board["cost"]["change_pct"] == pytest.approx(50, abs=0.1)


def test_requests_errors_and_latency_come_from_server_spans(own: Person, store: Store, era: int) -> None:
    store.spans(own.tenant, spans(100, era, errors=7, duration=10**6), "api")
    store.spans(own.tenant, spans(40, era, errors=40, kind=3), "api")  # client spans count nowhere
    store.logs(own.tenant, [{"ts": era}], "silent")
    api, silent = own.get("resource-utilization", era, era + HOUR)["items"]
    assert api["service"] == "api"
    assert api["requests_per_s"] == pytest.approx(100 / 3600, rel=1e-3)
    assert api["error_pct"] == 7
    assert api["p95_ms"] == 95
    assert silent == {
        "service": "silent", "cpu": {"used_pct": None, "requested_pct": None},
        "memory": {"used_pct": None, "requested_pct": None}, "requests_per_s": None, "error_pct": None, "p95_ms": None,
    }  # fmt: skip
    assert own.get("dashboard", era, era + HOUR)["error_pct"] == 7


def test_usage_is_read_from_the_names_of_opentelemetry(own: Person, store: Store, era: int) -> None:
    def every_minute(value: float, seconds: int = 3600) -> list[tuple[int, float]]:
        return [(era + n * 60 * SECOND, value) for n in range(seconds // 60)]

    for mode, value in (("user", 0.3), ("system", 0.1), ("idle", 0.6)):
        labels = {"cpu.mode": mode, "cpu.logical_number": 0}
        store.samples(own.tenant, "system.cpu.utilization", every_minute(value), "host", labels=labels)
    for state, value in (("used", 0.25), ("free", 0.75)):
        store.samples(
            own.tenant, "system.memory.utilization", every_minute(value), "host", labels={"system.memory.state": state}
        )
    (host,) = own.get("resource-utilization", era, era + HOUR)["items"]
    assert host["cpu"] == {"used_pct": pytest.approx(40), "requested_pct": None}
    assert host["memory"] == {"used_pct": pytest.approx(25), "requested_pct": None}
    board = own.get("dashboard", era, era + HOUR)
    assert board["cpu"] == {"used_pct": pytest.approx(40), "change_points": pytest.approx(0)}


def test_usage_of_containers_is_a_share_of_their_limit(own: Person, store: Store, era: int) -> None:
    points = [(era + n * 60 * SECOND, 1.0) for n in range(60)]
    for name, value in (
        ("container.cpu.usage", 0.5), ("k8s.container.cpu_limit", 2.0), ("k8s.container.cpu_request", 1.0),
        ("container.memory.usage", 300.0), ("k8s.container.memory_limit", 400.0),
    ):  # fmt: skip
        store.samples(own.tenant, name, [(ts, value) for ts, _ in points], "pod")
    (pod,) = own.get("resource-utilization", era, era + HOUR)["items"]
    assert pod["cpu"] == {"used_pct": pytest.approx(25), "requested_pct": pytest.approx(50)}
    assert pod["memory"] == {"used_pct": pytest.approx(75), "requested_pct": None}


def test_a_burst_is_an_anomaly_and_steady_services_are_not(own: Person, store: Store, era: int) -> None:
    day = 48 * 60 * SECOND
    for bucket in range(48):
        at = era + bucket * 60 * SECOND
        store.logs(own.tenant, [{"ts": at + n} for n in range(10 + bucket % 3)], "steady")
        burst = [{"ts": at + n, "severity": 17} for n in range(80 if bucket >= 46 else 4)]
        store.logs(own.tenant, burst, "bursting")
    found = own.get("anomalies", era, era + day)
    assert found["sigma"] == 3
    assert found["baseline"] == {"buckets": 47, "step_s": 60}
    assert {one["id"] for one in found["items"]} == {"bursting:logs", "bursting:error logs"}
    for one in found["items"]:
        assert (one["now"], one["expected"], one["direction"]) == (80, 4, "up")
        assert one["deviation"] > 3
        assert len(one["points"]) == len(one["band"]) == 48
        assert one["points"][-1][1] > one["band"][-1][2]
    since = {one["since"] for one in found["items"]}
    from observastack.backend.wire import parse_time

    assert {parse_time(one) for one in since} == {era + 46 * 60 * SECOND}
    assert own.get("anomalies", era, era + day, sigma=20)["sigma"] == 20


def test_a_trend_is_a_line_through_a_query(own: Person, store: Store, era: int) -> None:
    store.samples(own.tenant, "growing", [(era + n * 60 * SECOND, 5.0 + n) for n in range(61)])
    store.samples(own.tenant, "growing", [(era, 1.0)], "another")
    body = {
        "query": 'growing{service="shop"}', "time_range": {"from": str(era), "to": str(era + HOUR)}, "step_s": 60,
    }  # fmt: skip

    def analysed(**changes: Any) -> Any:
        return own.served.post(own.username, "/insights/trend-analysis", {**body, **changes})

    found = analysed().json()
    assert len(found["points"]) == 61
    assert found["trend"]["slope_per_h"] == pytest.approx(60)
    assert found["trend"]["direction"] == "rising"
    assert found["trend"]["r2"] == pytest.approx(1)
    first, second = found["forecast"][:2]
    assert first == [pytest.approx(era / SECOND + 3660), pytest.approx(66)]
    assert second[1] - first[1] == pytest.approx(1)
    nothing = analysed(query="absent_metric").json()
    assert nothing == {
        "points": [], "trend": {"slope_per_h": None, "direction": None, "r2": None}, "forecast": [],
    }  # fmt: skip
    assert analysed(query="growing").status_code == 422
    assert analysed(query="growing{").status_code == 400
    assert analysed(query="holt_winters(growing[5m], 0.5, 0.5)").status_code in (400, 501)
    assert analysed(step_s=0).status_code == 422
    assert analysed(step_s=1, time_range={"from": str(era), "to": str(era + 30 * 24 * HOUR)}).status_code == 422


def test_the_export_is_the_same_as_csv_and_needs_a_permission(own: Person, store: Store, era: int) -> None:
    store.logs(own.tenant, [{"ts": era, "body": "one"}], "=cmd|' /C calc'!A0")
    store.logs(own.tenant, [{"ts": era, "body": "two"}], "plain, with comma")
    query = {"kind": "cost-breakdown", "from": str(era), "to": str(era + HOUR)}
    answer = own.served.call(own.username, "GET", "/insights/export", params=query)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["service"] for row in rows} == {"'=cmd|' /C calc'!A0", "plain, with comma"}
    assert {row["change_pct"] for row in rows} == {""}
    for kind in ("resource-utilization", "anomalies"):
        answer = own.served.call(own.username, "GET", "/insights/export", params={**query, "kind": kind})
        assert answer.status_code == 200
    for role in ("viewer", "editor"):
        assert own.served.call(f"acme-{role}", "GET", "/insights/export", params=query).status_code == 403
    assert own.served.call(own.username, "GET", "/insights/export", params={"kind": "all"}).status_code == 422


def test_insights_are_the_own_tenants_and_so_is_the_cache(own: Person, store: Store, era: int, served: Backend) -> None:
    other = Person(served)
    store.logs(own.tenant, [{"ts": era + n} for n in range(3)], "mine")
    store.logs(other.tenant, [{"ts": era + n} for n in range(9)], "theirs")
    for _ in range(2):
        for person, service, count in ((own, "mine", 3), (other, "theirs", 9)):
            (item,) = person.get("cost-breakdown", era, era + HOUR)["items"]
            assert (item["service"], item["logs"]) == (service, count)


def test_a_source_that_fails_makes_insights_partial_and_all_make_them_unavailable(
    own: Person, store: Store, era: int, served: Backend
) -> None:
    store.logs(own.tenant, [{"ts": era}])
    fault = {"error_rate": 1.0, "ttl_s": 30}
    try:
        served.post("platform-admin", "/test-data/faults", {**fault, "source": "traces"})
        found = own.get("cost-breakdown", era, era + HOUR)
        assert found["partial"] is True
        assert found["items"][0]["logs"] == 1
        for source in ("logs", "metrics"):
            served.post("platform-admin", "/test-data/faults", {**fault, "source": source})
        params = {"from": str(era), "to": str(era + HOUR)}
        answer = served.call(own.username, "GET", "/insights/dashboard", params=params)
        assert answer.status_code == 503
    finally:
        for source in SOURCES:
            served.post("platform-admin", "/test-data/faults", {"source": source, "error_rate": 0.0})


def test_sources_that_are_all_slow_cost_the_answer_what_is_not_ready_and_no_more_time(
    own: Person, store: Store, era: int, served: Backend
) -> None:
    """Each question is answered in time, one after the other takes a quarter of a minute."""
    store.logs(own.tenant, [{"ts": era}])
    try:
        for source in SOURCES:
            served.post("platform-admin", "/test-data/faults", {"source": source, "latency_ms": 1500, "ttl_s": 60})
        began = time.monotonic()
        found = own.get("dashboard", era, era + HOUR)
        assert found["partial"] is True
        assert time.monotonic() - began < 8.0
    finally:
        for source in SOURCES:
            served.post("platform-admin", "/test-data/faults", {"source": source, "error_rate": 0.0})


def test_time_ranges_have_bounds(served: Backend) -> None:
    for query in ("from=2&to=1", "from=x", "from=0&to=9000000000000000000", "from=5&to=5"):
        assert served.get("acme-viewer", f"/insights/dashboard?{query}").status_code == 422
    assert served.get("acme-viewer", "/insights/dashboard").status_code == 200
    assert served.get("platform-admin", "/insights/dashboard").json()["error"]["code"] == "tenant_required"
