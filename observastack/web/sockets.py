"""The live stream through this server: a WebSocket on either side, message for message, close code for close code."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from observastack.web.headers import to_backend

OPEN_S = 5.0
MAX_MESSAGE = 1 << 20
# Codes that a close frame must not carry (RFC 6455, 7.4.1): they say that there was none.
_UNSENDABLE = frozenset((1005, 1006, 1015))
_HANDSHAKE = frozenset(
    (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-protocol", b"origin")
)


async def pass_on(backend: str, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
    """Open the same WebSocket at the backend and connect the two until one side closes. backend: host:port."""
    if (await receive())["type"] != "websocket.connect":
        return
    if not same_origin(scope):
        await _deny(scope, send, 403)
        return
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    client = scope["client"][0] if scope.get("client") else "unknown"
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in to_backend(scope["headers"], client, request_id)
        if name not in _HANDSHAKE
    ]
    try:
        upstream = await connect(
            f"ws://{backend}{path.decode('latin-1')}" + (f"?{query.decode('latin-1')}" if query else ""),
            subprotocols=list(scope["subprotocols"]) or None, additional_headers=headers, user_agent_header=None,
            proxy=None, compression=None, open_timeout=OPEN_S, max_size=MAX_MESSAGE, close_timeout=1,
        )  # fmt: skip
    except InvalidStatus as refusal:
        await _deny(scope, send, refusal.response.status_code)
    except (OSError, TimeoutError, InvalidHandshake):
        await _deny(scope, send, 503)
    else:
        async with upstream:
            await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
            await _connect(upstream, receive, send)


def same_origin(scope: Scope) -> bool:
    """A page of another site must not open one; what is no browser sends no Origin."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    return not origin or urlsplit(origin).netloc == headers.get(b"host", b"").decode("latin-1")


async def _connect(upstream: ClientConnection, receive: Receive, send: Send) -> None:
    async def upward() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            data = message.get("text")
            await upstream.send(message["bytes"] if data is None else data)
        code = message.get("code", 1000)
        await upstream.close(1001 if code in _UNSENDABLE else code, message.get("reason") or "")

    async def downward() -> None:
        try:
            while True:
                data = await upstream.recv()
                await send({"type": "websocket.send", **({"text": data} if isinstance(data, str) else {"bytes": data})})
        except ConnectionClosed as closed:
            frame = closed.rcvd
            code = 1011 if frame is None or frame.code in _UNSENDABLE else frame.code
            await send({"type": "websocket.close", "code": code, "reason": frame.reason if frame else ""})

    tasks = [asyncio.ensure_future(upward()), asyncio.ensure_future(downward())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _deny(scope: Scope, send: Send, status: int) -> None:
    """Refuse the handshake with this status, where the server can say it (ASGI's WebSocket Denial Response)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "websocket.http.response.body", "body": b""})
