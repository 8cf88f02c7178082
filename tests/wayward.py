"""A sink's front that misbehaves on demand: HTTP/1.1 on loopback in front of a real ingest."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, get_args

Mode = Literal["well", "unavailable", "throttled", "cut", "halved", "unanswered", "slow"]
"""unavailable: 503; throttled: 429 and Retry-After; cut: hangs up in the middle of a request, of which nothing goes on; halved:
as much of it goes on as came, then both ends are cut; unanswered: all of it goes on, and no answer comes back; slow: each
answer waits."""
MODES: tuple[Mode, ...] = get_args(Mode)
SLOW_S, RETRY_AFTER_S = 0.4, 1
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Front(ThreadingHTTPServer):
    """Passes everything on to 127.0.0.1:`target`. mode: what becomes of requests from now on; met: how many it met."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.mode: Mode = "well"
        self.met: Counter[Mode] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def being(self, mode: Mode) -> Iterator[None]:
        self.mode = mode
        try:
            yield
        finally:
            self.mode = "well"

    def handle_error(self, *_: Any) -> None:
        return  # a client that was killed, or a server, is part of the drill


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body of an answer in one packet
    server: Front

    def setup(self) -> None:
        super().setup()
        self._onward: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._onward is not None:
            self._onward.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        return

    def do_POST(self) -> None:
        mode, size = self.server.mode, int(self.headers["Content-Length"])
        self.server.met[mode] += 1
        if mode in ("cut", "halved"):
            begun = self.rfile.read(size // 2)
            if mode == "halved":
                self._pass_half(begun, size)
            self._hang_up()
            return
        body = self.rfile.read(size)
        if mode == "unavailable":
            self._answer(503, b"")
        elif mode == "throttled":
            self._answer(429, b"", {"Retry-After": str(RETRY_AFTER_S)})
        else:
            try:
                status, content, headers = self._pass(body)
            except (OSError, http.client.HTTPException):
                self._hang_up()  # as the ingest itself did
                return
            if mode == "slow":
                time.sleep(SLOW_S)
            if mode == "unanswered":
                self._hang_up()
            else:
                self._answer(status, content, headers)

    def _pass(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if self._onward is None:
            self._onward = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        self._onward.request("POST", self.path, body, headers)
        answer = self._onward.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        return answer.status, answer.read(), kept

    def _pass_half(self, begun: bytes, size: int) -> None:
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items() if name.lower() not in _HOP)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.target), 5) as onward:
            onward.sendall(head.encode("latin-1") + b"\r\n" + begun)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


@contextlib.contextmanager
def front(target: int) -> Iterator[Front]:
    """target: port of the ingest on loopback."""
    with Front(target) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
