"""The platform's own traces: what reaches the collector, and that nothing of OpenTelemetry is there when it is off."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.serving import backend
from observastack.tests.gateway import Gateway, logs, running_gateway, wait_for
from observastack.tests.platform import Tokens, build_platform
from tests.servers import free_port

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{'1' * 32}-{PARENT}-00"


class Collector:
    """Takes OTLP/HTTP and remembers the spans with their service."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        remember = self._remember

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                remember(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _remember(self, request: ExportTraceServiceRequest) -> None:
        for group in request.resource_spans:
            [service] = [pair.value.string_value for pair in group.resource.attributes if pair.key == "service.name"]
            self.spans += [(service, span) for scope in group.scope_spans for span in scope.spans]

    def of(self, request_id: str) -> tuple[str, Span]:
        """The span of a request, once it is here."""

        def found() -> list[tuple[str, Span]]:
            return [each for each in self.spans if attribute(each[1], "observastack.request_id") == request_id]

        wait_for(lambda: bool(found()), f"the span of {request_id}")
        return found()[0]


def attribute(span: Span, name: str) -> str | int | None:
    for pair in span.attributes:
        if pair.key == name:
            return pair.value.string_value or pair.value.int_value
    return None


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str, collector: Collector) -> Config:
    telemetry = {"otlp_url": collector.url, "sample_ratio": 0.0}
    return build_platform(tmp_path_factory.mktemp("platform"), postgres, redis, telemetry=telemetry)


@pytest.fixture(scope="module")
def gateway(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_a_write_continues_the_client_s_trace(config: Config, gateway: Gateway, collector: Collector) -> None:
    headers = {"traceparent": SAMPLED, "x_request_id": "write-1"}
    assert gateway.post("logs", logs(["x"]), Tokens(config)(), **headers).status_code == 200
    service, span = collector.of("write-1")
    assert (service, span.name, span.kind) == ("observastack-ingest", "POST /v1/logs", Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert attribute(span, "http.response.status_code") == 200
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert span.status.code == Status.STATUS_CODE_UNSET


def test_the_client_s_decision_and_the_ratio_count(config: Config, gateway: Gateway, collector: Collector) -> None:
    token = Tokens(config)()
    gateway.post("logs", logs(["x"]), token, traceparent=UNSAMPLED, x_request_id="not-sampled")
    gateway.post("logs", logs(["x"]), token, x_request_id="root-at-ratio-0")
    gateway.post("logs", logs(["x"]), token, traceparent="00-nonsense", x_request_id="nonsense")
    httpx.get(f"{gateway.url}/health/live", headers={"traceparent": SAMPLED, "x-request-id": "quiet"})
    gateway.post("logs", logs(["x"]), token, traceparent=SAMPLED, x_request_id="last")
    collector.of("last")
    known = {attribute(span, "observastack.request_id") for _, span in collector.spans}
    assert known.isdisjoint({"not-sampled", "root-at-ratio-0", "nonsense", "quiet"})


def test_the_backend_names_routes_and_not_paths(config: Config, collector: Collector, tmp_path: Path) -> None:
    with backend(config, tmp_path) as running:
        url = f"http://127.0.0.1:{config.backend.port}/api/v1/traces/{TRACE}"
        headers = {
            "traceparent": SAMPLED, "x-request-id": "read-1", "authorization": f"Bearer {running.token('acme-viewer')}",
        }  # fmt: skip
        assert httpx.get(url, headers=headers).status_code == 404
        service, span = collector.of("read-1")
    assert (service, span.trace_id.hex()) == ("observastack-backend", TRACE)
    assert span.name == "GET /traces/{trace_id}"


def test_an_absent_collector_costs_no_request_and_one_line(config: Config, tmp_path: Path) -> None:
    document = json.loads(config.file.read_text())
    document["telemetry"] = {"otlp_url": f"http://127.0.0.1:{free_port()}", "sample_ratio": 1.0}
    document["ingest"]["port"] = free_port()
    file = tmp_path / "observastack.json"
    file.write_text(json.dumps(document))
    with running_gateway(configuration.load(file, environ={}), tmp_path) as gateway:
        for _ in range(20):
            assert gateway.post("logs", logs(["x"]), Tokens(config)()).status_code == 200
        wait_for(lambda: len(gateway.lines("tracing")) == 1, "told")
        assert gateway.stop() == 0
        gateway.start()  # so that the context has something to kill
    assert len(gateway.lines("tracing")) <= 2


def test_off_means_that_nothing_of_it_is_imported(platform_config: Config) -> None:
    """The SDK would be a good part of the time that the gateway is away after a crash."""
    code = (
        "import sys; from observastack import config; from observastack.ingest.app import Gateway;"
        "from observastack.tracing import traced;"
        "loaded = config.load(sys.argv[1]); app = Gateway(loaded);"
        "assert traced(app, loaded, 'x', print) is app;"
        "heavy = ('opentelemetry.sdk', 'requests', 'h2', 'cramjam', 'pydantic');"
        "print([name for name in heavy if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(platform_config.file)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.strip() == "[]"
