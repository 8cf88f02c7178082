"""One HTTP client per store: bounded in time, in size and in how many requests run at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import orjson

from observastack import defects
from observastack.backend.sources import SourceFailed

CONCURRENT = 16
MAX_ANSWER_BYTES = 64 << 20
CONNECT_TIMEOUT_S = 1.0
PROBE_TIMEOUT_S = 0.9


@dataclass(frozen=True)
class Reply:
    """A complete answer. What it says is judged by the adapter: stores use statuses differently."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Raises SourceFailed for what is no JSON."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            raise unusable() from None


def unusable() -> SourceFailed:
    """The store answered, but not what it should."""
    return SourceFailed("gave no usable answer")


class StoreClient:
    """Asks one store. Nothing is connected before the first question.

    The environment's proxies are not used: a store is where the configuration says.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            limits=httpx.Limits(max_connections=CONCURRENT, max_keepalive_connections=CONCURRENT),
        )
        self._turns = asyncio.Semaphore(CONCURRENT)
        self._exchanges: set[asyncio.Task[Reply]] = set()  # the loop holds tasks weakly

    async def get(
        self, path: str, parameters: Mapping[str, str], *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> Reply:
        """Raises SourceFailed when there is no complete answer in time; waiting for a turn counts."""
        return await self._send("GET", path, {"params": dict(parameters), "headers": dict(headers or {})}, timeout_s)

    async def post(self, path: str, form: Mapping[str, str], *, timeout_s: float) -> Reply:
        """A form, for questions that may be longer than an address. Raises SourceFailed as `get`."""
        return await self._send("POST", path, {"data": dict(form)}, timeout_s)

    async def ready(self, path: str) -> None:
        """Return when the path answers 200. Raises SourceFailed."""
        reply = await self.get(path, {}, timeout_s=PROBE_TIMEOUT_S)
        if reply.status != 200:
            raise SourceFailed("not ready")

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self, method: str, path: str, arguments: dict[str, Any], timeout_s: float) -> Reply:
        if defects.active("blocking_io"):
            return _blocking(method, f"{self._client.base_url}".rstrip("/") + path, arguments, timeout_s)
        end = time.monotonic() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._turns.acquire()
            exchange = asyncio.create_task(self._exchange(method, path, arguments, end))
            self._exchanges.add(exchange)
            exchange.add_done_callback(self._ended)
            # Left alone, not cancelled, when it takes too long or its caller gives up: a cancelled exchange can keep its
            # place in httpcore's pool (1.0.9), and after sixteen of them nobody gets an answer. It has its own end.
            done, _ = await asyncio.wait({exchange}, timeout=end - time.monotonic())
            if not done:
                raise TimeoutError
            return exchange.result()
        except (TimeoutError, httpx.TimeoutException):
            raise SourceFailed("took too long", "timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise SourceFailed("the store is not available") from None

    async def _exchange(self, method: str, path: str, arguments: dict[str, Any], end: float) -> Reply:
        """Ends by itself soon after `end` (monotonic): each read waits no longer than until then. Gives the turn back."""
        try:
            left = max(end - time.monotonic(), 0.01)
            limits = httpx.Timeout(left, connect=min(CONNECT_TIMEOUT_S, left))
            async with self._client.stream(method, path, timeout=limits, **arguments) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise SourceFailed("the answer is too large")
                    if time.monotonic() > end:
                        raise TimeoutError
                return Reply(response.status_code, bytes(body))
        finally:
            self._turns.release()

    def _ended(self, exchange: asyncio.Task[Reply]) -> None:
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # looked at, so that nothing complains about an error that nobody waits for


def _blocking(method: str, url: str, arguments: dict[str, Any], timeout_s: float) -> Reply:
    """Defect blocking_io: the call holds the event loop until it is answered."""
    try:
        response = httpx.request(method, url, timeout=timeout_s, trust_env=False, **arguments)
    except httpx.TimeoutException:
        raise SourceFailed("took too long", "timeout") from None
    except httpx.HTTPError:
        raise SourceFailed("the store is not available") from None
    return Reply(response.status_code, response.content)


T = TypeVar("T")
LARGE = 128 << 10
"""Bytes from which on an answer is read in a thread: the event loop must go on meanwhile."""


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """The result of the work; beside the event loop when what it reads is large."""
    return await asyncio.to_thread(work) if size >= LARGE else work()
