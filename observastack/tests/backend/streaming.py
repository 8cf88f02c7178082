"""A client of the live stream for tests."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from observastack.tests.backend.serving import PREFIX, Backend

Message = dict[str, Any]


class Stream:
    """What the server says, in order; `closed` is the code of its end."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Message] = []
        self.closed: int | None = None

    def receive(self, patience_s: float = 10) -> Message | None:
        """The next message; None when the stream has ended. Fails when nothing comes."""
        try:
            message: Message = json.loads(self.connection.recv(timeout=patience_s))
        except ConnectionClosed as end:
            self.closed = end.rcvd.code if end.rcvd else 1006
            return None
        self.seen.append(message)
        return message

    def until(self, condition: Callable[[Message], bool], patience_s: float = 10) -> Message:
        """The first message from now on that fulfils the condition."""
        deadline = time.monotonic() + patience_s
        while True:
            message = self.receive(max(deadline - time.monotonic(), 0.01))
            assert message is not None, f"closed with {self.closed}, having said {self.seen[-3:]}"
            if condition(message):
                return message

    def end(self, patience_s: float = 10) -> int:
        """Read until the server closes; its code."""
        while self.receive(patience_s) is not None:
            pass
        assert self.closed is not None
        return self.closed

    def say(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def items(self, count: int, source: str = "logs", patience_s: float = 10) -> list[Message]:
        """The next so many items of a source."""
        found: list[Message] = []
        while len(found) < count:
            found += self.until(lambda message: message.get("source") == source, patience_s)["items"]
        return found

    @property
    def cursor(self) -> str:
        """Of the last message that has one."""
        return str(next(message["cursor"] for message in reversed(self.seen) if "cursor" in message))


@contextlib.contextmanager
def stream(
    running: Backend,
    username: str | None = "acme-viewer",
    *,
    token: str | None = None,
    hello: bool = True,
    slow: bool = False,
    **query: Any,
) -> Iterator[Stream]:
    """Opened with the token as a subprotocol; username None and no token: nothing is said about who it is.

    slow: little is buffered on the client's side while it does not read.
    """
    token = token if token is not None or username is None else running.token(username)
    url = f"ws://127.0.0.1:{running.config.backend.port}{PREFIX}/stream?{urlencode(query)}"
    protocols = None if token is None else [Subprotocol("observastack.v1"), Subprotocol(f"bearer.{token}")]
    line = socket.socket()
    if slow:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
    line.connect(("127.0.0.1", running.config.backend.port))
    with connect(
        url, sock=line, subprotocols=protocols, compression=None, max_size=64 << 20, max_queue=1
    ) as connection:
        opened = Stream(connection)
        if hello:
            first = opened.receive()
            assert first is not None and first["type"] == "hello", (first, opened.closed)
        yield opened


def bodies(items: list[Message]) -> list[str]:
    return [str(item["content"]["body"]) for item in items]
