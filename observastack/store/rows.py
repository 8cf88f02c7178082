"""Rows of the signal tables as PostgreSQL reads them: COPY … (FORMAT binary).

A row is bytes from the moment it is decoded until the server has it. `ts` comes first in every table, so that the time
window and the partitions of a request are read off without decoding anything. tenant_id is in no row: the column default
takes it from the transaction.
"""

from __future__ import annotations

import math
import struct
import uuid
from dataclasses import dataclass
from typing import Any, Literal

Signal = Literal["logs", "traces", "metrics"]
SIGNALS: tuple[Signal, ...] = ("logs", "traces", "metrics")
TABLES: dict[Signal, str] = {"logs": "logs", "traces": "spans", "metrics": "samples"}
COLUMNS: dict[Signal, tuple[str, ...]] = {
    "logs": ("ts", "id", "resource_id", "severity", "span_id", "trace_id", "service", "severity_text", "body", "attrs"),
    "traces": (
        "ts", "id", "resource_id", "duration", "span_id", "parent_id", "trace_id", "kind", "status", "service", "name",
        "status_message", "attrs", "events", "links",
    ),
    "metrics": ("ts", "id", "series_id", "value", "int_value"),
}  # fmt: skip

_STALE = b"\x7f\xf0\0\0\0\0\0\x02"
STALE: float = struct.unpack(">d", _STALE)[0]
"""In place of a value: the series has ended (Prometheus, model/value: StaleNaN). No other NaN has these bits. Whoever reads
samples is not shown it."""
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
DAY_NS = 86_400 * 10**9
INT64_MAX = 2**63 - 1

_length = struct.Struct(">i").pack
_lengths = [_length(size) for size in range(4096)]
_int8_field = struct.Struct(">iq").pack
_log_head = struct.Struct(">hiqiqiqih").pack
_span_head = struct.Struct(">hiqiqiqiqiq").pack
_span_kinds = struct.Struct(">ihih").pack
_sample = struct.Struct(">hiqiqiqidi").pack
_sample_int = struct.Struct(">hiqiqiqidiq").pack
_UUID_LENGTH = _length(16)


def field(value: bytes) -> bytes:
    """A value with its length before it."""
    size = len(value)
    return (_lengths[size] if size < 4096 else _length(size)) + value


def text_field(value: str | None) -> bytes:
    return NULL if value is None else field(value.encode())


def jsonb_field(document: bytes | None) -> bytes:
    """JSON text as jsonb (version byte 1)."""
    return NULL if document is None else _length(len(document) + 1) + b"\x01" + document


def id_field(value: bytes) -> bytes:
    """An 8-byte span id as int8 (same bytes), or NULL when it is empty."""
    return _lengths[8] + value if value else NULL


def uuid_field(value: bytes) -> bytes:
    return _UUID_LENGTH + value if value else NULL


def log_row(
    *, ts: int, item: int, resource: int, severity: int, span_id: bytes, trace_id: bytes,
    service: bytes, severity_text: bytes, body: bytes, attrs: bytes,
) -> bytes:  # fmt: skip
    """service, severity_text and body are encoded fields; attrs is JSON text."""
    return b"".join(
        (
            _log_head(10, 8, ts, 8, item, 8, resource, 2, severity),
            id_field(span_id), uuid_field(trace_id), service, severity_text, body, jsonb_field(attrs),
        )
    )  # fmt: skip


def span_row(
    *, ts: int, item: int, resource: int, duration: int, span_id: bytes, parent_id: bytes, trace_id: bytes, kind: int,
    status: int, service: bytes, name: bytes, status_message: bytes, attrs: bytes, events: bytes | None, links: bytes | None,
) -> bytes:  # fmt: skip
    """service, name and status_message are encoded fields; attrs, events and links are JSON text."""
    return b"".join(
        (
            _span_head(15, 8, ts, 8, item, 8, resource, 8, duration, 8, int.from_bytes(span_id, "big", signed=True)),
            id_field(parent_id), uuid_field(trace_id), _span_kinds(2, kind, 2, status), service, name, status_message,
            jsonb_field(attrs), jsonb_field(events), jsonb_field(links),
        )
    )  # fmt: skip


def sample_row(ts: int, item: int, series: int, value: float, int_value: int | None) -> bytes:
    if int_value is None:
        return _sample(5, 8, ts, 8, item, 8, series, 8, value, -1)
    return _sample_int(5, 8, ts, 8, item, 8, series, 8, value, 8, int_value)


def is_stale(value: float) -> bool:
    """Does it say that the series has ended?"""
    return value != value and struct.pack(">d", value) == _STALE  # noqa: PLR0124 - quicker than math.isnan, of millions


def whole_sample(row: bytes) -> bytes:
    """The row of a sample without the fraction of its value (the defect metric_value_as_int)."""
    head, value, tail = row[:42], struct.unpack_from(">d", row, 42)[0], row[50:]
    return head + struct.pack(">d", math.trunc(value) if math.isfinite(value) else value) + tail


def row_time(row: bytes) -> int:
    """ts of a row, ns."""
    return int.from_bytes(row[6:14], "big")


def row_fields(row: bytes) -> list[bytes | None]:
    """The raw fields of a row."""
    fields: list[bytes | None] = []
    (count,) = struct.unpack_from(">h", row)
    at = 2
    for _ in range(count):
        (size,) = struct.unpack_from(">i", row, at)
        at += 4
        fields.append(None if size < 0 else row[at : at + size])
        at += max(size, 0)
    return fields


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One sender: its attributes as JSON text, the service name as encoded field."""

    tenant_id: int
    resource_id: int
    service: str
    attrs: bytes
    service_field: bytes


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One time series. type: 1 gauge, 2 sum. temporality: 0 none, 1 delta, 2 cumulative. labels: JSON text."""

    series_id: int
    resource_id: int
    name: str
    type: int
    monotonic: bool
    temporality: int
    unit: str
    description: str
    service: str
    labels: bytes


def natural_key(signal: Signal, row: bytes, series: dict[int, SeriesRow]) -> dict[str, Any]:
    """What identifies the item to its sender, as JSON values; `attributes` of a metric is still JSON text (bytes)."""
    values = dict(zip(COLUMNS[signal], row_fields(row), strict=True))
    ts = str(row_time(row))
    if signal == "metrics":
        known = series[int.from_bytes(values["series_id"] or b"", "big", signed=True)]
        return {"name": known.name, "attributes": known.labels, "time_unix_nano": ts}
    trace_id, span_id = values["trace_id"], values["span_id"]
    key = {
        "trace_id": None if trace_id is None else uuid.UUID(bytes=trace_id).hex,
        "span_id": None if span_id is None else span_id.hex(),
    }
    if signal == "traces":
        return key
    body = values["body"]
    return {"time_unix_nano": ts, **key, "body": None if body is None else body.decode()}
