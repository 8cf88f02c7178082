"""Logs to Grafana Loki: OTLP/HTTP, the tenant as X-Scope-OrgID, the whole record as structured metadata.

Loki's own model has no place for nested attributes, resources or a missing body. So every record carries, beside what Loki
makes of OTLP by itself, one entry with what the embedded store would give back (store.log_record): a read is exact.
Lines that came by Loki's push API go by that API again, so that they keep their stream labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from observastack.ingest.foreign import snappy
from observastack.ingest.foreign.messages import PushRequest
from observastack.ingest.otlp import Batch
from observastack.ingest.request import Request
from observastack.ingest.sinks.http import Reply, StoreConnection
from observastack.ingest.sinks.remote import Busy, RemoteSink
from observastack.ingest.sinks.splitting import PartlyRefused, store_all
from observastack.store import log_record
from observastack.store.rows import COLUMNS, ResourceRow, row_fields, row_time
from observastack.store.write import Unavailable

MAX_METADATA, MAX_LINE = 64 << 10, 256 << 10
"""Loki's default limits, bytes."""
_MAX_PUSH = 2 << 20  # distributor and ingester speak gRPC with at most 4 MiB a message
_TOO_LONG = f"longer than Loki takes ({MAX_LINE >> 10} KiB a line, {MAX_METADATA >> 10} KiB of attributes)"
_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_TOLD = (re.compile(r"total ignored: (\d+) out of"), re.compile(r"(\d+) errors like"))


@dataclass(frozen=True, slots=True)
class _Line:
    """One record on its way. record: see store.log_record."""

    ts: int
    resource: ResourceRow
    severity: int
    severity_text: str
    trace_id: bytes
    span_id: bytes
    body: str
    record: str

    @property
    def size(self) -> int:
        return len(self.body) + len(self.record) + 100


class LokiSink(RemoteSink):
    keeps = "log"

    def __init__(self, url: str, timeout_s: float) -> None:
        self._connection = StoreConnection(url, timeout_s)

    def close(self) -> None:
        self._connection.close()

    def _put(self, request: Request, batch: Batch) -> None:
        foreign = request.format in ("loki", "loki_json")

        def push(part: Sequence[_Line]) -> None:
            self._push(request.tenant, part, foreign=foreign)

        for part in _parts(_lines(batch)):
            store_all(part, push, batch.refuse)

    def _push(self, tenant: str, lines: Sequence[_Line], *, foreign: bool) -> None:
        """Raises PartlyRefused, Busy, Unavailable."""
        headers = {"Content-Type": "application/x-protobuf", "X-Scope-OrgID": tenant}
        if foreign:
            reply = self._connection.post("/loki/api/v1/push", snappy.deflate(_push_request(lines)), headers)
        else:
            reply = self._connection.post("/otlp/v1/logs", _otlp(lines), headers)
        if 200 <= reply.status < 300:
            return
        if reply.status == 429:
            raise Busy(reply.retry_after_s)
        if reply.status in (400, 413, 422):
            raise PartlyRefused(_reason(reply), _count(reply))
        raise Unavailable(f"Loki answers {reply.status}")


def _line(row: bytes, resources: dict[int, ResourceRow]) -> _Line:
    fields = dict(zip(COLUMNS["logs"], row_fields(row), strict=True))
    resource = resources[int.from_bytes(fields["resource_id"] or b"", "big", signed=True)]
    body, severity_text = fields["body"], fields["severity_text"]
    trace_id, span_id = fields["trace_id"] or b"", fields["span_id"] or b""
    severity = int.from_bytes(fields["severity"] or b"", "big")
    text = None if severity_text is None else severity_text.decode()
    line, record = log_record.encode(
        body=None if body is None else body.decode(), severity_number=severity, severity_text=text,
        attributes=orjson.Fragment((fields["attrs"] or b"\x01{}")[1:]), resource=orjson.Fragment(resource.attrs),
        service=resource.service, trace_id=trace_id.hex() or None, span_id=span_id.hex() or None,
    )  # fmt: skip
    return _Line(row_time(row), resource, severity, text or "", trace_id, span_id, line, record)


def _lines(batch: Batch) -> Iterator[_Line]:
    """Made when they are wanted: each has its resource in it, all at once may be a thousand times the request."""
    for row in sorted(batch.rows, key=row_time):
        line = _line(row, batch.resources)
        if len(line.record.encode()) > MAX_METADATA - 1024 or len(line.body.encode()) > MAX_LINE:
            batch.refuse(_TOO_LONG, 1)
        else:
            yield line


def _parts(lines: Iterable[_Line]) -> Iterator[Sequence[_Line]]:
    """Pushes of a size that Loki's own components can pass on."""
    part: list[_Line] = []
    size = 0
    for line in lines:
        size += line.size
        if part and size > _MAX_PUSH:
            yield part
            part, size = [], line.size
        part.append(line)
    if part:
        yield part


def _otlp(lines: Sequence[_Line]) -> bytes:
    request = ExportLogsServiceRequest()
    groups: dict[str, Any] = {}
    for line in lines:
        records = groups.get(line.resource.service)
        if records is None:
            group = request.resource_logs.add()
            group.resource.attributes.add(key="service.name").value.string_value = line.resource.service
            records = groups[line.resource.service] = group.scope_logs.add().log_records
        record = records.add(
            time_unix_nano=line.ts, severity_number=line.severity, severity_text=line.severity_text,
            trace_id=line.trace_id, span_id=line.span_id,
        )  # fmt: skip
        record.body.string_value = line.body
        record.attributes.add(key=log_record.FIELD).value.string_value = line.record
    return request.SerializeToString()


def _push_request(lines: Sequence[_Line]) -> bytes:
    request = PushRequest()
    streams: dict[int, Any] = {}
    for line in lines:
        stream = streams.get(line.resource.resource_id)
        if stream is None:
            stream = streams[line.resource.resource_id] = request.streams.add(labels=_labels(line.resource))
        entry = stream.entries.add(line=line.body)
        entry.timestamp.seconds, entry.timestamp.nanos = divmod(line.ts, 10**9)
        for name, value in (
            ("severity_number", str(line.severity) if line.severity else ""), ("severity_text", line.severity_text),
            ("trace_id", line.trace_id.hex()), ("span_id", line.span_id.hex()), (log_record.FIELD, line.record),
        ):  # fmt: skip
            if value:
                entry.metadata.add(name=name, value=value)
    return bytes(request.SerializeToString())


def _labels(resource: ResourceRow) -> str:
    """The stream labels as they were sent, and service_name."""
    labels = {_LABEL.sub("_", key): str(value) for key, value in orjson.loads(resource.attrs).items()}
    labels["service_name"] = resource.service
    return "{" + ", ".join(f"{key}={orjson.dumps(value).decode()}" for key, value in sorted(labels.items())) + "}"


def _reason(reply: Reply) -> str:
    """Loki's sentence without the names of tenants and streams."""
    for known in ("too far behind", "timestamp too old", "timestamp too new", "max entry size"):
        if known in reply.text:
            return f"refused by the log store: {known}"
    return "refused by the log store"


def _count(reply: Reply) -> int | None:
    """How many lines Loki says it has not taken."""
    counts = [int(count) for pattern in _TOLD for count in pattern.findall(reply.text)]
    return sum(counts) if counts else None
