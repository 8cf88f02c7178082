"""What a body is, told by path and headers; every format becomes OTLP protobuf.

The modules of other systems' formats are imported by the first request that needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from observastack import defects
from observastack.ingest.body import gunzip, unzstd
from observastack.ingest.otlp import TooLarge
from observastack.ingest.otlp.otlp_json import json_to_protobuf
from observastack.ingest.request import Encoding, Format, Request
from observastack.store.rows import SIGNALS, Signal

JSON = "application/json"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Route:
    """A path that is written to."""

    signal: Signal
    api: Literal["otlp", "loki", "remote_write"] = "otlp"


ROUTES: dict[str, Route] = {
    **{f"/v1/{signal}": Route(signal) for signal in SIGNALS},
    "/loki/api/v1/push": Route("logs", "loki"),
    "/api/v1/write": Route("metrics", "remote_write"),
}


_ENCODINGS: dict[str, Encoding] = {"gzip": "gzip", "zstd": "zstd", "identity": "identity"}


class Unsupported(ValueError):
    """No such format on this path: 415. The text says which there are."""


def told(route: Route, content_type: str, encoding: str) -> tuple[Format, Encoding]:
    """(format, how the body is compressed). Raises Unsupported."""
    kind, _, parameters = (part.strip().lower() for part in content_type.partition(";"))
    encoding = encoding.strip().lower() or "identity"
    plain = _ENCODINGS.get(encoding)
    if route.api == "otlp":
        if kind not in (JSON, PROTOBUF):
            raise Unsupported(f"use {PROTOBUF} or {JSON}")
        if plain is None:
            raise Unsupported("use gzip, zstd or no content encoding")
        return "otlp_json" if kind == JSON else "otlp", plain
    if route.api == "loki":
        if kind == JSON and plain in ("gzip", "identity"):
            return "loki_json", plain
        if kind != PROTOBUF or encoding not in ("snappy", "identity"):  # the body is snappy, said or not
            raise Unsupported(f"use {PROTOBUF} (snappy), or {JSON} with gzip or no content encoding")
        return "loki", "identity"
    if kind != PROTOBUF or encoding != "snappy" or "v2" in parameters:
        raise Unsupported(f"use remote write 1.0: {PROTOBUF} with content encoding snappy")
    return "remote_write", "identity"


def to_otlp(request: Request, limit: int, json_limit: int) -> bytes:
    """The request's body as an OTLP request in protobuf, inflated to at most `limit` (JSON: `json_limit`) bytes.

    Raises BadRequest, TooLarge.
    """
    if request.format in ("otlp_json", "loki_json"):
        limit = min(limit, json_limit)
    limit = 1 << 40 if defects.active("gzip_bomb_unbounded") else limit
    body = request.body
    if request.encoding != "identity":
        body = (gunzip if request.encoding == "gzip" else unzstd)(body, limit)
    if len(body) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    if request.format == "otlp":
        return body
    if request.format == "otlp_json":
        return json_to_protobuf(request.signal, body)
    from observastack.ingest.foreign import loki_push, remote_write, snappy

    if request.format == "loki_json":
        return loki_push.to_otlp(body, json=True)
    inflated = snappy.inflate(body, limit)
    if request.format == "loki":
        return loki_push.to_otlp(inflated, json=False)
    return remote_write.to_otlp(inflated, limit)
