"""One gRPC unary call after the other over HTTP/2 without TLS, from a writer thread.

h2 (pure Python, 0.5 MB with what it needs) instead of grpcio (tens of megabytes, threads of its own): only unary calls with
binary messages are needed. Source: grpc/grpc doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from observastack.ingest.store_health import address
from observastack.store.write import Unavailable

OK, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 0, 4, 8, 14
_READ = 1 << 16


@dataclass(slots=True)
class _Call:
    """What has come back so far on one stream."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False


class Channel:
    """One connection, opened by the first call and again after a failure. One thread, one call at a time."""

    def __init__(self, target: str, timeout_s: float) -> None:
        self._address, self._authority, self._timeout_s = address(target), target, timeout_s
        self._socket: socket.socket | None = None
        self._http: h2.connection.H2Connection

    def unary(self, method: str, message: bytes, metadata: dict[str, str]) -> tuple[int, str]:
        """(grpc-status, grpc-message). Raises Unavailable when there is no answer.

        A call on a connection that was closed meanwhile is made once more: the caller's message must bear that.
        """
        deadline = time.monotonic() + self._timeout_s
        for last in (False, True):
            kept = self._socket is not None
            try:
                return self._call(method, message, metadata, deadline)
            except TimeoutError as error:
                self.close()
                raise Unavailable("no answer in time", unknown=True) from error
            except (OSError, h2.exceptions.ProtocolError) as error:
                self.close()
                if last or not kept:
                    unknown = not isinstance(error, ConnectionRefusedError)
                    raise Unavailable(f"{type(error).__name__}: {error}", unknown=unknown) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _call(self, method: str, message: bytes, metadata: dict[str, str], deadline: float) -> tuple[int, str]:
        connection = self._connect()
        call = _Call(self._http.get_next_available_stream_id())
        milliseconds = max(1, round((deadline - time.monotonic()) * 1000))
        self._http.send_headers(
            call.stream,
            [
                (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", self._authority),
                ("te", "trailers"), ("content-type", "application/grpc+proto"), ("grpc-timeout", f"{milliseconds}m"),
                *metadata.items(),
            ],
        )  # fmt: skip
        frame = b"\0" + len(message).to_bytes(4, "big") + message  # not compressed
        sent = 0
        while sent < len(frame) and not call.ended:
            room = min(self._http.local_flow_control_window(call.stream), self._http.max_outbound_frame_size)
            if room <= 0:
                self._receive(connection, call, deadline)
                continue
            part = frame[sent : sent + room]
            sent += len(part)
            self._http.send_data(call.stream, part, end_stream=sent == len(frame))
            self._flush(connection, deadline)
        while not call.ended:
            self._receive(connection, call, deadline)
        status = call.headers.get("grpc-status", "")
        if not status.isdecimal():
            raise ConnectionError(f"no gRPC answer (HTTP status {call.headers.get(':status', 'none')})")
        return int(status), call.headers.get("grpc-message", "")

    def _connect(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        connection = socket.create_connection(self._address, self._timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()
        self._socket = connection
        return connection

    def _flush(self, connection: socket.socket, deadline: float) -> None:
        connection.settimeout(_left(deadline))
        connection.sendall(self._http.data_to_send())

    def _receive(self, connection: socket.socket, call: _Call, deadline: float) -> None:
        self._flush(connection, deadline)
        connection.settimeout(_left(deadline))
        data = connection.recv(_READ)
        if not data:
            raise ConnectionResetError("closed by the other side")
        for event in self._http.receive_data(data):
            if isinstance(event, h2.events.ConnectionTerminated):
                raise ConnectionResetError("the server is going away")
            if getattr(event, "stream_id", None) != call.stream:
                continue
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                call.headers.update((str(name), str(value)) for name, value in event.headers or ())
            elif isinstance(event, h2.events.DataReceived):  # the answer's message tells nothing that is needed
                self._http.acknowledge_received_data(event.flow_controlled_length or 0, call.stream)
            elif isinstance(event, h2.events.StreamEnded):
                call.ended = True
            elif isinstance(event, h2.events.StreamReset):
                if event.error_code == h2.errors.ErrorCodes.NO_ERROR and call.headers:
                    call.ended = True  # the server has answered and does not want the rest
                else:
                    raise ConnectionResetError(f"stream reset: {event.error_code}")
        self._flush(connection, deadline)


def _left(deadline: float) -> float:
    """Seconds; 0 would mean a socket that does not wait at all. Raises TimeoutError."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left
