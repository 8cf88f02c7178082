"""The platform on real stores: what it says it can do, and what callers get while a store is slow, stopped or gone."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from observastack.backend.stores.ports import Tenant
from observastack.tests.backend.serving import SECOND, Backend, backend, until
from observastack.tests.gateway import running_gateway
from observastack.tests.platform import build_platform
from observastack.tests.signal_stores.world import World
from observastack.tests.stores import Server, loki_server, prometheus_server, tempo_server

TRACE = "6c" * 16


@dataclass
class Platform:
    running: Backend
    world: World
    loki: Server
    prometheus: Server
    tempo: Server


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("stores")
    with ExitStack() as stack:
        loki = stack.enter_context(loki_server(folder / "loki"))
        prometheus = stack.enter_context(prometheus_server(folder / "prometheus"))
        tempo = stack.enter_context(tempo_server(folder / "tempo"))
        stores = {
            "logs": "loki", "loki_url": loki.url, "metrics": "prometheus", "prometheus_url": prometheus.url,
            "traces": "tempo", "tempo_url": tempo.url, "tempo_otlp": tempo.otlp, "timeout_s": 2.0,
        }  # fmt: skip
        config = build_platform(folder, postgres, redis, stores=stores)
        world = World("real", config, stack.enter_context(running_gateway(config, folder)))
        for key in ("acme", "globex"):
            tenant, ids = Tenant(0, key), {"trace_id": TRACE, "span_id": "01" * 8}
            world.logs(tenant, [{"ts": world.base, "body": f"of {key}", **ids}])
            world.spans(tenant, [{"ts": world.base, "name": f"of {key}", **ids}])
            world.samples(tenant, "hits", [(world.base, 1.0)], f"{key}-shop")
        running = stack.enter_context(backend(config, folder))
        for user in ("acme-viewer", "acme-analyst", "initech-viewer"):
            running.token(user)
        yield Platform(running, world, loki, prometheus, tempo)


def page(platform: Platform, kind: str = "all") -> Any:
    window = {"from": str(platform.world.base - 60 * SECOND), "to": str(platform.world.base + 60 * SECOND)}
    return platform.running.post("acme-viewer", "/search", {"type": kind, "time_range": window})


def well(platform: Platform) -> bool:
    answer = page(platform)
    return answer.status_code == 200 and bool(answer.json()["stats"]["matched"] == 3)


def test_what_it_says_it_can_do(platform: Platform) -> None:
    document = platform.running.get("acme-viewer", "/meta/capabilities").json()
    assert document["stores"] == {"logs": "loki", "metrics": "prometheus", "traces": "tempo"}
    assert {"label_replace", "predict_linear"} <= set(document["promql"]["functions"])


def test_all_signals_of_the_tenant_alone(platform: Platform) -> None:
    until(lambda: well(platform), "everything that was written is found")
    running, found = platform.running, page(platform).json()
    assert {one["source"] for one in found["items"]} == {"logs", "metrics", "traces"}
    assert "globex" not in json.dumps(found["items"])
    for name, implementation in (("logs", "loki"), ("metrics", "prometheus"), ("traces", "tempo")):
        status = found["stats"]["sources"][name]
        assert (status["status"], status["count"], status["implementation"]) == ("ok", 1, implementation)
    (span,) = running.get("acme-viewer", f"/traces/{TRACE}").json()["spans"]
    assert span["content"]["name"] == "of acme"
    (log,) = running.get("acme-viewer", f"/traces/{TRACE}/logs").json()["items"]
    assert log["content"]["body"] == "of acme"
    for path in (f"/traces/{TRACE}", f"/traces/{TRACE}/logs"):
        foreign, missing = (running.get("initech-viewer", one) for one in (path, path.replace(TRACE, "ab" * 16)))
        assert foreign.status_code == missing.status_code == 404
        assert {**foreign.json()["error"], "request_id": ""} == {**missing.json()["error"], "request_id": ""}
    window = {"from": str(platform.world.base - 60 * SECOND), "to": str(platform.world.base + 540 * SECOND)}
    lines = running.export("acme-analyst", {"type": "all", "time_range": window})
    assert lines[-1] == {"end": True, "count": 3, "partial": False}
    assert "globex" not in json.dumps(lines)


def test_seeding_what_could_not_be_found_again_is_refused(platform: Platform) -> None:
    answer = platform.running.post("platform-admin", "/test-data/seed", {"tenant": "acme", "run": "r", "traces": 5})
    assert answer.status_code == 501
    assert "tempo" in answer.json()["error"]["message"]


def test_headers_of_the_caller_name_no_tenant(platform: Platform) -> None:
    until(lambda: well(platform), "all is well")
    headers = {
        "Authorization": f"Bearer {platform.running.token('acme-viewer')}", "X-Scope-OrgID": "globex", "X-Tenant": "globex",
    }  # fmt: skip
    found = platform.running.client.post("/api/v1/search", json={"type": "all"}, headers=headers)
    assert found.status_code == 200
    assert "globex" not in found.text


def test_counts_correlation_insights_and_volumes(platform: Platform) -> None:
    until(lambda: well(platform), "everything that was written is found")
    running, base = platform.running, platform.world.base
    window = {"from": str(base - 60 * SECOND), "to": str(base + 540 * SECOND)}
    counted = running.post("acme-viewer", "/search/aggregate", {"time_range": window, "buckets": 10}).json()
    assert counted["facets"]["source"] == {"logs": 1, "metrics": 1, "traces": 1}
    assert (counted["total"], counted["partial"]) == (3, False)
    assert sum(counted["buckets"][1]["counts"].values()) == 3
    found = running.post("acme-viewer", "/search/correlate", {"trace_id": TRACE}).json()
    assert {one["source"] for one in found["items"]} == {"traces", "logs"}
    assert "globex" not in json.dumps(found)
    query = f"from={window['from']}&to={window['to']}"
    costs = running.get("acme-viewer", f"/insights/cost-breakdown?{query}").json()
    sums = [sum(one[kind] for one in costs["items"]) for kind in ("logs", "spans", "samples")]
    assert (sums, costs["partial"]) == ([1, 1, 1], False)
    assert "globex" not in json.dumps(costs)
    assert running.get("acme-viewer", f"/insights/dashboard?{query}").json()["cpu"]["used_pct"] is None
    stats = running.get("platform-admin", "/admin/tenants/acme/stats").json()
    # These stores are counted by reading them: null where that takes too long, never a wrong number.
    assert stats["logs"] in (1, None)
    assert stats["spans"] in (1, None)
    assert stats["series"] == 1
    assert stats["last_write"] is not None
    nothing = running.get("platform-admin", "/admin/tenants/initech/stats").json()
    assert (nothing["series"], nothing["last_write"]) == (0, None)


def test_the_id_of_a_deleted_tenant_is_not_given_again(platform: Platform) -> None:
    """These stores know tenants by id alone and may hold what is older than anybody looked: it must be nobody's."""
    running, key = platform.running, f"gone-{uuid.uuid4().hex[:8]}"
    path, body = f"/admin/tenants/{key}", {"id": key, "name": "Soon gone"}
    assert running.post("platform-admin", "/admin/tenants", body).status_code == 201
    assert running.call("platform-admin", "PUT", path, json={"status": "suspended"}).status_code == 200
    # 503 while a store that has just started does not say whether it holds something.
    until(lambda: running.call("platform-admin", "DELETE", path).status_code == 204, "it is deleted")
    again = running.post("platform-admin", "/admin/tenants", body)
    assert again.status_code == 409
    assert "was deleted" in again.json()["error"]["message"]
    assert running.get("platform-admin", path).status_code == 404


def test_usage_is_read_from_prometheus(platform: Platform) -> None:
    # Beyond the window that the other tests look at.
    running, base = platform.running, platform.world.base + 120 * SECOND
    points = [(base + n * 10 * SECOND, 0.4) for n in range(6)]
    platform.world.samples(Tenant(0, "acme"), "process.cpu.utilization", points, "measured")
    query = f"from={base}&to={base + 60 * SECOND}"

    def percent() -> object:
        items = running.get("acme-viewer", f"/insights/resource-utilization?{query}").json()["items"]
        return next((one["cpu"]["used_pct"] for one in items if one["service"] == "measured"), None)

    assert percent() == pytest.approx(40)


@pytest.mark.parametrize("name", ["loki", "prometheus", "tempo"])
def test_a_store_that_is_stopped(platform: Platform, name: str) -> None:
    """It accepts connections and says nothing: only time limits help."""
    until(lambda: well(platform), "all is well")
    server: Server = getattr(platform, name)
    signal = {"loki": "logs", "prometheus": "metrics", "tempo": "traces"}[name]
    server.pause()
    try:
        started = time.perf_counter()
        answer = platform.running.get(None, "/health/ready")
        assert time.perf_counter() - started < 2
        assert answer.status_code == 503
        ready = {one["name"]: one["ready"] for one in answer.json()["dependencies"]}
        assert {key: value for key, value in ready.items() if not value} == {name: False}
        assert set(ready) >= {"postgres", "redis", "loki", "prometheus", "tempo"}
        started = time.perf_counter()
        found = page(platform)
        assert time.perf_counter() - started < 4
        assert found.status_code == 200
        assert found.json()["partial"] is True
        statuses = {key: one["status"] for key, one in found.json()["stats"]["sources"].items()}
        assert statuses == {"logs": "ok", "metrics": "ok", "traces": "ok", signal: "timeout"}
        assert len(found.json()["items"]) == 2
        started = time.perf_counter()
        insights = platform.running.get("acme-viewer", "/insights/dashboard")
        assert time.perf_counter() - started < 8  # many questions, one time limit
        assert (insights.status_code, insights.json()["partial"]) == (200, True)
        started = time.perf_counter()
        assert platform.running.post("acme-analyst", "/search/export", {"type": signal}).status_code == 503
        assert time.perf_counter() - started < 4
        only = page(platform, signal)
        assert only.status_code == 503
        assert "127.0.0.1" not in only.text
        assert "Traceback" not in only.text
    finally:
        server.resume()
    until(lambda: well(platform), "it recovers by itself")
    assert platform.running.get(None, "/health/ready").status_code == 200


def test_a_store_that_is_gone(platform: Platform) -> None:
    until(lambda: well(platform), "all is well")
    platform.prometheus.kill()
    try:
        answer = platform.running.get(None, "/health/ready")
        reasons = {one["name"]: one["reason"] for one in answer.json()["dependencies"] if not one["ready"]}
        assert reasons == {"prometheus": "the store is not available"}
        found = page(platform).json()
        assert found["stats"]["sources"]["metrics"]["status"] == "error"
        assert found["stats"]["sources"]["metrics"]["reason"] == "the store is not available"
        assert platform.running.post("acme-viewer", "/metrics/query", {"query": "hits"}).status_code == 503
        assert platform.running.get("acme-viewer", "/metrics/labels").status_code == 503
        assert platform.running.get("acme-viewer", f"/traces/{TRACE}").status_code == 200
    finally:
        platform.prometheus.start().wait()
    until(lambda: well(platform), "it recovers by itself")
