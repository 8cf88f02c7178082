"""A sink for benchmarks, in a process of its own: takes OTLP/HTTP requests and says how many items came.

`python -m tests.perf._sink` prints its port. GET answers `{"items": n, "bytes": n}` since the last GET. It looks into the
requests only then: while something is measured it takes them and no more of the machine than that needs.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_came: list[tuple[str, bool, bytes]] = []
"""Path, is it gzip, body."""
_lock = threading.Lock()


def _items(path: str, gzipped: bool, body: bytes) -> int:
    if gzipped:
        body = gzip.decompress(body)
    if path.endswith("/traces"):
        spans = ExportTraceServiceRequest.FromString(body).resource_spans
        return sum(len(scope.spans) for entry in spans for scope in entry.scope_spans)
    if path.endswith("/metrics"):
        points = ExportMetricsServiceRequest.FromString(body).resource_metrics
        return sum(
            len(getattr(metric, metric.WhichOneof("data") or "gauge").data_points)
            for entry in points
            for scope in entry.scope_metrics
            for metric in scope.metrics
        )
    logs = ExportLogsServiceRequest.FromString(body).resource_logs
    return sum(len(scope.log_records) for entry in logs for scope in entry.scope_logs)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = (
            self._chunks()
            if "Content-Length" not in self.headers
            else self.rfile.read(int(self.headers["Content-Length"]))
        )
        with _lock:
            _came.append((self.path, self.headers.get("Content-Encoding") == "gzip", body))
        self._answer(b"")

    def do_GET(self) -> None:
        with _lock:
            came = _came[:]
            _came.clear()
        told = {"items": sum(_items(*request) for request in came), "bytes": sum(len(body) for *_, body in came)}
        self._answer(json.dumps(told).encode())

    def _chunks(self) -> bytes:
        found = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(found)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Sink:
    """Its address, and what came."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"

    def take(self) -> dict[str, int]:
        """{items, bytes} since it was last asked."""
        with urllib.request.urlopen(f"http://{self.address}/", timeout=30) as answer:
            found: dict[str, int] = json.load(answer)
        return found


def settled(to: Sink, wanted: int) -> int:
    """Items that came; of what waits in a sender's queue, too, as long as it comes within a while."""
    found, deadline = 0, time.monotonic() + 30
    while (found := found + to.take()["items"]) < wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@contextmanager
def sink() -> Iterator[Sink]:
    """A running one."""
    process = subprocess.Popen([sys.executable, "-m", "tests.perf._sink"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Sink(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
