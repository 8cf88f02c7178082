"""The parts that real stores are reached with: cutting a refused push, and connections to servers that answer nonsense."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from observastack.ingest.otlp import Dictionary, decode
from observastack.ingest.request import Request
from observastack.ingest.sinks.grpc import Channel
from observastack.ingest.sinks.http import StoreConnection
from observastack.ingest.sinks.loki import LokiSink
from observastack.ingest.sinks.prometheus import PrometheusSink
from observastack.ingest.sinks.splitting import MOST_PUSHES, PartlyRefused, store_all
from observastack.store.write import Unavailable

# Cutting --------------------------------------------------------------------------------------------------------------


class Store:
    """Refuses some items; keeps the others of a push like Loki, or nothing of it like Prometheus."""

    def __init__(self, bad: set[int], *, keeps: bool, threshold: int = -1) -> None:
        self.bad, self.keeps, self.threshold = bad, keeps, threshold
        self.stored: set[int] = set()
        self.pushes = 0

    def push(self, items: Sequence[int]) -> None:
        self.pushes += 1
        refused = [item for item in items if item in self.bad or item < self.threshold]
        if not refused or self.keeps:
            self.stored.update(item for item in items if item not in refused)
        if refused:
            count = len(refused) if self.keeps else None
            raise PartlyRefused("refused", count, too_old=not self.keeps and refused[0] < self.threshold)


@given(bad=st.sets(st.integers(0, 299), max_size=8), keeps=st.booleans(), count=st.integers(1, 300))
def test_exactly_the_refused_items_are_counted_and_the_others_stored(bad: set[int], keeps: bool, count: int) -> None:
    store, refused = Store(bad, keeps=keeps), [0]

    def refuse(_: str, number: int) -> None:
        refused[0] += number

    store_all(range(count), store.push, refuse)
    assert store.stored == set(range(count)) - bad
    assert refused[0] == len(bad & set(range(count)))


def test_what_is_too_old_costs_few_pushes() -> None:
    store, refused = Store(set(), keeps=False, threshold=9_000), [0]

    def refuse(_: str, number: int) -> None:
        refused[0] += number

    store_all(range(10_000), store.push, refuse)
    assert (refused[0], store.stored) == (9_000, set(range(9_000, 10_000)))
    assert store.pushes < 60


@pytest.mark.parametrize("keeps", [True, False])
def test_a_store_that_refuses_every_other_item_is_not_asked_for_ever(keeps: bool) -> None:
    store, refused = Store(set(range(0, 10_000, 2)), keeps=keeps), [0]

    def refuse(_: str, number: int) -> None:
        refused[0] += number

    store_all(range(10_000), store.push, refuse)
    assert store.pushes <= 2 * MOST_PUSHES
    assert refused[0] + len(store.stored) == 10_000, "what is said to be refused is not stored"


# Memory ---------------------------------------------------------------------------------------------------------------


class Counting(LokiSink):
    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", 1)
        self.lines = 0

    def _push(self, tenant: str, lines: Sequence[object], *, foreign: bool) -> None:
        self.lines += len(lines)


def test_lines_that_carry_a_large_resource_are_made_as_they_are_pushed() -> None:
    """The resource is sent once and is in every line: 3,000 small records would be 90 MB."""
    now = time.time_ns()
    sent = ExportLogsServiceRequest()
    group = sent.resource_logs.add()
    group.resource.attributes.add(key="long").value.string_value = "x" * 30_000
    records = group.scope_logs.add().log_records
    for number in range(3_000):
        records.add(time_unix_nano=now + number).body.string_value = "a line"
    body = sent.SerializeToString()
    batch = decode("logs", body, json=False, tenant=1, dictionary=Dictionary(), first_id=1, now=now)
    request = Request("logs", "acme", body, "identity", "otlp", None, lambda _: None, batch=batch)
    sink = Counting()
    tracemalloc.start()
    try:
        [answer] = sink.store([request])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status, answer.rejected, sink.lines) == (200, 0, 3_000)
    assert peak < 20_000_000


class CountingSamples(PrometheusSink):
    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", 1)
        self.samples = 0

    def _push(self, samples: Sequence[object]) -> None:
        self.samples += len(samples)


@pytest.mark.parametrize(("size", "stored"), [(100, 3_000), (30_000, 0)])
def test_series_that_carry_a_large_resource_are_refused_when_they_are_many(size: int, stored: int) -> None:
    """The resource is sent once and becomes labels of every series: 3,000 points would be 90 MB."""
    now = time.time_ns()
    sent = ExportMetricsServiceRequest()
    group = sent.resource_metrics.add()
    group.resource.attributes.add(key="long").value.string_value = "x" * size
    points = group.scope_metrics.add().metrics.add(name="m").gauge.data_points
    for number in range(3_000):
        points.add(time_unix_nano=now, as_double=number).attributes.add(key="n").value.int_value = number
    body = sent.SerializeToString()
    batch = decode("metrics", body, json=False, tenant=1, dictionary=Dictionary(), first_id=1, now=now)
    sink = CountingSamples()
    [answer] = sink.store([Request("metrics", "acme", body, "identity", "otlp", None, lambda _: None, batch=batch)])
    assert (answer.status, sink.samples, answer.rejected) == (200, stored, 3_000 - stored)


# Nonsense -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def answering(answer: bytes, *, close: bool = True) -> Iterator[int]:
    """A server that sends these bytes to everybody, whatever is asked; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    held.append(connection)
                    connection.recv(65536)
                    connection.sendall(answer)
                    if close:
                        connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        for connection in held:
            connection.close()


NONSENSE = [
    b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 5000, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5000, b"SSH-2.0-OpenSSH_9.2\r\n",
]  # fmt: skip


@pytest.mark.parametrize("answer", NONSENSE)
def test_nonsense_is_unavailable_and_never_an_acknowledgement(answer: bytes) -> None:
    with answering(answer) as port:
        connection = StoreConnection(f"http://127.0.0.1:{port}", 2)
        channel = Channel(f"127.0.0.1:{port}", 2)
        for _ in range(2):
            with pytest.raises(Unavailable):
                connection.post("/x", b"body", {})
            with pytest.raises(Unavailable):
                channel.unary("/x", b"body", {})


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with answering(b"", close=False) as port:
        for call in (
            lambda: StoreConnection(f"http://127.0.0.1:{port}", 0.3).post("/x", b"", {}),
            lambda: Channel(f"127.0.0.1:{port}", 0.3).unary("/x", b"", {}),
        ):
            started = time.monotonic()
            with pytest.raises(Unavailable) as failure:
                call()
            assert failure.value.unknown, "it may have been stored"
            assert time.monotonic() - started < 2


def test_nobody_there_is_certain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for call in (
        lambda: StoreConnection(f"http://127.0.0.1:{port}", 1).post("/x", b"", {}),
        lambda: Channel(f"127.0.0.1:{port}", 1).unary("/x", b"", {}),
    ):
        with pytest.raises(Unavailable) as failure:
            call()
        assert not failure.value.unknown
