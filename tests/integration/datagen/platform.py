"""A small platform for tests: OTLP/HTTP in, export out, tenants by token; its answers can be scripted to go wrong."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observastack.ingest.otlp.histograms import classic, exponential

TENANTS = ("acme", "globex", "initech")
Script = Callable[[int], str]


class Platform:
    """largest: body that is taken, in bytes; lenient: a broken body is acknowledged. script(n) says what becomes of the n-th write: ok, 429, 503, 400, 401, partial, drop (no answer, not stored),
    store-drop (stored, no answer), garbage. honours: does a repeated Idempotency-Key store nothing?"""

    def __init__(self, script: Script = lambda _n: "ok", *, honours: bool = True) -> None:
        self.script, self.honours = script, honours
        self.rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.keys: set[tuple[str, str]] = set()
        self.requests: list[dict[str, Any]] = []
        self.cut_export = False
        self.largest, self.lenient = 1 << 30, False
        self.alerts: dict[str, list[dict[str, Any]]] = {}
        self.lock = threading.Lock()
        self.url = ""

    def write(self, tenant: str, signal: str, key: str, body: bytes) -> None:
        with self.lock:
            if self.honours and (tenant, key) in self.keys:
                return
            self.keys.add((tenant, key))
            self.rows.setdefault((tenant, signal), []).extend(documents(signal, body))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        """The list of alerts, two a page."""
        tenant, _, role = self.headers.get("Authorization", "").removeprefix("Bearer ").partition(":")
        query = dict(parse_qsl(urlsplit(self.path).query))
        begins = int(query.get("cursor", 0))
        found = self.server.platform.alerts.get(tenant, [])
        following = str(begins + 2) if begins + 2 < len(found) else None
        document = {"items": found[begins : begins + 2], "next_cursor": following}
        self._answer(200 if role == "viewer" else 403, json.dumps(document).encode())

    def do_POST(self) -> None:
        platform = self.server.platform
        body = self.rfile.read(int(self.headers["Content-Length"]))
        tenant, _, role = self.headers.get("Authorization", "").removeprefix("Bearer ").partition(":")
        if self.path == "/export":
            self._export(platform, tenant if role == "analyst" else "", json.loads(body))
            return
        signal = self.path.removeprefix("/v1/")
        key = self.headers["Idempotency-Key"]
        with platform.lock:
            number = len(platform.requests)
            platform.requests.append({"tenant": tenant, "signal": signal, "key": key, "size": len(body)})
        if role != "agent":
            self._answer(403, b"")
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        what = platform.script(number)
        if len(body) > platform.largest:
            self._answer(413, b"too large")
            return
        if what in ("ok", "store-drop", "garbage"):
            try:
                platform.write(tenant, signal, key, body)
            except DecodeError:
                self._answer(200 if platform.lenient else 400, b"")
                return
        if what in ("drop", "store-drop"):
            self.close_connection = True
            self.connection.close()
        elif what == "ok":
            self._answer(200, b"")
        elif what == "garbage":
            self._answer(200, b"\xff\xff\xff")
        elif what == "partial":
            self._partial(platform, tenant, signal, key, body)
        else:
            self._answer(int(what), b"no", **({"Retry-After": "0.05"} if what in ("429", "503") else {}))

    def _partial(self, platform: Platform, tenant: str, signal: str, key: str, body: bytes) -> None:
        if signal != "logs":
            platform.write(tenant, signal, key, body)
            self._answer(200, b"")
            return
        request = ExportLogsServiceRequest.FromString(body)
        records = request.resource_logs[0].scope_logs[0].log_records
        refused = min(2, len(records))
        del records[:refused]
        platform.write(tenant, signal, key, request.SerializeToString())
        answer = ExportLogsServiceResponse()
        answer.partial_success.rejected_log_records = refused
        self._answer(200, answer.SerializeToString())

    def _export(self, platform: Platform, tenant: str, query: dict[str, Any]) -> None:
        start, end = int(query["from"]), int(query["to"])
        with platform.lock:
            rows = [
                r for r in platform.rows.get((tenant, query["type"]), []) if start <= int(r["time_unix_nano"]) < end
            ]
        lines = [json.dumps(row) for row in rows]
        if not platform.cut_export:
            lines.append(json.dumps({"end": True, "count": len(rows), "partial": False}))
        self._answer(200, "".join(line + "\n" for line in lines).encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    platform: Platform

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.open: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """As when the process dies: connections that are kept alive end too."""
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        return  # a client that was killed is part of the test


@contextlib.contextmanager
def serving(platform: Platform, port: int = 0) -> Iterator[Platform]:
    server = _Server(("127.0.0.1", port), _Handler)
    server.platform = platform
    platform.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        server.hang_up()
        thread.join()


def environment(home: Path, url: str, *, idempotency: str = "honoured") -> None:
    """An environment `local` of this home that describes the test platform."""
    folder = home / "env" / "local"
    (folder / "secrets").mkdir(parents=True)
    target = folder / "target.yml"
    target.write_text(
        f"""
target: {{name: test, production: false, allow: {{writes: true, load: true}}}}
urls: {{api: "{url}", ingest: "{url}"}}
auth: {{flow: static_token}}
ingest: {{idempotency: {idempotency}}}
operations:
  search.export: {{post: /export, json: {{type: "{{type}}", from: "{{from}}", to: "{{to}}"}}}}
  alerts.list: {{get: /alerts, query: {{cursor: "{{cursor?}}"}}, items: $.items, next: $.next_cursor}}
required: []
"""
    )
    users = [
        {"username": f"{tenant}-{role}", "tenant": tenant, "roles": [role], "token": f"{tenant}:{role}"}
        for tenant in TENANTS
        for role in ("agent", "analyst", "viewer")
    ]
    document = {"tenants": [{"id": tenant, "name": tenant} for tenant in TENANTS], "users": users}
    (folder / "secrets" / "identities.json").write_text(json.dumps(document))
    state = {"v": 1, "environment": "local", "kind": "external", "state": "ready", "target_file": str(target)}
    (folder / "state.json").write_text(json.dumps(state | {"urls": {"api": url, "ingest": url}}))


def documents(signal: str, body: bytes) -> list[dict[str, Any]]:
    """The items of an export request as the lines of an export: decoded independently of the encoder under test."""
    return list({"logs": _logs, "traces": _spans, "metrics": _samples}[signal](body))


def _logs(body: bytes) -> Iterator[dict[str, Any]]:
    for entry in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = _attributes(entry.resource.attributes)
        for scope in entry.scope_logs:
            for record in scope.log_records:
                yield {
                    "time_unix_nano": str(record.time_unix_nano), "service": resource["service.name"],
                    "trace_id": record.trace_id.hex(),
                    "content": {
                        "body": record.body.string_value, "severity_number": record.severity_number,
                        "severity_text": record.severity_text, "span_id": record.span_id.hex(),
                        "attributes": _attributes(record.attributes), "resource": resource,
                    },
                }  # fmt: skip


def _spans(body: bytes) -> Iterator[dict[str, Any]]:
    for entry in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(entry.resource.attributes)
        for scope in entry.scope_spans:
            for span in scope.spans:
                yield {
                    "time_unix_nano": str(span.start_time_unix_nano), "service": resource["service.name"],
                    "trace_id": span.trace_id.hex(),
                    "content": {
                        "name": span.name, "span_id": span.span_id.hex(), "parent_span_id": span.parent_span_id.hex(),
                        "kind": span.kind, "status_code": span.status.code, "status_message": span.status.message,
                        "duration_ns": span.end_time_unix_nano - span.start_time_unix_nano,
                        "attributes": _attributes(span.attributes), "resource": resource,
                        "events": [
                            {"time_unix_nano": e.time_unix_nano, "name": e.name, "attributes": _attributes(e.attributes)}
                            for e in span.events
                        ],
                    },
                }  # fmt: skip


def _samples(body: bytes) -> Iterator[dict[str, Any]]:
    for entry in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        resource = _attributes(entry.resource.attributes)
        for scope in entry.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    if point.flags & 1:
                        continue  # a marker of a series that has ended: nobody is shown it
                    attributes = _attributes(point.attributes)
                    for suffix, le, value in _values(kind, point):
                        yield {
                            "time_unix_nano": str(point.time_unix_nano), "service": resource["service.name"],
                            "trace_id": None,
                            "content": {
                                "name": metric.name + suffix, "unit": metric.unit,
                                "type": "gauge" if kind == "gauge" else "sum", "value": value,
                                "attributes": attributes | ({} if le is None else {"le": le}), "resource": resource,
                            },
                        }  # fmt: skip


def _values(kind: str, point: Any) -> Iterator[tuple[str, str | None, float]]:
    """A histogram is shown as the platform shows it, by the platform's own code."""
    if kind == "histogram":
        yield from classic(point)
    elif kind == "exponential_histogram":
        yield from exponential(point)
    else:
        yield "", None, getattr(point, point.WhichOneof("value"))


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def trouble(number: int) -> str:
    """A script with a bit of everything: what happens to the request of this number."""
    return {2: "drop", 5: "store-drop", 8: "429", 9: "503", 12: "drop", 17: "store-drop", 21: "401", 25: "garbage"}.get(
        number, "ok"
    )
