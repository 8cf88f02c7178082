"""`python -m tests.targets.otherstack.app PORT KEYS`: serve on loopback. KEYS: JSON file {key: {account, rights}}."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.targets.otherstack.store import REQUESTS, Store

Handler = Any


class Fault(Exception):
    """An answer that is none: {"fault": {kind, text, ticket}}."""

    def __init__(self, status: int, kind: str, text: str) -> None:
        super().__init__(text)
        self.status, self.kind, self.text = status, kind, text


def build(keys: dict[str, dict[str, str]]) -> Starlette:
    store = Store()

    def account(request: Request, right: str) -> str:
        holder = keys.get(request.headers.get("x-api-key", ""))
        if holder is None:
            raise Fault(401, "who-are-you", "no key that is known here")
        if holder["rights"] != right:
            raise Fault(403, "not-for-you", f"this takes the right to {right}")
        return holder["account"]

    async def status(_: Request) -> Response:
        return _good({"mood": "fine"})

    async def whoami(request: Request) -> Response:
        return _good({"account": account(request, "read")})

    async def write(request: Request) -> Response:
        owner, kind = account(request, "write"), request.path_params["kind"]
        body = await request.body()
        try:
            if request.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if "json" in request.headers.get("content-type", ""):
                message = Parse(_as_protobuf_json(body), REQUESTS[kind]())
            else:
                message = REQUESTS[kind].FromString(body)
        except (DecodeError, ParseError, OSError, ValueError, TypeError, AttributeError, KeyError):
            raise Fault(400, "unreadable", f"no {kind} request of OTLP") from None
        store.add(owner, kind, message, request.headers.get("idempotency-key"))
        spoken = request.headers.get("content-type", "")
        return JSONResponse({}) if "json" in spoken else Response(b"", media_type="application/x-protobuf")

    async def find(request: Request) -> Response:
        owner, asked = account(request, "read"), await _asked(request)
        try:
            since, until, top = int(asked["since"]), int(asked["until"]), int(asked.get("top", 50))
            page = asked.get("page")
            before = None if page is None else tuple(json.loads(base64.urlsafe_b64decode(page)))
            if not 1 <= top <= 1000 or (before is not None and len(before) != 2):
                raise ValueError
        except (KeyError, ValueError, TypeError):
            raise Fault(400, "unreadable", "since, until, top or page cannot be understood") from None
        rows, more = store.find(
            owner, asked["what"], since=since, until=until, text=asked.get("text"), top=top, before=before
        )
        return _good(
            {
                "rows": rows,
                "more": None if more is None else base64.urlsafe_b64encode(json.dumps(more).encode()).decode(),
            }
        )

    async def dump(request: Request) -> Response:
        owner, asked = account(request, "read"), await _asked(request)
        rows = store.all(owner, asked["what"], int(asked["since"]), int(asked["until"]))
        if text := asked.get("text"):
            rows = [row for row in rows if text in row["text"]]

        async def lines() -> AsyncIterator[bytes]:
            for row in rows:
                yield json.dumps(row).encode() + b"\n"
            yield json.dumps({"eof": True, "rows": len(rows)}).encode() + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def trace(request: Request) -> Response:
        rows = store.trace(account(request, "read"), request.path_params["trace"])
        if not rows:
            raise Fault(404, "nothing", "there is no such thing")
        return _good({"spans": rows})

    async def faulty(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, Fault)
        document = {
            "fault": {
                "kind": fault.kind,
                "text": fault.text,
                "ticket": request.headers.get("x-request-id") or uuid.uuid4().hex,
            }
        }
        return JSONResponse(document, fault.status)

    routes = [
        Route("/status", status), Route("/v2/whoami", whoami), Route("/v2/find", find, methods=["POST"]),
        Route("/v2/dump", dump, methods=["POST"]), Route("/v2/trace/{trace}", trace),
        Route("/otel/v1/{kind:str}", write, methods=["POST"]),
    ]  # fmt: skip
    return Starlette(routes=routes, exception_handlers={Fault: faulty})


def _good(data: Any) -> Response:
    return JSONResponse({"ok": True, "data": data})


async def _asked(request: Request) -> dict[str, Any]:
    try:
        asked = json.loads(await request.body())
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or asked.get("what") not in REQUESTS:
        raise Fault(400, "unreadable", "what cannot be understood")
    return asked


def _as_protobuf_json(body: bytes) -> str:
    """OTLP/JSON writes ids in hex; protobuf's own JSON mapping wants base64."""

    def turned(value: Any) -> Any:
        if isinstance(value, list):
            return [turned(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            key: base64.b64encode(bytes.fromhex(one)).decode()
            if key in ("traceId", "spanId", "parentSpanId") and isinstance(one, str) else turned(one)
            for key, one in value.items()
        }  # fmt: skip

    return json.dumps(turned(json.loads(body)))


if __name__ == "__main__":
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    uvicorn.run(build(json.loads(file.read_text())), host="127.0.0.1", port=port, log_level="warning", access_log=False)
