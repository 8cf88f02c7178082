"""Each defect does what its name says, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.serving import SECOND, Backend, Store, backend
from tests.servers import free_port, redis_server

NAMES = ("", "list_leak", "slow_search", "health_lies")


@pytest.fixture(scope="module")
def trace() -> str:
    return "7e" * 16


@pytest.fixture(scope="module")
def at(store: Store, trace: str) -> int:
    at = 1_793_000_000 * SECOND
    for tenant in ("acme", "globex"):
        store.logs(tenant, [{"ts": at + n, "body": f"of {tenant}"} for n in range(30)], f"{tenant}-shop")
        store.samples(tenant, "leaks", [(at, 1.0)], f"{tenant}-shop")
    store.spans("globex", [{"ts": at, "trace_id": trace, "span_id": "01" * 8}], "globex-shop")
    return at


@pytest.fixture(scope="module", params=NAMES)
def defective(
    request: pytest.FixtureRequest, served_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Backend]]:
    """The platform with one defect, on a Redis that can be killed."""
    folder = tmp_path_factory.mktemp("defect")
    with ExitStack() as stack:
        cache = urlsplit(stack.enter_context(redis_server()))
        document = json.loads(served_config.file.read_text())
        document["redis"] = {"host": cache.hostname, "port": cache.port}
        document["backend"]["port"] = free_port()
        file = folder / "observastack.json"
        file.write_text(json.dumps(document))
        config = configuration.load(file, environ={})
        yield request.param, stack.enter_context(backend(config, folder, defects=request.param))


def test_only_list_leak_leaks(defective: tuple[str, Backend], at: int, trace: str) -> None:
    name, running = defective
    window = {"from": str(at), "to": str(at + SECOND)}
    found = running.post("acme-analyst", "/search", {"type": "logs", "time_range": window, "limit": 1000}).json()[
        "items"
    ]
    lines = running.export("acme-analyst", {"type": "logs", "time_range": window})[:-1]
    for items in (found, lines):
        services = {one["service"] for one in items}
        assert services == ({"acme-shop", "globex-shop"} if name == "list_leak" else {"acme-shop"})
        assert len(items) == (60 if name == "list_leak" else 30)
    # Everything that is not a list stays restricted.
    assert running.get("acme-viewer", f"/traces/{trace}").status_code == 404
    query = {"query": "leaks", "time": at / SECOND}
    (series,) = running.post("acme-viewer", "/metrics/query", query).json()["data"]["result"]
    assert series["metric"]["tenant"] == "acme"


def test_only_slow_search_is_slow(defective: tuple[str, Backend], at: int) -> None:
    name, running = defective
    running.token("acme-viewer")

    def seconds(path: str, body: object) -> float:
        started = time.perf_counter()
        assert running.post("acme-viewer", path, body).status_code == 200
        return time.perf_counter() - started

    took = seconds("/search", {"time_range": {"from": str(at), "to": str(at + 1)}})
    assert took >= 6 if name == "slow_search" else took < 3
    assert seconds("/metrics/query", {"query": "leaks", "time": at / SECOND}) < 3


def test_only_health_lies_lies(defective: tuple[str, Backend], tmp_path: Path) -> None:
    """Last of this module's tests: it takes Redis away."""
    name, running = defective
    assert running.get(None, "/health/ready").status_code == 200
    cache = Redis(port=running.config.redis.port)
    os.kill(int(cache.info("server")["process_id"]), signal.SIGKILL)
    answer = running.get(None, "/health/ready")
    assert answer.status_code == (200 if name == "health_lies" else 503)
    assert answer.json()["status"] == ("ready" if name == "health_lies" else "not_ready")


def test_production_refuses_defects(served_config: Config, tmp_path: Path) -> None:
    document = json.loads(served_config.file.read_text())
    document.update(environment="production", test_data_api=False)
    file = tmp_path / "observastack.json"
    file.write_text(json.dumps(document))
    for names in ("list_leak", "no_such_defect"):
        ended = subprocess.run(
            [sys.executable, "-m", "observastack.backend", "--config", str(file)],
            env={**os.environ, "OBSERVASTACK_DEFECTS": names}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert ended.returncode == 2
        assert names in ended.stderr
        assert "Traceback" not in ended.stderr
