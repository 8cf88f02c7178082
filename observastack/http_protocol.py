"""HTTP/1.1 on a connection whose request head is bounded in size and in time.

uvicorn bounds neither: a client may send a header without end, or one byte a minute, and hold memory and a connection for as
long as it likes. Bodies are bounded by the applications, which know how large theirs may be.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_S = 10.0
MAX_HEAD = 32 << 10
"""Bytes of request line and headers."""
_REASONS = {
    400: ("Bad Request", "invalid_request", "not an HTTP request"),
    408: ("Request Timeout", "timeout", "the request did not arrive in time"),
    431: ("Request Header Fields Too Large", "too_large", f"the headers are larger than {MAX_HEAD} bytes"),
}


class TooLarge(Exception):
    """The head is larger than MAX_HEAD."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the two bounds; its own complaints have the platform's envelope too."""

    head_timeout_s = HEAD_TIMEOUT_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._received = self._head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._timer is not None:  # a header that has not ended yet is in the parser, where nobody counts
            self._received += len(data)
            if self._received > MAX_HEAD:
                self._refuse(431)

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._cancel()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - a fixed text instead
        self._refuse(431 if self._head > MAX_HEAD else 400)

    def _await_head(self) -> None:
        self._cancel()
        self._received = self._head = 0
        self._timer = self.loop.call_later(self.head_timeout_s, self._refuse, 408)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MAX_HEAD:
            raise TooLarge  # ends the parsing; then send_400_response

    def _refuse(self, status: int) -> None:
        self._cancel()
        if self.transport is None or self.transport.is_closing():
            return
        phrase, code, message = _REASONS[status]
        request_id = uuid.uuid4().hex
        body = orjson.dumps({"error": {"code": code, "message": message, "request_id": request_id, "details": []}})
        self.transport.write(
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()


def bounded(head_timeout_s: float) -> type[BoundedProtocol]:
    """The protocol with another time for the head, in seconds."""
    return type("BoundedProtocol", (BoundedProtocol,), {"head_timeout_s": head_timeout_s})
