"""The live stream over a real Loki: its items, once, of one tenant, and on from a cursor."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from observastack.backend.stores.ports import Tenant
from observastack.tests.backend.serving import Backend, backend
from observastack.tests.backend.streaming import bodies, stream
from observastack.tests.gateway import running_gateway
from observastack.tests.platform import build_platform
from observastack.tests.signal_stores.world import World
from observastack.tests.stores import loki_server

Write = Callable[[str, list[str]], None]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Iterator[tuple[Backend, Write]]:
    folder = tmp_path_factory.mktemp("live-loki")
    with ExitStack() as stack:
        loki = stack.enter_context(loki_server(folder / "loki"))
        config = build_platform(folder, postgres, redis, stores={"logs": "loki", "loki_url": loki.url})
        world = World("loki", config, stack.enter_context(running_gateway(config, folder)))

        def write(tenant: str, lines: list[str]) -> None:
            at = time.time_ns()
            world.logs(Tenant(0, tenant), [{"ts": at + n, "body": line} for n, line in enumerate(lines)])

        yield stack.enter_context(backend(config, folder)), write


def test_what_is_written_arrives_once_and_nothing_of_another_tenant(platform: tuple[Backend, Write]) -> None:
    running, write = platform
    name = uuid.uuid4().hex
    write("acme", [f"{name} before"])
    with stream(running, types="logs", free_text=name) as opened:
        write("globex", [f"{name} theirs"])
        write("acme", [f"{name} {n}" for n in range(5)])
        found = bodies(opened.items(5))
        write("acme", [f"{name} last"])
        found += bodies(opened.items(1))
    assert found == [*(f"{name} {n}" for n in range(5)), f"{name} last"]


def test_it_goes_on_from_a_cursor_without_gap_or_repeat(platform: tuple[Backend, Write]) -> None:
    running, write = platform
    name = uuid.uuid4().hex
    with stream(running, types="logs", free_text=name) as opened:
        write("acme", [f"{name} 1"])
        opened.items(1)
    write("acme", [f"{name} 2"])
    with stream(running, types="logs", free_text=name, cursor=opened.cursor) as again:
        write("acme", [f"{name} 3"])
        assert bodies(again.items(2)) == [f"{name} 2", f"{name} 3"]
