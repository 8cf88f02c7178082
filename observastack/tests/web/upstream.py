"""A backend that tells what it was sent, for what only the other side of a proxy can see: `python upstream.py PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvicorn

_streams: set[object] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await _websocket(scope, receive, send)
    elif scope["type"] == "http":
        await _http(scope, receive, send)


async def _http(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/api/v1/ticks":
        await _ticks(receive, send)
    elif path == "/api/v1/dies":
        await _start(send, 200, (b"content-length", b"100"))
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("in the middle")
    elif path == "/api/v1/auth/auth-info":
        await _answer(send, 200, {"method": "oidc", "token_endpoint": "https://tokens.invalid:8443/token"})
    elif path == "/api/v1/streams":
        await _answer(send, 200, {"open": len(_streams)})
    else:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await _answer(
            send, 418 if path == "/api/v1/teapot" else 200,
            {
                "method": scope["method"], "raw_path": scope["raw_path"].decode(), "query": scope["query_string"].decode(),
                "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]], "bytes": len(body),
            },
        )  # fmt: skip


async def _ticks(receive: Any, send: Any) -> None:
    """Server-sent events without end, until the client goes."""
    mark = object()
    _streams.add(mark)
    try:
        await _start(send, 200, (b"content-type", b"text/event-stream"))
        await receive()  # the request itself
        gone = asyncio.ensure_future(receive())
        for number in range(10_000):
            await send({"type": "http.response.body", "body": f"data: {number}\n\n".encode(), "more_body": True})
            if (await asyncio.wait((gone,), timeout=0.02))[0]:
                break
    finally:
        _streams.discard(mark)


async def _websocket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    if scope["path"] == "/api/v1/refused":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})
        return
    chosen = "observastack.v1" if "observastack.v1" in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    names = [name.decode() for name, _ in scope["headers"]]
    await send({"type": "websocket.send", "text": json.dumps({"asked": scope["subprotocols"], "headers": names})})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "end":
            await send({"type": "websocket.close", "code": 4401, "reason": "expired"})
            return
        await send({"type": "websocket.send", "text": f"echo {message['text']}"})


async def _start(send: Any, status: int, *headers: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def _answer(send: Any, status: int, content: Any) -> None:
    await _start(send, status, (b"content-type", b"application/json"), (b"connection", b"x-inner"), (b"x-inner", b"1"))
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off")
