"""Log records as a push request of Grafana Loki: protobuf, to be sent as one snappy block.

    PushRequest = streams(1)*    stream = labels(1) entries(2)*    entry = timestamp(1) line(2) metadata(3)*

Source: grafana/loki pkg/push/push.proto. A stream is a service, an environment and a level: few, however long a run is.
Everything else about a record is structured metadata: its attributes and its resource's by the rule for labels, its item
id among them, and `trace_id`, `span_id`, `severity_text` and `severity_number` where OTLP has fields of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set
from functools import lru_cache

from runners.ledger.items import LogRecord, Resource
from runners.ledger.pushed import LEVEL, STREAM, metadata_of, own_metadata
from runners.ledger.sight import labels
from runners.wire.frames import field, varint

PATH = "/loki/api/v1/push"
STREAMS, ENTRIES, LINE = b"\x0a", b"\x12", b"\x12"
"""Tags of fields."""
LABELS = TIME = _NAME = b"\x0a"
_VALUE = b"\x12"
_METADATA = b"\x1a"
_SECONDS, _NANOS = b"\x08", b"\x10"


def encode_push(records: Iterable[LogRecord]) -> bytes:
    """One push request; streams in the order of their first records, the records of each in theirs."""
    streams: dict[str, list[bytes]] = {}
    resources: dict[str, tuple[dict[str, str], Set[str], bytes]] = {}
    for record in records:
        told = resources.get(record.resource.instance_id)
        if told is None:
            told = resources[record.resource.instance_id] = resource_of(record.resource)
        stream, names, metadata = told
        selector = selector_of((*stream.items(), (LEVEL, record.severity_text.lower())))
        streams.setdefault(selector, []).append(_entry(record, names, metadata))
    return b"".join(
        field(STREAMS, field(LABELS, selector.encode()) + b"".join(entries)) for selector, entries in streams.items()
    )


def resource_of(resource: Resource) -> tuple[dict[str, str], Set[str], bytes]:
    """(labels of its streams, names of its part of the metadata, that part)."""
    found = labels(resource, {})
    stream = {name: found.pop(name) for name in STREAM if name in found}
    return stream, found.keys(), b"".join(pair(name, value) for name, value in found.items())


def _entry(record: LogRecord, names: Set[str], of_resource: bytes) -> bytes:
    seconds, nanos = divmod(record.time, 1_000_000_000)
    time = _SECONDS + varint(seconds) + (_NANOS + varint(nanos) if nanos else b"")
    own = own_metadata(record)
    if own.keys() & names:  # the record's own word counts
        metadata = b"".join(pair(name, value) for name, value in metadata_of(record).items())
    else:
        metadata = of_resource + b"".join(pair(name, value) for name, value in own.items())
    return field(ENTRIES, field(TIME, time) + field(LINE, record.body.encode()) + metadata)


@lru_cache(maxsize=16384)
def _short(name: str, value: str) -> bytes:
    return field(_METADATA, field(_NAME, name.encode()) + field(_VALUE, value.encode()))


def pair(name: str, value: str) -> bytes:
    """One entry of structured metadata, serialised."""
    # Most values come from small sets; ids never come again and would only push those out.
    return _short(name, value) if len(value) < 16 else _short.__wrapped__(name, value)


@lru_cache(maxsize=4096)
def selector_of(stream: tuple[tuple[str, str], ...]) -> str:
    """The labels of a stream as LogQL writes them."""
    return "{" + ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in stream if value) + "}"
