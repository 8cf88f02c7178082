"""Answers that the web server gives itself: the platform's error envelope, small documents, nothing."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

from starlette.types import Scope, Send

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CODES = {400: "bad_request", 405: "method_not_allowed", 413: "too_large", 503: "unavailable"}


def request_id(scope: Scope) -> str:
    """The one that the client sent, if it is one; else a new one."""
    sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return sent.decode("ascii") if _ID.fullmatch(sent) else uuid.uuid4().hex


async def answer(
    send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = (), *, head: bool = False
) -> None:
    """head: the body's length alone, for a HEAD request."""
    length = [] if status == 304 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def document(send: Send, status: int, content: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    body = json.dumps(content).encode()
    await answer(
        send, status, body, [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *headers]
    )


async def refuse(
    send: Send, status: int, message: str, request: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """The envelope of every error of the platform."""
    content = {"error": {"code": _CODES[status], "message": message, "request_id": request, "details": []}}
    await document(send, status, content, [(b"x-request-id", request.encode()), *headers])
