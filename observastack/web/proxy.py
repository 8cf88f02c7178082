"""The way of an HTTP request to the backend and of its answer back, both as streams; whoever goes away ends both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from observastack.web.answers import refuse
from observastack.web.headers import from_backend, to_backend

MAX_BODY = 2 << 20  # the backend's own limit, which it explains better, is below
CONNECT_S = 2.0
SILENCE_S = 120.0  # the backend's slowest budget and its heartbeats are far below
UPLOAD_S = 30.0  # between two pieces of a request's body
CONNECTIONS = 4096

_log = logging.getLogger("observastack.web")


class TooLarge(Exception):
    """The body has more than MAX_BODY bytes."""


class Gone(Exception):
    """The client went away, or sent nothing for too long."""


class Proxy:
    """One pooled client. url: of the backend; connections: to it at once."""

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        self._base = httpx.URL(url)
        # No proxy from the environment: the backend is beside us.
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S, pool=CONNECT_S), trust_env=False, follow_redirects=False,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=64),
        )  # fmt: skip
        self._turns = asyncio.Semaphore(
            connections
        )  # waiting for a connection in the pool would be one more way to lose it
        self._exchanges: set[asyncio.Task[None]] = set()  # the loop holds tasks weakly

    async def close(self) -> None:
        await self._client.aclose()

    async def alive(self, timeout_s: float) -> str | None:
        """None when the backend answers at all, else why not."""
        try:
            found = await self._client.get(self._base.join("/api/v1/health/live"), timeout=timeout_s)
        except httpx.TimeoutException:
            return f"no answer within {timeout_s:g} s"
        except httpx.HTTPError:
            return "not reachable"
        return None if found.status_code == 200 else f"answers {found.status_code}"

    async def document(self, path: str, timeout_s: float) -> dict[str, Any] | None:
        """What the backend answers on its own account; None when it does not, or with something else."""
        try:
            found = await self._client.get(self._base.join(path), timeout=timeout_s)
            content = found.json() if found.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    async def pass_on(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Ask the backend what the client asks, and answer with what it answers."""
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY:
            await refuse(send, 413, _TOO_LARGE, request_id)
            return
        body = _Body(receive, expected=b"transfer-encoding" in headers or declared.strip() not in (b"", b"0"))
        client = scope["client"][0] if scope.get("client") else "unknown"
        request = httpx.Request(
            scope["method"], self._url(scope), headers=to_backend(scope["headers"], client, request_id),
            content=body.pieces() if body.expected else None,
            extensions={"timeout": self._client.timeout.as_dict()},
        )  # fmt: skip
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._turns.acquire()
        except TimeoutError:
            await refuse(send, 503, "too many requests wait for the backend", request_id, _RETRY)
            return
        question = _Question()
        exchange = asyncio.create_task(self._exchange(request, question, send, request_id))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._ended)
        watching = asyncio.create_task(body.gone())
        try:
            await asyncio.wait((exchange, watching), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Not longer than the client is there: a stream without end would go on for nobody.
            watching.cancel()
            await asyncio.gather(watching, question.give_up(), return_exceptions=True)
        if exchange.done():
            exchange.result()

    async def _exchange(self, request: httpx.Request, question: _Question, send: Send, request_id: str) -> None:
        try:
            question.answer = response = await self._client.send(request, stream=True)
        except TooLarge:
            await refuse(send, 413, _TOO_LARGE, request_id)
        except Gone:
            await refuse(send, 400, "the body did not arrive", request_id, [(b"connection", b"close")])
        except httpx.TimeoutException:
            await refuse(send, 503, "the backend does not answer in time", request_id, _RETRY)
        except httpx.HTTPError as error:
            _log.warning("the backend cannot be asked: %s", type(error).__name__)
            await refuse(send, 503, "the backend cannot be reached", request_id, _RETRY)
        else:
            try:
                if not question.given_up:
                    await _stream(response, send)
            except httpx.HTTPError as error:  # cutting it short is the only honest thing left
                if not question.given_up:
                    _log.warning("the backend ended in the middle of an answer: %s", type(error).__name__)
            finally:
                await response.aclose()

    def _ended(self, exchange: asyncio.Task[None]) -> None:
        self._exchanges.discard(exchange)
        self._turns.release()
        if not exchange.cancelled():
            exchange.exception()  # looked at, so that nothing complains about an error that nobody waits for

    def _url(self, scope: Scope) -> httpx.URL:
        """Byte for byte what the client sent: decoding and encoding again may make another path of it."""
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope["query_string"]
        return self._base.copy_with(raw_path=path + (b"?" + query if query else b""))


_RETRY = [(b"retry-after", b"1")]
_TOO_LARGE = f"the body is larger than {MAX_BODY} bytes"


class _Question:
    """What the backend is asked. Never cancelled: that can keep its place in httpcore's pool for good (1.0.9)."""

    def __init__(self) -> None:
        self.answer: httpx.Response | None = None
        self.given_up = False

    async def give_up(self) -> None:
        """An answer that still comes ends now: the backend sees its reader go. One not begun is dropped when it begins."""
        self.given_up = True
        if self.answer is not None and not self.answer.is_closed:
            await self.answer.extensions["network_stream"].aclose()


class _Body:
    """A request's body as it arrives; and afterwards, whether its sender is still there."""

    def __init__(self, receive: Receive, *, expected: bool) -> None:
        self._receive, self.expected = receive, expected
        self._read = asyncio.Event()
        if not expected:
            self._read.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises TooLarge, Gone."""
        seen, more = 0, True
        while more:
            try:
                async with asyncio.timeout(UPLOAD_S):
                    message = await self._receive()
            except TimeoutError:
                raise Gone from None
            if message["type"] == "http.disconnect":
                raise Gone
            piece: bytes = message.get("body", b"")
            seen += len(piece)
            if seen > MAX_BODY:
                raise TooLarge
            more = message.get("more_body", False)
            if piece:
                yield piece
        self._read.set()

    async def gone(self) -> None:
        """Returns when the client has gone away, once it has sent everything."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _stream(response: httpx.Response, send: Send) -> None:
    """The answer as it comes, in its own content coding."""
    headers = from_backend(response.headers.raw)
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    async for piece in response.aiter_raw():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
