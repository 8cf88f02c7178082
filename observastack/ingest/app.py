"""The gateway as an ASGI application: routes, limits, tokens. Decoding and storing happen in the pipeline.

No framework: the import of one would be a good part of the time between a crash and the next accepted request.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from observastack import defects
from observastack.config import Config
from observastack.ingest.counters import Counters
from observastack.ingest.formats import ROUTES, Route, Unsupported, told
from observastack.ingest.health import DatabaseProbe
from observastack.ingest.log import log
from observastack.ingest.pipeline import Pipeline
from observastack.ingest.queueing import Full
from observastack.ingest.request import Answer, Encoding, Format, Request
from observastack.ingest.responses import Response, document, error, success
from observastack.ingest.store_health import StoreProbe, store_probes
from observastack.ingest.tokens import Forbidden, TokenVerifier, Unauthorized, Undecided

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_KEY = 255


class Refused(Exception):
    """An error answer; headers are named with underscores."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Disconnected(Exception):
    """The client went away before its body was complete."""


class Gateway:
    """One instance per process; create it in the process that serves."""

    def __init__(self, config: Config) -> None:
        defects.configure(config)
        self._settings = config.ingest
        self._counters = Counters()
        self._tokens = TokenVerifier(config.auth)
        self._pipeline = Pipeline(config, self._counters)
        self._probe = DatabaseProbe(config.database.connection("ingest"))
        self._stores: dict[str, StoreProbe] = store_probes(config.stores)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._pipeline.start()
        self._tokens.fetch_keys()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if not await asyncio.to_thread(self._pipeline.stop, self._settings.shutdown_s):
            log("shutdown.incomplete", seconds=self._settings.shutdown_s)
        await self._probe.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        try:
            response = await self._route(scope, headers, receive, request_id)
        except Refused as refused:
            response = error(refused.status, refused.code, refused.message, request_id, headers=refused.headers)
            if route := ROUTES.get(scope["path"]):
                self._counters.add(
                    "observastack_ingest_requests_total", signal=route.signal, status=str(refused.status)
                )
        except Disconnected:
            return
        except Exception as failure:  # the client gets an envelope, the operator the reason
            log("request.error", request_id=request_id, error=repr(failure))
            response = error(500, "internal", "the request could not be handled", request_id)
        names = {"content-type": response.content_type, "content-length": str(len(response.body)), **response.headers}
        if response.status == 204:  # has no body, so it has neither (RFC 9110, 8.6)
            names = dict(response.headers)
        names["x-request-id"] = request_id
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in names.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    async def _route(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, request_id: str) -> Response:
        method, path = scope["method"], scope["path"]
        if route := ROUTES.get(path):
            scope["route"] = path
            _allow(method, "POST")
            return await self._export(route, headers, receive, request_id)
        if path == "/health/live":
            _allow(method, "GET", "HEAD")
            return document(200, {"status": "alive"})
        if path == "/health/ready":
            _allow(method, "GET", "HEAD")
            return await self._ready()
        if path == "/metrics":
            _allow(method, "GET", "HEAD")
            return Response(200, self._metrics().encode(), "text/plain; version=0.0.4; charset=utf-8")
        raise Refused(404, "not_found", "no such path")

    async def _export(self, route: Route, headers: dict[bytes, bytes], receive: Receive, request_id: str) -> Response:
        # The tenant comes from the token alone: X-Scope-OrgID and the like are never looked at.
        try:
            writer = await self._tokens.writer(_text(headers, b"authorization"))
        except Unauthorized as reason:
            if defects.active("token_in_log"):
                log("token.refused", request_id=request_id, authorization=_text(headers, b"authorization"))
            await self._drain(headers, receive)
            raise Refused(401, "unauthorized", str(reason), www_authenticate="Bearer") from None
        except Forbidden as reason:
            await self._drain(headers, receive)
            raise Refused(403, "forbidden", str(reason)) from None
        except Undecided as reason:
            await self._drain(headers, receive)
            raise Refused(503, "unavailable", str(reason), retry_after="1") from None
        try:
            format_, encoding, key = _format(route, headers)
        except Refused:
            await self._drain(headers, receive)
            raise
        body = await self._body(headers, receive)
        named = _text(headers, b"x-scope-orgid") if defects.active("tenant_header_trust") else None
        self._counters.add("observastack_ingest_bytes_total", len(body), signal=route.signal)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def answer(outcome: Answer) -> None:
            loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(outcome))

        try:
            self._pipeline.put(Request(route.signal, named or writer.tenant, body, encoding, format_, key, answer))
        except Full:
            raise Refused(429, "too_many_requests", "the write queue is full") from None
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s):
                outcome = await future
        except TimeoutError:
            message = "no answer from the store in time; retry with the same Idempotency-Key"
            return error(503, "unavailable", message, request_id)
        if outcome.status == 200:
            return success(route, outcome.rejected, outcome.message, request_id, json=format_ == "otlp_json")
        return error(outcome.status, outcome.code, outcome.message, request_id, retry_after_s=outcome.retry_after_s)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The whole body. Raises Refused, Disconnected."""
        limit = 1 << 40 if defects.active("ingest_oversize_accepted") else self._settings.max_body_bytes
        declared = _text(headers, b"content-length")
        too_large = Refused(413, "too_large", f"the body is larger than {limit} bytes", connection="close")
        if declared is not None and declared.isdigit() and int(declared) > limit:
            raise too_large
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > limit:
                        raise too_large
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise Refused(408, "timeout", "the body did not arrive in time", connection="close") from None

    async def _drain(self, headers: dict[bytes, bytes], receive: Receive) -> None:
        """Read a body that nobody wants, so that the connection can be used for the next request."""
        with contextlib.suppress(Refused):
            await self._body(headers, receive)

    async def _ready(self) -> Response:
        lying = defects.active("health_lies")
        names = ("postgres", *self._stores)
        probes = await asyncio.gather(self._probe.ask(), *(store.ask() for store in self._stores.values()))
        dependencies: dict[str, dict[str, Any]] = {}
        for name, probe in zip(names, probes, strict=True):
            dependencies[name] = {"status": "up" if probe.ok or lying else "down", "latency_ms": probe.latency_ms}
            if probe.reason is not None and not lying:
                dependencies[name]["reason"] = probe.reason
        dependencies["writers"] = {"status": "up" if self._pipeline.alive() or lying else "down"}
        ready = all(dependency["status"] == "up" for dependency in dependencies.values())
        content = {"status": "ready" if ready else "not_ready", "dependencies": dependencies}
        return document(200 if ready else 503, content)

    def _metrics(self) -> str:
        requests, size = self._pipeline.waiting()
        return self._counters.text(
            {"observastack_ingest_queue_requests": requests, "observastack_ingest_queue_bytes": size}
        )


def _format(route: Route, headers: dict[bytes, bytes]) -> tuple[Format, Encoding, str | None]:
    """(format, encoding, idempotency key). Raises Refused."""
    try:
        kind, encoded = (_text(headers, name) or "" for name in (b"content-type", b"content-encoding"))
        format_, encoding = told(route, kind, encoded)
    except Unsupported as reason:
        raise Refused(415, "unsupported_media_type", str(reason)) from None
    key = _text(headers, b"idempotency-key")
    if key is not None and not (0 < len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        raise Refused(400, "invalid_request", f"Idempotency-Key must be 1 to {_MAX_KEY} printable ASCII characters")
    return format_, encoding, key


def _allow(method: str, *methods: str) -> None:
    if method not in methods:
        raise Refused(405, "method_not_allowed", f"use {' or '.join(methods)}", allow=", ".join(methods))


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _request_id(sent: bytes | None) -> str:
    """The client's own id when it is a plain short text, else a new one."""
    text = "" if sent is None else sent.decode("latin-1")
    return text if 0 < len(text) <= 128 and text.isascii() and text.isprintable() else uuid.uuid4().hex
