"""Traces of the platform's own requests, sent by OTLP/HTTP when `telemetry.otlp_url` is configured.

Around an ASGI application, so that gateway and backend share it. A W3C traceparent of the client is continued, and its sampling
flag decides; without one `telemetry.sample_ratio` of the requests are recorded. Not configured: the application itself is
returned and nothing of OpenTelemetry is imported, which is a good part of the gateway's way back after a crash.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from observastack.config import Config

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_EXPORT_TIMEOUT_S = 2.0
_COMPLAINT_S = 60.0
_QUIET = frozenset({"/metrics", "/health/live", "/health/ready", "/api/v1/health/live", "/api/v1/health/ready"})
"""Asked every few seconds by machines."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def traced(app: App, config: Config, service: str, complain: Callable[[str], None]) -> App:
    """The application with a span around every request; itself when no address is configured.

    service: the resource attribute service.name. complain: told once a minute at most why spans cannot be sent.
    """
    if config.telemetry.otlp_url is None:
        return app
    return _Traced(app, _provider(config, service, complain))


class _Traced:
    """One server span per HTTP request: method, route, status; failed from 500 on (semantic conventions for HTTP)."""

    def __init__(self, app: App, provider: TracerProvider) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app, self._trace = app, trace
        self._tracer = provider.get_tracer("observastack")
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        sent = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        with self._tracer.start_as_current_span(
            method, context=self._propagator.extract(sent), kind=self._trace.SpanKind.SERVER
        ) as span:
            span.set_attribute("http.request.method", method)

            async def observed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._answered(span, scope, method, message)
                await send(message)

            await self._app(scope, receive, observed)

    def _answered(self, span: Any, scope: MutableMapping[str, Any], method: str, message: Message) -> None:
        route = _route(scope)
        span.update_name(f"{method} {route}" if route else method)
        if route:  # never the path itself: ids in names make every span a kind of its own
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", message["status"])
        for name, value in message.get("headers", ()):
            if name == b"x-request-id":
                span.set_attribute("observastack.request_id", value.decode("latin-1"))
        if message["status"] >= 500:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))


def _route(scope: MutableMapping[str, Any]) -> str:
    """The template of the path: of FastAPI's route, or what the gateway has put there."""
    route = scope.get("route")
    return route if isinstance(route, str) else str(getattr(route, "path", ""))


def _provider(config: Config, service: str, complain: Callable[[str], None]) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    logger = logging.getLogger("opentelemetry")
    logger.addHandler(_Complaints(complain))
    logger.propagate = False
    base = (config.telemetry.otlp_url or "").rstrip("/")
    exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=_EXPORT_TIMEOUT_S)
    provider = TracerProvider(
        sampler=ParentBased(root=TraceIdRatioBased(min(1.0, config.telemetry.sample_ratio))),
        resource=Resource({"service.name": service, "deployment.environment.name": config.environment}),
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=4096, schedule_delay_millis=1000))
    return provider


class _Complaints(logging.Handler):
    """The SDK's warnings, once a minute: a collector that is away is no reason to fill the log."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._complain, self._last = complain, float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        if (now := time.monotonic()) - self._last >= _COMPLAINT_S:
            self._last = now
            self._complain(record.getMessage()[:500])
