"""One keep-alive connection to a sink, for one thread.

Built on http.client because a bulk sender costs the machine under test several times less CPU with it than with a full
client library.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit

from runners.lib.errors import NotReady, UsageError
from runners.wire.parcel import Answer

_MAX_ANSWER = 1 << 20
_TOLD = 300


@dataclass(frozen=True)
class Reply:
    """retry_after_s: as asked for; headers: names in lower case."""

    status: int
    content: bytes
    retry_after_s: float | None
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The beginning of what was said."""
        return self.content[:_TOLD].decode("utf-8", "replace")


class Connection:
    """Opens itself when it is needed; a failed one is opened anew by the next post."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """url: http or https; what follows the host is put before every path. Raises UsageError."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url} is not an http(s) URL", remedy="write for example http://127.0.0.1:4318")
        self._secure, self._host = parts.scheme == "https", parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._base = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._open: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes | memoryview, headers: Mapping[str, str]) -> Reply | Answer:
        """An Answer with status 0 when no reply came: whether the body arrived is not known."""
        try:
            connection = self._connect()
            connection.request("POST", self._base + path, body=body, headers=dict(headers))
            response = connection.getresponse()
            content = response.read(_MAX_ANSWER)
            if response.will_close or not response.isclosed():
                self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(0, error=f"{type(error).__name__}: {error}")
        told = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, content, retry_after(told.get("retry-after")), told)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._open is None:
            if self._secure:
                self._open = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
                )
            else:
                self._open = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            self._open.connect()
            # Header and body leave in two writes; without this the second waits for the peer's delayed ACK.
            self._open.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._open


def require_reachable(url: str, timeout_s: float = 5) -> None:
    """Raises NotReady when nothing listens there: better said before the first item than after the last."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout_s).close()
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
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
