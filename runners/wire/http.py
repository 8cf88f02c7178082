"""Sink: OTLP/HTTP over a keep-alive connection, with Content-Length, gzip and an Idempotency-Key.

Built on http.client because a bulk sender costs the machine under test several times less CPU with it than with a full
client library; there is one connection for each sender thread.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from isal import igzip
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from runners.ledger.items import Signal
from runners.lib.errors import NotReady, UsageError
from runners.wire.otlp import PATHS
from runners.wire.parcel import Answer, Parcel

Bearer = Callable[[str], str]
Forget = Callable[[str, str], None]
_MAX_ANSWER = 1 << 20


class HttpSink:
    """bearer(tenant) gives the token to send with; forget(tenant, token) drops one that was answered with 401, so that the
    next is fresh. header, scheme: how the token is sent."""

    def __init__(
        self,
        url: str,
        bearer: Bearer | None,
        forget: Forget | None = None,
        *,
        gzip_level: int = 1,
        timeout_s: float = 5,
        header: str = "Authorization",
        scheme: str = "Bearer",
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url} is not an http(s) URL", remedy="write for example http://127.0.0.1:4318")
        self._secure, self._host = parts.scheme == "https", parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._base = parts.path.rstrip("/")
        self._bearer, self._forget = bearer, forget
        self._header, self._scheme = header, scheme
        self._gzip_level, self._timeout_s = gzip_level, timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def send(self, parcel: Parcel) -> Answer:
        try:
            headers = self._headers(parcel)
        except Exception as error:  # no token, nothing sent: the answer of a sink that cannot be asked
            return Answer(401, error=f"no token for tenant {parcel.tenant}: {error}")
        body: bytes | memoryview = parcel.body
        if self._gzip_level:
            # A fixed modification time keeps equal requests equal as bytes.
            body = igzip.compress(body, self._gzip_level, mtime=0)
        try:
            connection = self._connect()
            connection.request("POST", self._base + PATHS[parcel.batch.signal], body=body, headers=headers)
            response = connection.getresponse()
            content = response.read(_MAX_ANSWER)
            if response.will_close or not response.isclosed():
                self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(0, error=f"{type(error).__name__}: {error}")
        if response.status == 401 and self._forget is not None:
            self._forget(parcel.tenant, headers[self._header].removeprefix(self._scheme).strip())
        retry_after = _retry_after(response.getheader("Retry-After"))
        if not 200 <= response.status < 300:
            return Answer(response.status, 0, retry_after, content[:300].decode("utf-8", "replace"))
        return _accepted(parcel.batch.signal, response.status, content)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        headers = {"Content-Type": "application/x-protobuf", "Idempotency-Key": parcel.key}
        if self._gzip_level:
            headers["Content-Encoding"] = "gzip"
        if self._bearer is not None:
            headers[self._header] = f"{self._scheme} {self._bearer(parcel.tenant)}".strip()
        return headers

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._secure:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
                )
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            self._connection.connect()
            # Header and body leave in two writes; without this the second waits for the peer's delayed ACK.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection


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


def _accepted(signal: Signal, status: int, content: bytes) -> Answer:
    try:
        if signal == "logs":
            logs = ExportLogsServiceResponse.FromString(content).partial_success
            return Answer(status, logs.rejected_log_records, error=logs.error_message)
        if signal == "traces":
            traces = ExportTraceServiceResponse.FromString(content).partial_success
            return Answer(status, traces.rejected_spans, error=traces.error_message)
        metrics = ExportMetricsServiceResponse.FromString(content).partial_success
        return Answer(status, metrics.rejected_data_points, error=metrics.error_message)
    except DecodeError:
        return Answer(0, error="the sink answered a success that is no OTLP response")


def _retry_after(value: str | None) -> float | None:
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
