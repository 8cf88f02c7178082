"""Sink: OTLP/HTTP over a keep-alive connection, with Content-Length, compression and an Idempotency-Key.

There is one connection for each sender thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from google.protobuf.message import DecodeError
from isal import igzip
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from runners.ledger.items import Signal
from runners.wire.connection import TOLD, Connection, Reply
from runners.wire.otlp import PATHS
from runners.wire.parcel import Answer, Parcel, Sink

Compression = Literal["gzip", "zstd", "none"]
_Bytes = bytes | memoryview


def _zstd(body: _Bytes) -> bytes:
    import cramjam

    return bytes(cramjam.zstd.compress(body, 1))


_COMPRESS: Mapping[Compression, Callable[[_Bytes], _Bytes]] = {
    # A fixed modification time keeps equal requests equal as bytes.
    "gzip": lambda body: igzip.compress(body, 1, mtime=0),
    "zstd": _zstd,
    "none": lambda body: body,
}
Bearer = Callable[[str], str]
Forget = Callable[[str, str], None]


class HttpSink(Sink):
    """bearer(tenant) gives the token to send with; forget(tenant, token) drops one that was answered with 401, so that the
    next is fresh. header, scheme: how the token is sent."""

    def __init__(
        self,
        url: str,
        bearer: Bearer | None,
        forget: Forget | None = None,
        *,
        compression: Compression = "gzip",
        timeout_s: float = 5,
        header: str = "Authorization",
        scheme: str = "Bearer",
    ) -> None:
        self._connection = Connection(url, timeout_s)
        self._bearer, self._forget = bearer, forget
        self._header, self._scheme = header, scheme
        self._compression: Compression = compression

    def pack(self, parcel: Parcel) -> Parcel:
        packed = _COMPRESS[self._compression](parcel.body)
        # RFC 1952: gzip ends with the CRC-32 of what was compressed, and its length.
        checksum = int.from_bytes(packed[-8:-4], "little") if self._compression == "gzip" else None
        return replace(parcel, packed=packed, checksum=checksum)

    def send(self, parcel: Parcel) -> Answer:
        try:
            headers = self._headers(parcel)
        except Exception as error:  # of whoever gives tokens
            return Answer(0, error=f"no token for tenant {parcel.tenant}: {error}", sent=False)
        packed = parcel.packed if parcel.packed is not None else _COMPRESS[self._compression](parcel.body)
        reply = self._connection.post(PATHS[parcel.batch.signal], packed, headers)
        if not isinstance(reply, Reply):
            return reply
        if reply.ok and not reply.content:
            return Answer(reply.status)  # nothing was left out
        token = "" if self._bearer is None else headers[self._header].removeprefix(self._scheme).strip()
        if reply.status == 401 and self._forget is not None:
            self._forget(parcel.tenant, token)
        if not reply.ok:
            return Answer(reply.status, 0, reply.retry_after_s, _told(reply.content.decode("utf-8", "replace"), token))
        answer = _accepted(parcel, reply)
        return replace(answer, error=_told(answer.error, token)) if answer.error else answer

    def close(self) -> None:
        self._connection.close()

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        headers = {"Content-Type": "application/x-protobuf", "Idempotency-Key": parcel.key}
        if self._compression != "none":
            headers["Content-Encoding"] = self._compression
        if self._bearer is not None:
            headers[self._header] = f"{self._scheme} {self._bearer(parcel.tenant)}".strip()
        return headers


def _told(said: str, token: str) -> str:
    """The beginning of what was said, without the token: it is kept, and shown."""
    return (said.replace(token, "…") if token else said)[:TOLD]


def _accepted(parcel: Parcel, reply: Reply) -> Answer:
    """A success counts only when it is one of OTLP: whoever else may answer there has stored nothing that is known of."""
    if reply.content and "protobuf" not in reply.headers.get("content-type", "protobuf"):
        return _no_answer("the sink answered a success that is no OTLP response")
    try:
        refused, told = _partial_success(parcel.batch.signal, reply.content)
    except DecodeError:
        return _no_answer("the sink answered a success that is no OTLP response")
    if not 0 <= refused <= parcel.items:
        return _no_answer(f"the sink says that it refused {refused:,} items of {parcel.items:,}")
    return Answer(reply.status, refused, error=told)


def _no_answer(error: str) -> Answer:
    return Answer(0, error=error)


def _partial_success(signal: Signal, content: bytes) -> tuple[int, str]:
    """(items that were refused, why). Raises DecodeError."""
    if signal == "logs":
        logs = ExportLogsServiceResponse.FromString(content).partial_success
        return logs.rejected_log_records, logs.error_message
    if signal == "traces":
        traces = ExportTraceServiceResponse.FromString(content).partial_success
        return traces.rejected_spans, traces.error_message
    metrics = ExportMetricsServiceResponse.FromString(content).partial_success
    return metrics.rejected_data_points, metrics.error_message
