"""Encoding spans and log records against protobuf's own classes, in items per CPU second of the encoder. Both sides have their
values: ours in columns, theirs as tuples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from isal import igzip
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from runners.datagen.model.bodies import written
from runners.datagen.model.logs import records
from runners.datagen.model.tables import tables
from runners.ledger.items import Attributes, LogRecord, Signal, Value
from runners.wire.otlp import span_message
from tests.perf._shop import Shop, rounds
from tests.perf.harness import Round, case, cpu_of

_ITEMS, _TICKS = 800, 4


def _encoded(shop: Shop, signal: Signal, *, compressed: bool) -> float:
    """Items per CPU second, of a few ticks: about as long as the reference is at its 800 objects."""
    encoder, given, items = shop.world.encoder, [], 0
    for _ in range(_TICKS):
        requests = shop.world.requests(0, shop.tick())
        told = records(requests) if signal == "logs" else None
        size = len(requests.row) if told is None else len(told.time)
        given.append((requests, told, np.arange(size) * -(-size // _ITEMS) // size))
        items += size

    def work() -> None:
        for requests, told, parts in given:
            bodies = encoder.traces(0, requests, parts) if told is None else encoder.logs(0, requests, told, parts)
            for body in bodies:
                if compressed:
                    igzip.compress(body, 1, mtime=0)

    return items / cpu_of(work)


def _pairs(attributes: Attributes) -> list[KeyValue]:
    """As OpenTelemetry's own exporter makes them."""
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes.items()]


def _any(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


@case("datagen_spans_per_object", unit="spans/CPU s", against="per-object opentelemetry-proto, both gzip", at_least=30)
def spans_per_object(quick: bool) -> Iterator[Round]:
    shop = Shop()
    items = shop.spans(0, _ITEMS)

    def objects() -> bytes:
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for item in items:
            span = spans.add(
                trace_id=item.trace_id, span_id=item.span_id, parent_span_id=item.parent_span_id, name=item.name,
                kind=item.kind, start_time_unix_nano=item.start, end_time_unix_nano=item.end, flags=0x101,
                attributes=_pairs(item.attributes),
                status=Status(code=item.status_code, message=item.status_message) if item.status_code else None,
            )  # fmt: skip
            for event in item.events:
                span.events.add(time_unix_nano=event.time, name=event.name, attributes=_pairs(event.attributes))
            for link in item.links:
                span.links.add(trace_id=link.trace_id, span_id=link.span_id, attributes=_pairs(link.attributes))
        return igzip.compress(request.SerializeToString(), 1)

    for _ in range(rounds(quick)):
        yield Round(_encoded(shop, "traces", compressed=True), len(items) / cpu_of(objects))


@case("datagen_spans_copyfrom", unit="spans/CPU s", against="CopyFrom of prepared messages, both gzip", at_least=6)
def spans_copyfrom(quick: bool) -> Iterator[Round]:
    """The reference copies a prepared span and sets what varies: ids, times, the fields of the request."""
    shop = Shop()
    items = shop.spans(0, _ITEMS)
    prepared = [span_message(item) for item in items]
    varies = ("user.id", "client.address", "url.path", "url.full", "messaging.message.id")
    places = [[(n, str(v)) for n, (k, v) in enumerate(item.attributes.items()) if k in varies] for item in items]

    def copied() -> bytes:
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for item, message, varied in zip(items, prepared, places, strict=True):
            span = spans.add()
            span.CopyFrom(message)
            span.trace_id, span.span_id, span.parent_span_id = item.trace_id, item.span_id, item.parent_span_id
            span.start_time_unix_nano, span.end_time_unix_nano = item.start, item.end
            for place, value in varied:
                span.attributes[place].value.string_value = value
        return igzip.compress(request.SerializeToString(), 1)

    for _ in range(rounds(quick)):
        yield Round(_encoded(shop, "traces", compressed=True), len(items) / cpu_of(copied))


@case("datagen_logs_per_object", unit="records/CPU s", against="per-object opentelemetry-proto", at_least=25)
def logs_per_object(quick: bool) -> Iterator[Round]:
    """Both write the line too: times, ids and fields into the text of its format."""
    shop = Shop()
    items = [item for item in shop.world.slice(0, "logs", 0) if isinstance(item, LogRecord)][:_ITEMS]
    requests = shop.world.requests(0, 0)
    told = records(requests)
    lines = [
        written(*tables().line_of[line], requests.fields(int(requests.request[at])).well)
        for line, at in zip(told.line[:_ITEMS].tolist(), told.visit[:_ITEMS].tolist(), strict=True)
    ]

    def objects() -> bytes:
        request = ExportLogsServiceRequest()
        made = request.resource_logs.add().scope_logs.add().log_records
        for item, line in zip(items, lines, strict=True):
            body = line.fill({
                "time": item.time, "trace": int.from_bytes(item.trace_id), "span": int.from_bytes(item.span_id),
                "duration": 1_234_567,
            })  # fmt: skip
            made.add(
                time_unix_nano=item.time, observed_time_unix_nano=item.time, severity_number=item.severity_number,
                severity_text=item.severity_text, trace_id=item.trace_id, span_id=item.span_id, flags=1,
                body=AnyValue(string_value=body.decode()), attributes=_pairs(item.attributes),
            )  # fmt: skip
        return request.SerializeToString()

    for _ in range(rounds(quick)):
        yield Round(_encoded(shop, "logs", compressed=False), len(items) / cpu_of(objects))


@case("datagen_spans_memcpy", unit="bytes/CPU s", against="memcpy of the same bytes", at_least=0.05)
def spans_memcpy(quick: bool) -> Iterator[Round]:
    shop = Shop()
    for _ in range(rounds(quick)):
        made = list(shop.next("traces"))
        size = sum(len(parcel.body) for parcel in made)
        # A view, or Python copies twice; memory that has been written to before, for new pages cost more.
        target, source = memoryview(bytearray(b"1" * size)), b"1" * size
        mean = size / sum(parcel.items for parcel in made)
        yield Round(_encoded(shop, "traces", compressed=False) * mean, size / min(_copy(target, source) for _ in "abc"))


def _copy(target: memoryview, source: bytes) -> float:
    return cpu_of(lambda: target.__setitem__(slice(None), source))


@case("datagen_regularity", unit=": 1", at_most=8)
def regularity(quick: bool) -> Iterator[Round]:
    """How well gzip compresses what is generated: templates that are too alike would flatter every store."""
    shop = Shop()
    signals: tuple[Signal, ...] = ("traces", "logs")
    for signal in signals:
        for _ in range(2):
            parcels = list(shop.next(signal))
            whole = sum(len(parcel.body) for parcel in parcels)
            yield Round(whole / sum(len(igzip.compress(parcel.body, 1, mtime=0)) for parcel in parcels))
