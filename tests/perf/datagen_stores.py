"""What goes straight into stores, and metrics by OTLP, against protobuf's own classes: in items per CPU second of the encoder; both
have their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from observastack.ingest.foreign.messages import PushRequest, WriteRequest
from runners.datagen.metering import Part
from runners.datagen.model.logs import records
from runners.datagen.model.readings import Readings
from runners.datagen.model.reports import Report
from runners.datagen.model.series import Series
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity
from runners.ledger.items import Attributes, LogRecord, Sample
from runners.ledger.mixing import draw
from runners.ledger.pushed import LEVEL, metadata_of
from runners.wire.loki import resource_of, selector_of
from runners.wire.parcel import Wire
from runners.wire.remote_write import labels_of
from tests.perf.harness import Round, case, cpu_of

ROUNDS = 11
_START = 1_795_000_000 * 10**9
_SCENARIO = """
scenario: bench
duration: 300s
tenants: [{{id: acme}}]
instances: 3
load: {{requests: 100/s}}
metrics: {{interval: 1s, cpus: 16, histograms: {histograms}, series: {series}}}
delivery: {{max_items: 5000}}
"""


def _world(*, series: int | None = 60_000, histograms: bool = False) -> World:
    text = _SCENARIO.format(series=series or "null", histograms=str(histograms).lower())
    return World(read_scenario(text.encode(), Path("bench.yaml")), Identity("bench", ("acme",)), 1, _START)


def _rounds(quick: bool) -> int:
    return 2 if quick else ROUNDS


def _encoded(world: World, reported: list[Part], wire: Wire) -> tuple[float, int]:
    """(points per CPU second, bytes) of reports."""
    encode, sizes = world.metric_encoder(0, wire), []

    def work() -> None:
        sizes.append(sum(len(encode([part])) for part in reported))

    work()  # its templates are made
    took = min(cpu_of(work) for _ in "abc")
    return sum(size for *_, size in reported) / took, sizes[-1]


def _samples(world: World) -> list[Sample]:
    return [item for item in world.slice(0, "metrics", 1) if isinstance(item, Sample)][:800]


def _compared(quick: bool, wire: Wire, objects: Callable[[list[Sample]], object]) -> Iterator[Round]:
    world = _world()
    items = _samples(world)
    for tick in range(_rounds(quick)):
        mine, _ = _encoded(world, world.reported(0, tick), wire)
        yield Round(mine, len(items) / cpu_of(lambda: objects(items)))


@case("datagen_points_per_object", unit="points/CPU s", against="per-object opentelemetry-proto", at_least=100)
def points_per_object(quick: bool) -> Iterator[Round]:
    """Of points with one attribute: with eight, objects take five times as long and columns as long as before."""

    def objects(items: list[Sample]) -> bytes:
        request = ExportMetricsServiceRequest()
        metrics = request.resource_metrics.add().scope_metrics.add().metrics
        for item in items:
            point = metrics.add(name=item.name, unit=item.unit).gauge.data_points.add(
                time_unix_nano=item.time,
                attributes=[KeyValue(key=key, value=AnyValue(string_value=str(value))) for key, value in item.attributes.items()],
            )  # fmt: skip
            point.as_double = item.value
        return request.SerializeToString()

    yield from _compared(quick, "otlp", objects)


@case("datagen_write_per_object", unit="samples/CPU s", against="per-object protobuf of remote write", at_least=100)
def write_per_object(quick: bool) -> Iterator[Round]:
    def objects(items: list[Sample]) -> object:
        request = WriteRequest()
        for item in items:
            series = request.timeseries.add()
            for name, value in labels_of("acme", item).items():
                series.labels.add(name=name, value=value)
            series.samples.add(value=item.value, timestamp=item.time // 10**6)
        return request.SerializeToString()

    yield from _compared(quick, "remote_write", objects)


@case("datagen_points_memcpy", unit="bytes/CPU s", against="memcpy of the same bytes", at_least=0.25)
def points_memcpy(quick: bool) -> Iterator[Round]:
    """Of points with eight attributes, some 260 bytes each: what instrumented services send."""
    world = _world(series=None)
    reported = [_told_at_length(report) for report, *_ in world.reported(0, 0)]
    yield from _beside_memcpy(quick, world, lambda _: reported)


@case("datagen_short_points_memcpy", unit="bytes/CPU s", against="memcpy of the same bytes")
def short_points_memcpy(quick: bool) -> Iterator[Round]:
    """Of points with one attribute, 56 bytes each. No bar: two numbers are written into each, however short it is."""
    world = _world()
    yield from _beside_memcpy(quick, world, lambda tick: world.reported(0, tick))


def _beside_memcpy(quick: bool, world: World, reported: Callable[[int], list[Part]]) -> Iterator[Round]:
    for tick in range(_rounds(quick)):
        parts = reported(tick)
        rate, size = _encoded(world, parts, "otlp")
        points = sum(size for *_, size in parts)
        yield Round(rate * size / points, size / min(_copied(size) for _ in "abc"))


def _told_at_length(report: Report) -> Part:
    """A report of 400 gauges with eight attributes, in place of what the instance tells."""
    series = [Series("app.queue.depth", "{item}", "gauge", _attributes(number)) for number in range(400)]
    readings = Readings(series, 1, lambda _: False)
    values, starts = draw(report.ordinal, np.arange(400, dtype=np.uint64)), np.zeros(400, np.int64)
    return replace(report, readings=readings, values=values, starts=starts), 0, len(series)


def _attributes(number: int) -> Attributes:
    return {
        "server.address": f"shop-{number % 12}.example.com", "http.request.method": "GET", "http.route": f"/api/products/{number}",
        "cloud.region": "eu-central-1", "app.queue.name": f"orders-{number}", "app.shard": number % 16,
        "user_agent.name": "okhttp", "http.response.status_code": 200,
    }  # fmt: skip


def _copied(size: int) -> float:
    """CPU seconds, into memory that has been written to before: new pages would cost more."""
    target, source = memoryview(bytearray(b"1" * size)), b"1" * size
    return cpu_of(lambda: target.__setitem__(slice(None), source))


@case("datagen_metrics_all", unit="points/CPU s")
def metrics_all(quick: bool) -> Iterator[Round]:
    """All of it: requests simulated, counted and encoded, histograms included. No bar: what a run has to spend."""
    world = _world(histograms=True)
    for tick in range(_rounds(quick)):
        batches = [batch for batch in world.batches(tick) if batch.signal == "metrics"]
        made: list[int] = []
        took = cpu_of(lambda own=batches, to=made: to.extend(world.parcel(batch).items for batch in own))  # type: ignore[misc]
        yield Round(sum(made) / took)


@case("datagen_push_per_object", unit="entries/CPU s", against="per-object protobuf of Loki's push", at_least=8)
def push_per_object(quick: bool) -> Iterator[Round]:
    text = _SCENARIO.replace("100/s", "1000/s").replace(
        "histograms: {histograms}, series: {series}", "histograms: false"
    )
    world = World(read_scenario(text.format().encode(), Path("bench.yaml")), Identity("bench", ("acme",)), 1, _START)
    items = [one for one in world.slice(0, "logs", 0) if isinstance(one, LogRecord)][:800]

    def objects() -> object:
        request, streams = PushRequest(), {}
        for item in items:  # both sides write ids and times as texts
            selector = selector_of((*resource_of(item.resource)[0].items(), (LEVEL, item.severity_text.lower())))
            stream = streams.get(selector)
            if stream is None:
                stream = streams[selector] = request.streams.add(labels=selector)
            entry = stream.entries.add(line=item.body)
            entry.timestamp.seconds, entry.timestamp.nanos = divmod(item.time, 10**9)
            for name, value in metadata_of(item).items():
                entry.metadata.add(name=name, value=value)
        return request.SerializeToString()

    for _ in range(30):  # nearly every stencil is made
        _pushed(world, _)
    for tick in range(_rounds(quick)):
        yield Round(_pushed(world, tick), len(items) / cpu_of(objects))


def _pushed(world: World, tick: int) -> float:
    """Entries per CPU second."""
    requests = world.requests(0, tick)
    said = records(requests)
    parts = np.arange(len(said.time)) * -(-len(said.time) // 800) // len(said.time)
    return len(said.time) / cpu_of(lambda: world.push_encoder.logs(0, requests, said, parts))
