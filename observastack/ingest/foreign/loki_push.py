"""POST /loki/api/v1/push (snappy protobuf or JSON) as an OTLP logs request.

Stream labels become resource attributes, structured metadata attributes of the record; `level` gives the severity. Source:
Loki HTTP API, "Ingest logs"; the labels are a LogQL stream selector of equalities.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from observastack.ingest.foreign.messages import PushRequest
from observastack.ingest.otlp import BadRequest

_Entry = tuple[int, str, dict[str, str]]
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)', re.DOTALL)
_SERVICE = ("service_name", "service", "app", "application", "container", "job")
"""Labels that name the sender, best first; a part of Loki's own discover_service_name."""
_LEVELS = {
    "trace": 1, "debug": 5, "info": 9, "information": 9, "warn": 13, "warning": 13, "error": 17, "err": 17,
    "fatal": 21, "critical": 21,
}  # fmt: skip
_MAX_LABELS = 64


def to_otlp(body: bytes, *, json: bool) -> bytes:
    """Raises BadRequest."""
    request = ExportLogsServiceRequest()
    try:
        for labels, entries in _json_streams(body) if json else _streams(body):
            group = request.resource_logs.add()
            service = next((labels[name] for name in _SERVICE if labels.get(name)), None)
            group.resource.attributes.extend(_pairs({**labels, **({"service.name": service} if service else {})}))
            records = group.scope_logs.add().log_records
            for ts, line, metadata in entries:
                record = records.add(time_unix_nano=ts)
                record.body.string_value = line
                level = metadata.get("level") or metadata.get("detected_level") or labels.get("level") or ""
                if severity := _LEVELS.get(level.lower()):
                    record.severity_number, record.severity_text = severity, level  # type: ignore[assignment]
                for name, size, target in (("trace_id", 32, "trace_id"), ("span_id", 16, "span_id")):
                    if re.fullmatch(rf"[0-9a-f]{{{size}}}", sent := metadata.get(name, "")):
                        setattr(record, target, bytes.fromhex(sent))
                record.attributes.extend(_pairs(metadata))
    except (DecodeError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = error if isinstance(error, BadRequest) else "see the Loki HTTP API"
        raise BadRequest(f"not a Loki push request: {reason}") from error
    return request.SerializeToString()


def _streams(body: bytes) -> Iterator[tuple[dict[str, str], Iterable[_Entry]]]:
    for stream in PushRequest.FromString(body).streams:
        yield (
            parse_labels(stream.labels),
            [
                (
                    entry.timestamp.seconds * 10**9 + entry.timestamp.nanos,
                    entry.line,
                    {pair.name: pair.value for pair in entry.metadata},
                )
                for entry in stream.entries
            ],
        )


def _json_streams(body: bytes) -> Iterator[tuple[dict[str, str], Iterable[_Entry]]]:
    document = orjson.loads(body)
    for stream in document["streams"]:
        labels = {_text(name): _text(value) for name, value in stream["stream"].items()}
        yield _checked(labels), [_json_entry(entry) for entry in stream["values"]]


def _json_entry(entry: list[Any]) -> _Entry:
    ts, line, *rest = entry
    if len(rest) > 1 or not isinstance(ts, str) or not ts.isdecimal():
        raise BadRequest("an entry is [nanoseconds as text, line, metadata?]")
    metadata = rest[0] if rest else {}
    return int(ts), _text(line), {_text(name): _text(value) for name, value in metadata.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest("labels, lines and metadata are texts")
    return value


def parse_labels(selector: str) -> dict[str, str]:
    """`{app="x", env="y"}` as a dictionary. Raises BadRequest."""
    text = selector.strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise BadRequest('stream labels are written {name="value", …}')
    text, at, labels = text[1:-1].rstrip(), 0, {}
    pairs = 0
    while at < len(text):
        pairs += 1
        _few(pairs)  # here as well: a name that is there a million times is one label in the end
        match = _LABEL.match(text, at)
        if match is None:
            raise BadRequest('stream labels are written {name="value", …}')
        try:
            labels[match[1]] = orjson.loads(f'"{match[2]}"')
        except ValueError:
            raise BadRequest("a label's value is not a quoted text") from None
        at = match.end()
    return _checked(labels)


def _checked(labels: dict[str, str]) -> dict[str, str]:
    _few(len(labels))
    return labels


def _few(labels: int) -> None:
    if labels > _MAX_LABELS:
        raise BadRequest(f"more than {_MAX_LABELS} labels")


def _pairs(values: dict[str, str]) -> Iterator[KeyValue]:
    for key, value in values.items():
        pair = KeyValue(key=key)
        pair.value.string_value = value
        yield pair
