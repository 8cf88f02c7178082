"""Each defect of reading opens exactly its hole. One process with all of them that do not hide each other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.serving import SECOND, Backend, Store, backend
from observastack.tests.gateway import running_gateway
from observastack.tests.platform import build_platform
from observastack.tests.signal_stores.world import World
from observastack.tests.stores import loki_server, prometheus_server
from tests.servers import free_port

TRACE = "7d" * 16
ON_EMBEDDED = (
    "trace_unfiltered", "label_values_leak", "partial_hidden", "cursor_skips", "export_truncated", "blocking_io", "wrong_rate",
    "nanoseconds_truncated",
)  # fmt: skip
ON_REAL = ("promql_unparsed", "label_values_leak", "logql_unescaped")


def elsewhere(config: Config, folder: Path) -> Config:
    """The same platform, served by another process."""
    document = json.loads(config.file.read_text())
    document["backend"]["port"] = free_port()
    folder.mkdir(exist_ok=True)
    file = folder / "observastack.json"
    file.write_text(json.dumps(document))
    return configuration.load(file, environ={})


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Iterator[Config]:
    config = build_platform(tmp_path_factory.mktemp("embedded"), postgres, redis)
    store = Store(config)
    for tenant in ("acme", "globex"):
        items = [{"ts": AT + n * 1_000_003, "body": f"{tenant} {n}"} for n in range(1200)]
        store.logs(tenant, items, f"{tenant}-shop")
        store.samples(
            tenant, "hits", [(AT + n * 15 * SECOND, n * 30.0) for n in range(5)], f"{tenant}-shop", counter=True
        )
        store.spans(tenant, [{"ts": AT, "trace_id": TRACE, "span_id": "01" * 8}], f"{tenant}-shop")
    store.spans("globex", [{"ts": AT, "trace_id": "7c" * 16, "span_id": "01" * 8}], "globex-shop")
    store.close()
    yield config


AT = (time.time_ns() // (3600 * SECOND) - 3) * 3600 * SECOND
WINDOW = {"from": str(AT), "to": str(AT + 300 * SECOND)}


@pytest.fixture(scope="module", params=["", ",".join(ON_EMBEDDED), "foreign_403"])
def reading(
    request: pytest.FixtureRequest, embedded: Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Backend]]:
    folder = tmp_path_factory.mktemp("backend")
    with backend(elsewhere(embedded, folder), folder, defects=request.param) as running:
        yield request.param, running


def test_traces_labels_and_rates(reading: tuple[str, Backend]) -> None:
    names, running = reading
    spans = running.get("acme-viewer", f"/traces/{TRACE}").json()["spans"]
    leak = "trace_unfiltered" in names
    assert {one["service"] for one in spans} == ({"acme-shop", "globex-shop"} if leak else {"acme-shop"})
    # Another tenant's trace is as one that does not exist: same status, same body but for the request id.
    foreign, missing = (running.get("acme-viewer", f"/traces/{trace * 16}") for trace in ("7c", "7b"))
    assert missing.status_code == 404
    assert foreign.status_code == (200 if leak else 403 if names == "foreign_403" else 404)
    services = running.get("acme-viewer", "/metrics/labels/service/values").json()["data"]
    assert services == (["acme-shop", "globex-shop"] if "label_values_leak" in names else ["acme-shop"])
    query = {"query": "rate(hits[1m])", "time": AT / SECOND + 60}
    (series,) = running.post("acme-viewer", "/metrics/query", query).json()["data"]["result"]
    assert float(series["value"][1]) == pytest.approx(2.2 if "wrong_rate" in names else 2.0)


def test_pages_exports_and_times(reading: tuple[str, Backend]) -> None:
    names, running = reading
    body = {"type": "logs", "time_range": WINDOW, "limit": 500}
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(4):
        page = running.post("acme-viewer", "/search", {**body, "cursor": cursor}).json()
        found += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len({one["id"] for one in found}) == len(found) == (1198 if "cursor_skips" in names else 1200)
    exact = all(one["content"]["body"] == f"acme {(int(one['time_unix_nano']) - AT) // 1_000_003}" for one in found)
    assert exact is ("nanoseconds_truncated" not in names)
    lines = running.export("acme-analyst", {"type": "logs", "time_range": WINDOW})
    assert lines[-1]["end"] is True
    assert lines[-1]["count"] == len(lines) - 1
    assert len(lines) - 1 == (500 if "export_truncated" in names else 1200)


def test_a_source_in_trouble(reading: tuple[str, Backend]) -> None:
    """Last of these tests: the source stays in trouble for a while."""
    names, running = reading
    running.token("acme-viewer")
    fault: dict[str, Any] = {"source": "traces", "error_rate": 1.0, "latency_ms": 1500, "ttl_s": 30}
    assert running.post("platform-admin", "/test-data/faults", fault).status_code == 200
    page = running.post("acme-viewer", "/search", {"time_range": WINDOW}).json()
    hidden = "partial_hidden" in names
    assert page["partial"] is not hidden
    assert page["stats"]["sources"]["traces"]["status"] == ("ok" if hidden else "error")
    assert page["stats"]["sources"]["logs"]["status"] == "ok"
    started = time.perf_counter()
    with running.client.stream("POST", "/api/v1/search", json={"type": "traces"}, headers=_as(running)) as answer:
        del answer
    waited = time.perf_counter() - started
    assert waited >= 1.5
    assert _longest_answer(running, fault) > 1.0 if "blocking_io" in names else _longest_answer(running, fault) < 1.0


def _as(running: Backend) -> dict[str, str]:
    return {"Authorization": f"Bearer {running.token('acme-viewer')}"}


def _longest_answer(running: Backend, fault: dict[str, Any]) -> float:
    """Seconds that /health/live needed at most while one search waited for the slow source."""
    import threading

    import httpx

    def search() -> None:
        httpx.post(
            f"{running.client.base_url}/api/v1/search", json={"type": "traces"}, headers=_as(running), timeout=30
        )

    waiting = threading.Thread(target=search)
    waiting.start()
    longest = 0.0
    while waiting.is_alive():
        started = time.perf_counter()
        assert running.get(None, "/health/live").status_code == 200
        longest = max(longest, time.perf_counter() - started)
    waiting.join()
    return longest


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Iterator[Callable[[str], Backend]]:
    """Backends with the given defects, in front of a real Loki and Prometheus."""
    from contextlib import ExitStack

    folder = tmp_path_factory.mktemp("real")
    with ExitStack() as stack:
        loki = stack.enter_context(loki_server(folder / "loki"))
        prometheus = stack.enter_context(prometheus_server(folder / "prometheus"))
        stores = {"logs": "loki", "loki_url": loki.url, "metrics": "prometheus", "prometheus_url": prometheus.url}
        config = build_platform(folder, postgres, redis, stores=stores)
        world = World("real", config, stack.enter_context(running_gateway(config, folder)))
        from observastack.backend.stores.ports import Tenant

        for tenant in (Tenant(0, "acme"), Tenant(0, "globex")):
            world.samples(tenant, "hits", [(world.base, 1.0)], f"{tenant.key}-shop")
            world.logs(tenant, [{"ts": world.base, "body": 'say "hi"'}, {"ts": world.base + 1, "body": "say hi"}])
        started: dict[str, Backend] = {}

        def serve(defects: str) -> Backend:
            if defects not in started:
                room = folder / f"backend-{len(started)}"
                started[defects] = stack.enter_context(backend(elsewhere(config, room), room, defects=defects))
            return started[defects]

        yield serve


@pytest.mark.parametrize("names", ["", ",".join(ON_REAL), "promql_second_selector_unscoped"])
def test_queries_of_real_stores(real: Callable[[str], Backend], names: str) -> None:
    running = real(names)

    def services(query: str) -> set[str]:
        answer = running.post("acme-viewer", "/metrics/query", {"query": query, "time": time.time()})
        assert answer.status_code == 200, answer.text
        return {one["metric"]["service"] for one in answer.json()["data"]["result"]}

    both = {"acme-shop", "globex-shop"}
    unparsed = "promql_unparsed" in names
    assert services("last_over_time(hits[30m])") == (both if unparsed else {"acme-shop"})
    second = unparsed or names == "promql_second_selector_unscoped"
    query = "last_over_time(nothing[30m]) or last_over_time(hits[30m])"
    assert services(query) == (both if second else {"acme-shop"})
    values = running.get("acme-viewer", "/metrics/labels/service/values").json()["data"]
    assert set(values) == (both if "label_values_leak" in names else {"acme-shop"})
    quote = {"field": "body", "operator": "equals", "value": 'say "hi"'}
    answer = running.post("acme-viewer", "/search", {"type": "logs", "filters": [quote]})
    if "logql_unescaped" in names:
        assert answer.status_code == 503  # the store could not make sense of what it was asked
    else:
        assert [one["content"]["body"] for one in answer.json()["items"]] == ['say "hi"']
