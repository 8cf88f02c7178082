"""The live stream with a thousand clients on one backend process: when the last one has an item, and what that costs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.perf.harness import Absent, Round, case

CLIENTS = 1_000
PERIOD_S = 0.7


class _Client(asyncio.Protocol):
    """As little of a WebSocket client as shows when a text has arrived: what is measured is the server."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._wanted: bytes | None = None
        self._tail = b""
        self.arrived: asyncio.Future[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        text = self._tail + data
        if self._wanted is not None and self._wanted in text and self.arrived is not None:
            self.arrived.set_result(time.perf_counter())
            self._wanted = None
        self._tail = text[-100:]

    def wait_for(self, text: str) -> asyncio.Future[float]:
        self.arrived, self._wanted = asyncio.get_running_loop().create_future(), text.encode()
        if self._wanted in self._tail:
            self.arrived.set_result(time.perf_counter())
        return self.arrived


@contextlib.asynccontextmanager
async def _clients(port: int, token: str, count: int) -> AsyncIterator[list[_Client]]:
    """Connected, and each has been greeted."""
    loop = asyncio.get_running_loop()
    opened: list[_Client] = []
    try:
        for start in range(0, count, 50):
            part = []
            for _ in range(min(50, count - start)):
                key = base64.b64encode(os.urandom(16)).decode()
                request = (
                    "GET /api/v1/stream?types=logs HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                    f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                    f"Sec-WebSocket-Protocol: observastack.v1, bearer.{token}\r\n\r\n"
                ).encode()
                client = _Client(request)
                greeted = client.wait_for('"hello"')
                await loop.create_connection(lambda one=client: one, "127.0.0.1", port)  # type: ignore[misc]
                part.append((client, greeted))
            await asyncio.wait_for(asyncio.gather(*(greeted for _, greeted in part)), 60)
            opened += [client for client, _ in part]
        yield opened
    finally:
        for client in opened:
            client.transport.close()


@contextlib.contextmanager
def _platform() -> Iterator[tuple[object, object]]:
    from observastack.tests.backend.serving import Store, backend
    from observastack.tests.platform import build_platform
    from tests.servers import postgres_server, redis_server

    with contextlib.ExitStack() as stack:
        try:
            postgres, redis = stack.enter_context(postgres_server()), stack.enter_context(redis_server())
        except FileNotFoundError as reason:
            raise Absent(str(reason)) from None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = build_platform(folder, postgres, redis, auth={"access_ttl_s": 3600})
        running = stack.enter_context(backend(config, folder))
        store = Store(config)
        stack.callback(store.close)
        yield running, store


async def _last_arrival(clients: list[_Client], store: object, rounds: int) -> float:
    """Median over the rounds of the time from the commit of a record until the last client has it."""
    took = []
    for number in range(rounds):
        text = f"perf live {len(clients)} {number} {time.time_ns()}"
        waiting = [client.wait_for(text) for client in clients]
        await asyncio.to_thread(store.logs, "acme", [{"ts": time.time_ns(), "body": text}])  # type: ignore[attr-defined]
        committed = time.perf_counter()
        arrivals = await asyncio.wait_for(asyncio.gather(*waiting), 30)
        took.append(max(arrivals) - committed)
        await asyncio.sleep(PERIOD_S)
    return statistics.median(took)


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmRSS")


@case("live_fan_out", unit="s until the last client", against="one client", at_most=15, large=True)
def live_fan_out(quick: bool) -> Iterator[Round]:
    """A record reaches the last of a thousand clients; the poller's period (0.25 s at most) is in both figures."""

    async def one_round(running: object, store: object) -> Round:
        port, token = running.config.backend.port, running.token("acme-viewer")  # type: ignore[attr-defined]
        async with _clients(port, token, 1) as alone:
            single = await _last_arrival(alone, store, 5)
        async with _clients(port, token, 100 if quick else CLIENTS) as many:
            return Round(await _last_arrival(many, store, 3 if quick else 7), single)

    with _platform() as (running, store):
        for _ in range(1 if quick else 3):
            yield asyncio.run(one_round(running, store))


@case("live_memory", unit="MiB of the backend", at_most=150, large=True)
def live_memory(quick: bool) -> Iterator[Round]:
    """Resident memory with a thousand clients that are being served."""

    async def one_round(running: object, store: object) -> Round:
        port, token = running.config.backend.port, running.token("acme-viewer")  # type: ignore[attr-defined]
        async with _clients(port, token, 100 if quick else CLIENTS) as many:
            await _last_arrival(many, store, 3)
            return Round(_resident_mib(running.process.pid))  # type: ignore[attr-defined]

    with _platform() as (running, store):
        yield asyncio.run(one_round(running, store))
