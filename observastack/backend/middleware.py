"""Around every request: its id, its time, a limit on its body, and the envelope for what nobody caught."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from observastack import defects
from observastack.backend.errors import ApiError, as_api_error, envelope
from observastack.backend.telemetry import Telemetry

MAX_BODY = 1 << 20
BODY_S = 10.0
"""A request's body has arrived by then."""
SEND_S = 30.0
"""Each part of an answer is taken by then."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestScope:
    """Pure ASGI, so that a streamed answer stays a stream and a client that goes away cancels it."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        scope["observastack.request_id"] = request_id
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_added(scope, request_id)]
            # A client that stops reading would hold the answer's database connection for ever.
            async with asyncio.timeout(SEND_S):
                await send(message)

        self._telemetry.in_flight += 1
        try:
            declared = headers.get(b"content-length", b"0")
            if declared.isdigit() and int(declared) > MAX_BODY:
                await _answer(send_with_id, ApiError(413, f"the body is larger than {MAX_BODY} bytes"), request_id)
            else:
                await self._app(scope, _limited(receive), send_with_id)
        except Exception as error:
            problem = as_api_error(error)
            if status:  # the answer has begun: cutting it short is the only honest thing left
                raise
            await _answer(send_with_id, problem, request_id)
        finally:
            self._telemetry.in_flight -= 1
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._telemetry.observe(method, _route(scope), status, time.perf_counter() - started)


def _added(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    """The request's id, and what a limiter has to say about the caller's use."""
    said: dict[str, str] = scope.get("observastack.headers", {})
    added = [(name.lower().encode(), value.encode()) for name, value in said.items()]
    if not defects.active("request_id_missing"):
        added.append((b"x-request-id", request_id.encode()))
    return added


def _limited(receive: Receive) -> Receive:
    """A body sent in chunks has no Content-Length: count what arrives; and the whole body has a time."""
    seen, complete = 0, False
    until = asyncio.get_running_loop().time() + BODY_S

    async def limited() -> Message:
        nonlocal seen, complete
        if complete:  # what comes now is at most the news that the client has left: that may take as long as it likes
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "the body did not arrive in time", {"Connection": "close"}) from None
        seen += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if seen > MAX_BODY:
            raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
        return message

    return limited


def _request_id(sent: bytes | None) -> str:
    text = (sent or b"").decode("latin-1")
    return text if _ID.fullmatch(text) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


async def _answer(send: Send, error: ApiError, request_id: str) -> None:
    body = envelope(error, request_id)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
