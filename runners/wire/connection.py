"""One keep-alive connection to a sink, for one thread: HTTP/1.1 (RFC 9112) on a bare socket.

A bulk sender shares the machine with what it tests. Head and body leave in one system call, without a copy; of an answer
no more is understood than a sink's answers need. http.client costs twice, a full client library eight times the CPU.
Requests are not pipelined: one that fails would leave the fate of all behind it unknown (9.3.2 advises against it, too).
"""

from __future__ import annotations

import re
import select
import socket
import struct
from collections.abc import Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

from runners.lib.errors import NotReady, UsageError
from runners.wire.parcel import Answer

if TYPE_CHECKING:
    import ssl

_MAX_ANSWER, _READ = 1 << 20, 1 << 16
TOLD = 300
"""How much of what an answer says is kept, in characters."""
_STATUS = re.compile(rb"HTTP/1\.(\d) ([1-9]\d{2})(?: |$|\r)")
# How an answer is framed; looked for in a head in lower case.
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked")
_CLOSE = re.compile(rb"\r\nconnection:[^\r\n]*close")


class Reply(NamedTuple):
    """head: the status line and all headers, read when somebody asks for one: an acknowledgement needs none."""

    status: int
    content: bytes
    head: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def retry_after_s(self) -> float | None:
        """As asked for."""
        return retry_after(self.headers.get("retry-after"))

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The beginning of what was said."""
        return self.content[:TOLD].decode("utf-8", "replace")


class _Closed(ConnectionError):
    """In good order, which ends an answer of no stated length and breaks off every other."""


class Connection:
    """Opens itself when it is needed; a failed one is opened anew by the next post."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """url: http or https; what follows the host is put before every path. timeout_s: for connecting, for sending and
        for the whole answer, each. Raises UsageError."""
        parts = split_url(url)
        self._secure, self._host = parts.scheme == "https", parts.hostname or ""
        self._port = _port(parts)
        self._base = parts.path.rstrip("/")
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self._always = f"Host: {shown}:{self._port}\r\nAccept-Encoding: identity\r\n"
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._waiting = select.poll()  # for something to read
        self._rest = b""  # received and not yet read
        self._due = 0.0  # when the answer must be there, by the monotonic clock

    def post(self, path: str, body: bytes | memoryview, headers: Mapping[str, str]) -> Reply | Answer:
        """An Answer with status 0 when no reply came: whether the body arrived is not known."""
        told = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if told.count("\n") != len(headers) or told.count("\r") != len(headers):
            raise ValueError("a header must be one line")
        head = f"POST {self._base}{path} HTTP/1.1\r\n{self._always}Content-Length: {len(body)}\r\n{told}\r\n"
        try:
            opened = self._connect()
            try:
                self._send(opened, head.encode("latin-1"), body)
            except _broken() as broken:
                return self._early(broken)
            self._due = monotonic() + self._timeout_s
            return self._reply()
        except BlockingIOError:
            self.close()
            return Answer(0, error=f"TimeoutError: no answer within {self._timeout_s:g} s")
        except (OSError, ValueError) as error:
            self.close()
            return Answer(0, error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket, self._rest = None, b""

    def _connect(self) -> socket.socket:
        if self._socket is not None and self._stirred(self._socket):
            self.close()
        if self._socket is None:
            opened = socket.create_connection((self._host, self._port), self._timeout_s)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                opened = _secured(opened, self._host)
            else:
                _let_kernel_wait(opened, self._timeout_s)
            self._socket, self._waiting = opened, select.poll()
            self._waiting.register(opened, select.POLLIN)
        return self._socket

    def _stirred(self, opened: socket.socket) -> bool:
        """Is there something to read before anything was asked? The other side has closed, or answers what nobody asked: the
        next request must not take that for its own answer."""
        if self._rest or (self._secure and cast("ssl.SSLSocket", opened).pending()):
            return True
        return bool(self._waiting.poll(0))

    def _send(self, to: socket.socket, head: bytes, body: bytes | memoryview) -> None:
        if self._secure:
            to.sendall(head + body)
            return
        due = monotonic() + self._timeout_s
        sent = to.sendmsg((head, body))
        while sent < len(head) + len(body):
            if monotonic() > due:
                raise TimeoutError(f"{sent:,} bytes of the request were taken in {self._timeout_s:g} s")
            sent += to.send(head[sent:] if sent < len(head) else memoryview(body)[sent - len(head) :])

    def _early(self, broken: OSError) -> Reply:
        """The answer of a sink that refused a request before it had read all of it, and closed. Raises `broken` for one that is no
        error, or not certainly whole: after a reset its end cannot be told from a good one."""
        self._due = monotonic() + self._timeout_s
        try:
            reply = self._reply(framed=True)
        except (OSError, ValueError):
            raise broken from None
        if reply.status < 400:
            raise broken
        self.close()
        return reply

    def _reply(self, *, framed: bool = False) -> Reply:
        """framed: of a stated length only."""
        while True:
            head = self._until(b"\r\n\r\n")
            found = _STATUS.match(head)
            if found is None:
                raise ValueError(f"no HTTP answer: {head[:80].decode('latin-1')!r}")
            if (status := int(found[2])) >= 200:  # 1xx come before the answer
                break
        told = head.lower()
        ends = found[1] == b"0" or _CLOSE.search(told) is not None
        if status in (204, 304):
            content = b""
        elif b"\r\ntransfer-encoding:" in told and _CHUNKED.search(told):
            content = self._chunks()
        elif lengths := _LENGTH.findall(told):
            if len(lengths) > 1 and len({int(length) for length in lengths}) > 1:
                raise ValueError("an answer of several lengths")
            content = self._exactly(int(lengths[0]))
        elif framed:
            raise ValueError("an answer of no stated length")
        else:
            content, ends = self._all(), True
        if ends:
            self.close()
        return Reply(status, content, head)

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            found += self._exactly(size)
            self._exactly(2)
            if len(found) > _MAX_ANSWER:
                raise ValueError("an answer without end")
        while self._until(b"\r\n"):
            pass  # trailers
        return found

    def _until(self, end: bytes) -> bytes:
        while (at := self._rest.find(end)) < 0:
            self._more()
        found, self._rest = self._rest[:at], self._rest[at + len(end) :]
        return found

    def _exactly(self, size: int) -> bytes:
        if not size:
            return b""
        if not 0 <= size <= _MAX_ANSWER:
            raise ValueError(f"an answer of {size:,} bytes")
        while len(self._rest) < size:
            self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _all(self) -> bytes:
        try:
            while True:
                self._more()
        except _Closed:
            found, self._rest = self._rest, b""
            return found

    def _more(self) -> None:
        assert self._socket is not None
        if monotonic() > self._due:
            raise TimeoutError("the answer comes in too small pieces to be there in time")
        got = self._socket.recv(_READ)
        if not got:
            raise _Closed("the other side closed the connection before it had answered")
        self._rest += got
        if len(self._rest) > _MAX_ANSWER + _READ:
            raise ValueError("an answer without end")


def _secured(opened: socket.socket, host: str) -> socket.socket:
    import ssl  # OpenSSL is a twentieth of the start, and most sinks are on this machine

    return ssl.create_default_context().wrap_socket(opened, server_hostname=host)


def _broken() -> tuple[type[OSError], ...]:
    """What sending raises when the other side reads no more."""
    import ssl

    return BrokenPipeError, ConnectionResetError, ssl.SSLEOFError


def _untrusted() -> type[OSError]:
    import ssl

    return ssl.SSLError


def _let_kernel_wait(opened: socket.socket, timeout_s: float) -> None:
    """Python asks before each system call on a socket with a time-out whether it would block; the kernel, told how long to
    wait, raises BlockingIOError afterwards and costs nothing."""
    opened.settimeout(None)
    seconds, rest = divmod(timeout_s, 1)
    wait = struct.pack("@ll", int(seconds), max(1, int(rest * 1e6)))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)


def split_url(url: str) -> SplitResult:
    """An http(s) URL of nothing but host, port and path. Raises UsageError."""
    example = "write for example http://127.0.0.1:4318"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{url!r} is not a URL: it holds characters that none has", remedy=example)
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise UsageError(f"{url} is not an http(s) URL: {error}", remedy=example) from None
    if parts.username is not None or parts.password is not None:
        shown = f"{parts.scheme}://…@{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise UsageError(f"{shown} names a user", remedy="leave it out: it would be kept with the run, and not be sent")
    if parts.query or parts.fragment:
        raise UsageError(f"{url} has a query or a fragment, which would not be sent", remedy="leave it out")
    if not known:
        raise UsageError(f"{url} is not an http(s) URL", remedy=example)
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def require_reachable(url: str, timeout_s: float = 5) -> None:
    """Raises NotReady when nothing listens there, or nobody that this machine trusts: better said before the first item
    than after the last."""
    parts = split_url(url)
    try:
        with socket.create_connection((parts.hostname or "", _port(parts)), timeout_s) as opened:
            if parts.scheme == "https":
                _secured(opened, parts.hostname or "").close()
    except _untrusted() as error:
        raise NotReady(
            f"the sink {url} cannot be trusted: {error}",
            remedy="name its certificate in SSL_CERT_FILE, or write http://",
        ) from None
    except OSError as error:
        raise NotReady(
            f"the sink {url} cannot be reached: {error}", remedy="start it, or see `testbed status`"
        ) from None


def retry_after(value: str | None) -> float | None:
    """Seconds, from either form of RFC 9110 section 10.2.3."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # half a sink's imports, for one in a thousand answers

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return None
