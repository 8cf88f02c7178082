"""The generator against others that make the same kind of items, in items per CPU second of the producer.

Against protobuf's classes both have their values (ours in columns, theirs as tuples). Against the SDK and telemetrygen ours
is all of it: requests simulated, encoded, compressed and sent. Telemetrygen is measured beside ours
when it is on PATH or in TESTBED_BIN_DIR. Where we cannot be ahead: telemetrygen starts in a few milliseconds, Python with
numpy does not; below some ten thousand items a process the start decides.
"""

from __future__ import annotations

import functools
import itertools
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from runners.datagen.model.bodies import written
from runners.datagen.model.logs import records
from runners.datagen.model.tables import tables
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Flag
from runners.ledger.identity import Identity
from runners.ledger.items import Attributes, LogRecord, Signal, Span, Value
from runners.ledger.mixing import draw
from runners.wire.frames import ITEM, Frames, field
from runners.wire.http import HttpSink
from runners.wire.otlp import span_message
from runners.wire.parcel import Parcel
from runners.wire.stencil import Stencils, cut
from tests.perf._sink import Sink, sink
from tests.perf.harness import Absent, Round, case, cpu_of

ROUNDS = 11
_SCENARIO = """
scenario: bench
duration: 300s
tenants: [{{id: acme}}]
instances: 3
load: {{requests: {requests}/s}}
errors: 1%
delivery: {{max_items: {most}}}
"""
_START = 1_795_000_000 * 10**9


class Ours:
    """The generator; `next` makes the next tick of one signal."""

    def __init__(self, *, requests: int = 1000, most: int = 800) -> None:
        text = _SCENARIO.format(requests=requests, most=most)
        self.world = World(read_scenario(text.encode(), Path("bench.yaml")), Identity("bench", ("acme",)), 1, _START)
        self._ticks = itertools.cycle(range(self.world.ticks))
        self.world.encoder.complete()  # as in a long run
        for _ in range(4):
            self.next("logs", "traces")

    def tick(self) -> int:
        return next(self._ticks)

    def next(self, *signals: Signal) -> list[Parcel]:
        tick = self.tick()
        parts = ((signal, part) for signal in signals for part in range(self.world.parts(0, signal, tick)))
        return [self.world.parcel(Batch(0, signal, tick, part)) for signal, part in parts]


def _rounds(quick: bool) -> int:
    return 2 if quick else ROUNDS


def _items(parcels: list[Parcel]) -> int:
    return sum(parcel.items for parcel in parcels)


def _spans(ours: Ours, tick: int, most: int) -> list[Span]:
    return [item for item in ours.world.slice(0, "traces", tick) if isinstance(item, Span)][:most]


# Against protobuf's own classes: both have their values, what is measured is encoding (and compressing) them -----------------


def _encoded(ours: Ours, signal: Signal, *, compressed: bool) -> float:
    """Items per CPU second of the encoder."""
    tick = ours.tick()
    requests = ours.world.requests(0, tick)
    told = records(requests) if signal == "logs" else None
    size = len(requests.row) if told is None else len(told.time)
    parts = np.arange(size) * -(-size // 800) // size

    def work() -> None:
        encoder = ours.world.encoder
        bodies = encoder.traces(0, requests, parts) if told is None else encoder.logs(0, requests, told, parts)
        if compressed:
            for body in bodies:
                igzip.compress(body, 1, mtime=0)

    return size / cpu_of(work)


def _pairs(attributes: Attributes) -> list[KeyValue]:
    """As OpenTelemetry's own exporter makes them."""
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes.items()]


def _any(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


@case("datagen_spans_per_object", unit="spans/CPU s", against="per-object opentelemetry-proto, both gzip", at_least=30)
def spans_per_object(quick: bool) -> Iterator[Round]:
    ours = Ours()
    items = _spans(ours, 0, 800)

    def objects() -> bytes:
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for item in items:
            spans.add(
                trace_id=item.trace_id, span_id=item.span_id, parent_span_id=item.parent_span_id, name=item.name,
                kind=item.kind, start_time_unix_nano=item.start, end_time_unix_nano=item.end, flags=0x101, attributes=_pairs(item.attributes),
            )  # fmt: skip
        return igzip.compress(request.SerializeToString(), 1)

    for _ in range(_rounds(quick)):
        yield Round(_encoded(ours, "traces", compressed=True), len(items) / cpu_of(objects))


@case("datagen_spans_copyfrom", unit="spans/CPU s", against="CopyFrom of prepared messages, both gzip", at_least=6)
def spans_copyfrom(quick: bool) -> Iterator[Round]:
    """The reference copies a prepared span and sets what varies: ids, times, the fields of the request."""
    ours = Ours()
    items = _spans(ours, 0, 800)
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

    for _ in range(_rounds(quick)):
        yield Round(_encoded(ours, "traces", compressed=True), len(items) / cpu_of(copied))


@case("datagen_logs_per_object", unit="records/CPU s", against="per-object opentelemetry-proto", at_least=25)
def logs_per_object(quick: bool) -> Iterator[Round]:
    """Both write the line too: times, ids and fields into the text of its format."""
    ours = Ours()
    items = [item for item in ours.world.slice(0, "logs", 0) if isinstance(item, LogRecord)][:800]
    requests = ours.world.requests(0, 0)
    told = records(requests)
    lines = [
        written(*tables().line_of[line], requests.fields(int(requests.request[at])).well)
        for line, at in zip(told.line[:800].tolist(), told.visit[:800].tolist(), strict=True)
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

    for _ in range(_rounds(quick)):
        yield Round(_encoded(ours, "logs", compressed=False), len(items) / cpu_of(objects))


@case("datagen_spans_memcpy", unit="bytes/CPU s", against="memcpy of the same bytes", at_least=0.05)
def spans_memcpy(quick: bool) -> Iterator[Round]:
    ours = Ours()
    for _ in range(_rounds(quick)):
        made = ours.next("traces")
        size = sum(len(parcel.body) for parcel in made)
        target, source = bytearray(size), bytes(size)
        mean = size / _items(made)
        yield Round(_encoded(ours, "traces", compressed=False) * mean, size / min(_copy(target, source) for _ in "abc"))


def _copy(target: bytearray, source: bytes) -> float:
    return cpu_of(lambda: target.__setitem__(slice(None), source))


# Against OpenTelemetry's SDK ----------------------------------------------------------------------------------------------


@case(
    "datagen_spans_sdk",
    unit="spans/CPU s",
    against="opentelemetry-sdk with OTLP/HTTP exporter, both gzip",
    at_least=100,
)
def spans_sdk(quick: bool) -> Iterator[Round]:
    """End to end: made, encoded, compressed and sent to a sink on this machine."""
    ours = Ours()
    number = 200 if quick else 2_000
    with sink() as to:
        sender, sdk = HttpSink(f"http://{to.address}", None, timeout_s=60), _Sdk(to)
        for _ in range(_rounds(quick)):
            sdk.send(10)
            assert _settled(to, 10) == 10
            reference = number / cpu_of(lambda: sdk.send(number))
            assert (came := _settled(to, number)) == number, came
            made: list[Parcel] = []

            def work(made: list[Parcel] = made) -> None:
                made[:] = ours.next("traces")
                for parcel in made:
                    assert sender.send(parcel).status == 200

            took = cpu_of(work)
            assert _settled(to, _items(made)) == _items(made)
            yield Round(_items(made) / took, reference)
        sdk.close()


def _settled(to: Sink, wanted: int) -> int:
    """Items that came; the sink answers before it has counted."""
    found, deadline = 0, time.monotonic() + 30
    while found < wanted and time.monotonic() < deadline:
        found += to.take()["items"]
    return found


class _Sdk:
    """Spans with ten attributes, as an application makes them."""

    def __init__(self, to: Sink) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http import Compression
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Absent(f"opentelemetry-sdk is not installed: {error}") from None
        exporter = OTLPSpanExporter(f"http://{to.address}/v1/traces", compression=Compression.Gzip)
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=100_000))
        self._tracer = self._provider.get_tracer("bench")

    def send(self, number: int) -> None:
        for index in range(number):
            attributes: dict[str, Any] = {
                "http.request.method": "GET", "http.route": "/api/products/{id}", "url.path": f"/api/products/{index}",
                "url.scheme": "https", "server.address": "shop.example.com", "server.port": 443,
                "client.address": "198.18.100.101", "user_agent.original": "okhttp/5.3.0", "user.id": f"u{index}",
                "http.response.status_code": 200,
            }  # fmt: skip
            self._tracer.start_span("GET /api/products/{id}", attributes=attributes).end()
        self._provider.force_flush(60_000)

    def close(self) -> None:
        self._provider.shutdown()


# Against telemetrygen -------------------------------------------------------------------------------------------------------


def _telemetrygen() -> str:
    places = os.pathsep.join(filter(None, (os.environ.get("TESTBED_BIN_DIR"), os.environ.get("PATH"))))
    found = shutil.which("telemetrygen", path=places)
    if found is None:
        raise Absent("telemetrygen is neither on PATH nor in TESTBED_BIN_DIR (go install it, v0.161.0)")
    return found


def _peer(to: Sink, what: str, number: int, *, batch: int, attributes: int, gzip: bool) -> float:
    """Items that came per CPU second of telemetrygen, its start left out: two runs, the difference counts."""
    points = []
    for items in (number // 10, number):
        command = [
            _telemetrygen(), what, "--otlp-http", "--otlp-insecure", "--otlp-endpoint", to.address, "--rate", "0",
            "--workers", "1", "--interval", "60s", "--batch-size", str(batch),
        ]  # fmt: skip
        command += ["--traces", str(items // 2)] if what == "traces" else ["--logs", str(items)]
        for index in range(attributes):
            command += ["--telemetry-attributes", f'app.attribute.{index}="{_VALUE.format(index)}"']
        environment = os.environ | {"OTEL_BSP_MAX_QUEUE_SIZE": "2000000"}
        if gzip:
            environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
        to.take()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        points.append((_counted(to), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    (few, less), (many, more) = points
    if many <= few or more <= less:
        raise RuntimeError(f"telemetrygen: {few} items in {less:.3f} CPU s, {many} in {more:.3f}: no rate can be told")
    return (many - few) / (more - less)


def _counted(to: Sink) -> int:
    found, quiet = 0, 0
    while quiet < 3:
        more = to.take()["items"]
        found, quiet = found + more, 0 if more else quiet + 1
        time.sleep(0.02)
    return found


_VALUE = "value number {} of a usual length"


class _Plain:
    """Items as telemetrygen makes them: one resource, everything but ids and times constant."""

    def __init__(self, signal: Signal, batch: int, attributes: int) -> None:
        names = ("trace_id", "span_id", "parent_span_id", "start", "end")
        marks = {name: bytes([0xA0 + index]) * 8 for index, name in enumerate(names)}
        times = {name: int.from_bytes(marks[name], "little") for name in ("start", "end")}
        message: SpanMessage | LogMessage
        if signal == "traces":
            message = SpanMessage(
                trace_id=marks["trace_id"] + b"\1" * 8, span_id=marks["span_id"], parent_span_id=marks["parent_span_id"],
                name="lets-go", kind=SpanMessage.SPAN_KIND_CLIENT, flags=0x101, start_time_unix_nano=times["start"],
                end_time_unix_nano=times["end"],
            )  # fmt: skip
            own = {"network.peer.address": "1.2.3.4", "peer.service": "telemetrygen-server"}
        else:
            message = LogMessage(
                time_unix_nano=times["start"], severity_number=LogMessage().severity_number, severity_text="Info",
                body=AnyValue(string_value="the message"),
            )  # fmt: skip
            own = {"app": "server"}
        for key, value in (own | {f"app.attribute.{n}": _VALUE.format(n) for n in range(attributes)}).items():
            message.attributes.add(key=key).value.string_value = value
        self._table = Stencils(dict.fromkeys(marks, 8))
        self._table.add(cut(field(ITEM, message.SerializeToString()), marks))
        entry = TracesData().resource_spans.add()
        entry.resource.attributes.add(key="service.name").value.string_value = "telemetrygen"
        self._frames = Frames(self._table, [entry.SerializeToString()], b"", b"")
        self._signal, self._batch, self._next = signal, batch, 0

    def next(self) -> list[Parcel]:
        requests = max(1, 16_384 // self._batch)
        size = self._batch * requests
        parts = np.repeat(np.arange(requests), self._batch)
        zeros = np.zeros(size, np.int64)
        sheet, ends = self._frames.lay(zeros, zeros, parts, requests)
        numbers = np.arange(self._next, self._next + size, dtype=np.uint64)
        self._next += size
        times = numbers + np.uint64(_START)
        if self._signal == "traces":
            spans = draw(2, numbers)
            sheet.fill("trace_id", draw(1, numbers >> np.uint64(1)), everywhere=True)
            sheet.fill("span_id", spans, everywhere=True)
            sheet.fill(
                "parent_span_id", spans[(numbers - np.uint64(self._next - size)) ^ np.uint64(1)], everywhere=True
            )
            sheet.fill("end", times + np.uint64(123_000), everywhere=True)
        sheet.fill("start", times, everywhere=True)
        raw = memoryview(sheet.raw)
        return [
            Parcel(Batch(0, self._signal, 0, part), "", raw[begin:end], "key", Flag.NONE, self._batch, 0, 0, 0, 0)
            for part, (begin, end) in enumerate(itertools.pairwise((0, *ends)))
        ]


def _against_telemetrygen(
    quick: bool, *, what: str, batch: int, attributes: int, gzip: bool, shop: bool
) -> Iterator[Round]:
    """shop: ours sends the simulated shop's own telemetry, and simulates it; else what telemetrygen sends."""
    _telemetrygen()
    number = 20_000 if quick else 100_000
    signal: Signal = "traces" if what == "traces" else "logs"
    ours = Ours(most=batch) if shop else None
    plain = None if shop else _Plain(signal, batch, attributes)
    with sink() as to:
        sender = HttpSink(f"http://{to.address}", None, timeout_s=60, compression="gzip" if gzip else "none")
        for _ in range(2 if quick else 5):
            reference = _peer(to, what, number, batch=batch, attributes=attributes, gzip=gzip)
            made: list[Parcel] = []

            def work(made: list[Parcel] = made) -> None:
                for _ in range(4):
                    more = plain.next() if plain is not None else ours.next(signal) if ours is not None else []
                    for parcel in more:
                        assert sender.send(parcel).status == 200
                    made += more

            took = cpu_of(work)
            assert _settled(to, _items(made)) == _items(made)
            yield Round(_items(made) / took, reference)


for _name, _bar, _what, _batch, _attributes, _gzip, _shop in (
    ("spans", 20, "traces", 512, 0, False, False),
    ("spans_attributes_gzip", 12, "traces", 768, 8, True, False),
    ("spans_small", 12, "traces", 96, 8, False, False),
    ("logs", 20, "logs", 512, 0, False, False),
    ("logs_attributes_gzip", 12, "logs", 768, 7, True, False),
    ("shop_spans_gzip", None, "traces", 768, 8, True, True),
    ("shop_logs_gzip", None, "logs", 768, 7, True, True),
):
    case(f"datagen_telemetrygen_{_name}", unit="items/CPU s", against="telemetrygen, received", at_least=_bar)(
        functools.partial(
            _against_telemetrygen, what=_what, batch=_batch, attributes=_attributes, gzip=_gzip, shop=_shop
        )
    )


# Beside a system under test -------------------------------------------------------------------------------------------------


@case("datagen_paced", unit="of a core", at_most=0.10)
def paced(quick: bool) -> Iterator[Round]:
    """20,000 spans and 20,000 log records a second, in ticks of a second, compressed and sent."""
    ours = Ours(requests=2_250)
    with sink() as to:
        sender = HttpSink(f"http://{to.address}", None, timeout_s=60)
        for _ in range(1 if quick else 8):
            began, before = time.monotonic(), time.process_time()
            made = ours.next("logs", "traces")
            for parcel in made:
                assert sender.send(parcel).status == 200
            took = time.process_time() - before
            to.take()
            time.sleep(max(0.0, 0.2 - (time.monotonic() - began)))
            yield Round(took * 40_000 / _items(made))


@case("datagen_start", unit="CPU s", at_most=0.3)
def start(quick: bool) -> Iterator[Round]:
    """A new process until its first request of spans is encoded. Telemetrygen's takes milliseconds: not to be reached."""
    program = "from tests.perf._start import first; first()"
    for _ in range(2 if quick else 7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield Round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@case("datagen_regularity", unit=": 1", at_most=8)
def regularity(quick: bool) -> Iterator[Round]:
    """How well gzip compresses what is generated: templates that are too alike would flatter every store."""
    ours = Ours()
    for signal in ("traces", "logs"):
        for _ in range(2):
            parcels = ours.next(signal)
            whole = sum(len(parcel.body) for parcel in parcels)
            yield Round(whole / sum(len(igzip.compress(parcel.body, 1, mtime=0)) for parcel in parcels))
