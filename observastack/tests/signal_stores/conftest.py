"""The adapters under test, each with its real server and a gateway that writes into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from observastack.backend.database import Database
from observastack.backend.stores.choice import choose
from observastack.backend.stores.ports import LogStore, MetricStore, Stores, TraceStore
from observastack.tests.gateway import running_gateway
from observastack.tests.platform import build_platform
from observastack.tests.signal_stores.world import World
from observastack.tests.stores import Server, loki_server, prometheus_server, tempo_server

Start = Callable[[Path], AbstractContextManager[Server]]
REAL: dict[str, tuple[str, Start]] = {
    "loki": ("logs", loki_server),
    "prometheus": ("metrics", prometheus_server),
    "tempo": ("traces", tempo_server),
}


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Callable[[str], World]]:
    """Made when first asked for. Skips the test when the server's binary is absent."""
    made: dict[str, World] = {}
    with ExitStack() as stack:

        def world(adapter: str) -> World:
            if adapter not in made:
                folder = tmp_path_factory.mktemp(adapter)
                stores: dict[str, Any] = {}
                if adapter in REAL:
                    signal, start = REAL[adapter]
                    server = stack.enter_context(start(folder / "server"))
                    stores = {signal: adapter, f"{adapter}_url": server.url, "tempo_otlp": server.otlp or None}
                config = build_platform(folder, postgres, None, stores={k: v for k, v in stores.items() if v})
                made[adapter] = World(adapter, config, stack.enter_context(running_gateway(config, folder)))
            return made[adapter]

        yield world


@pytest.fixture(params=["embedded", "loki"])
def log_world(request: pytest.FixtureRequest, worlds: Callable[[str], World]) -> World:
    return worlds(request.param)


@pytest.fixture(params=["embedded", "prometheus"])
def metric_world(request: pytest.FixtureRequest, worlds: Callable[[str], World]) -> World:
    return worlds(request.param)


@pytest.fixture(params=["embedded", "tempo"])
def trace_world(request: pytest.FixtureRequest, worlds: Callable[[str], World]) -> World:
    return worlds(request.param)


@asynccontextmanager
async def _opened(world: World) -> AsyncIterator[Stores]:
    """Of this test's own event loop."""
    database = Database(world.config)
    await database.open()
    stores = choose(world.config, database)
    try:
        yield stores
    finally:
        await stores.close()
        await database.close()


@pytest.fixture
async def log_store(log_world: World) -> AsyncIterator[LogStore]:
    async with _opened(log_world) as stores:
        yield stores.logs


@pytest.fixture
async def metric_store(metric_world: World) -> AsyncIterator[MetricStore]:
    async with _opened(metric_world) as stores:
        yield stores.metrics


@pytest.fixture
async def trace_store(trace_world: World) -> AsyncIterator[TraceStore]:
    async with _opened(trace_world) as stores:
        yield stores.traces
