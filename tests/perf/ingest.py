"""The write gateway with commit before acknowledgement, against raw COPY of the very same rows, one commit a request.

Both go into the same tables with the same indexes and row-level security, emptied before each measurement. The gateway shares
the machine with its eight clients; the raw COPY sends bytes that were made beforehand.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observastack import config as configuration
from observastack.config import Config
from observastack.ingest.otlp import Dictionary, decode
from observastack.store.rows import COLUMNS, COPY_HEADER, COPY_TRAILER, TABLES, Signal
from observastack.store.write import SignalWriter, Write
from observastack.tests.platform import Tokens, build_platform
from tests.perf.harness import Absent, Round, case
from tests.servers import free_port, postgres_server

ITEMS = 768
"""Items of one request."""
CONNECTIONS = 8
_rng = random.Random(4)
_SERVICES = [f"service-{number}" for number in range(16)]
_TEMPLATES = [
    f"template {number}: handled request for {{}} in {{}} ms, cache {'miss' if number % 3 else 'hit'}, attempt 1 of 3"
    for number in range(24)
]


# Payloads: 8 attributes a log record, 10 a span, 8 a point ---------------------------------------------------------------


def _attribute(pairs: object, key: str, value: str | int) -> None:
    pair = pairs.add(key=key)
    if isinstance(value, int):
        pair.value.int_value = value
    else:
        pair.value.string_value = value


def _common(item: object, number: int) -> None:
    attributes = item.attributes
    _attribute(attributes, "http.request.method", ("GET", "POST")[number % 2])
    _attribute(attributes, "http.route", f"/api/v1/orders/{number % 40}")
    _attribute(attributes, "http.response.status_code", (200, 200, 200, 404, 500)[number % 5])
    _attribute(attributes, "user.id", f"user-{number % 5000}")
    _attribute(attributes, "net.peer.ip", f"10.0.{number % 200}.{number % 250}")
    _attribute(attributes, "region", f"eu-{number % 3}")
    _attribute(attributes, "version", "1.14.2")
    _attribute(attributes, "thread", number % 64)


def _logs(start: int) -> bytes:
    request = ExportLogsServiceRequest()
    for group in range(16):
        sender = request.resource_logs.add()
        _attribute(sender.resource.attributes, "service.name", _SERVICES[group])
        records = sender.scope_logs.add().log_records
        for number in range(ITEMS // 16):
            record = records.add(
                time_unix_nano=start + (group * 48 + number) * 1000, severity_number=9, severity_text="INFO",
                trace_id=_rng.randbytes(16), span_id=_rng.randbytes(8),
            )  # fmt: skip
            record.body.string_value = _TEMPLATES[number % 24].format(f"order-{_rng.randrange(10**6)}", number)
            _common(record, _rng.randrange(10**6))
    return request.SerializeToString()


def _spans(start: int) -> bytes:
    request = ExportTraceServiceRequest()
    for group in range(16):
        sender = request.resource_spans.add()
        _attribute(sender.resource.attributes, "service.name", _SERVICES[group])
        spans = sender.scope_spans.add().spans
        trace = b""
        for number in range(ITEMS // 16):
            if number % 6 == 0:
                trace, parent = _rng.randbytes(16), b""
            at = start + (group * 48 + number) * 1000
            span = spans.add(
                trace_id=trace, span_id=_rng.randbytes(8), parent_span_id=parent, name=f"GET /orders/{number % 12}",
                kind=2, start_time_unix_nano=at, end_time_unix_nano=at + _rng.randrange(10**8),
            )  # fmt: skip
            parent = span.span_id
            _common(span, _rng.randrange(10**6))
            _attribute(span.attributes, "db.system", "postgresql")
            _attribute(span.attributes, "db.statement", f"SELECT * FROM orders WHERE id = {_rng.randrange(10**6)}")
    return request.SerializeToString()


def _points(start: int) -> bytes:
    request = ExportMetricsServiceRequest()
    for group in range(16):
        sender = request.resource_metrics.add()
        _attribute(sender.resource.attributes, "service.name", _SERVICES[group])
        for metric_number in range(4):
            metric = sender.scope_metrics.add().metrics.add(name=f"metric_{metric_number}", unit="1")
            for number in range(ITEMS // 64):
                point = metric.gauge.data_points.add(time_unix_nano=start + number, as_double=_rng.random())
                _common(point, number)
    return request.SerializeToString()


_PAYLOADS: dict[Signal, Callable[[int], bytes]] = {"logs": _logs, "traces": _spans, "metrics": _points}


# Site -----------------------------------------------------------------------------------------------------------------


@dataclass
class Site:
    """A platform's database, its gateways (one or two processes on ports of their own), and the requests."""

    config: Config
    ports: list[int]
    processes: list[subprocess.Popen[bytes]]
    signal: Signal
    requests: list[bytes]
    buffers: list[bytes]

    def empty(self) -> None:
        with psycopg.connect(**self.config.database.connection("owner"), autocommit=True) as owner:
            owner.execute("TRUNCATE logs, spans, samples, idempotency")
            owner.execute("CHECKPOINT")

    def raw(self) -> float:
        """Items a second: COPY of the prepared rows, one transaction a request."""
        statement = f"COPY {TABLES[self.signal]} ({', '.join(COLUMNS[self.signal])}) FROM STDIN (FORMAT binary)"
        with psycopg.connect(**self.config.database.connection("ingest"), autocommit=True) as connection:
            started = time.perf_counter()
            for buffer in self.buffers:
                with connection.transaction():
                    connection.execute("SELECT set_config('app.tenant_id', '1', true)")
                    with connection.cursor().copy(statement.encode()) as copy:
                        copy.write(buffer)
            return len(self.buffers) * ITEMS / (time.perf_counter() - started)

    def gateway(self) -> float:
        """Items a second: the same requests over CONNECTIONS connections, each answered once it is committed."""
        token = Tokens(self.config)("acme")
        waiting = iter(range(len(self.requests)))
        refused: list[bytes] = []
        lock = threading.Lock()

        def send(port: int) -> None:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while True:
                    with lock:
                        number = next(waiting, None)
                    if number is None:
                        return
                    body = self.requests[number]
                    head = (
                        f"POST /v1/{self.signal} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                        "Content-Type: application/x-protobuf\r\n"
                        f"Idempotency-Key: {uuid.uuid4().hex}\r\nContent-Length: {len(body)}\r\n\r\n"
                    )
                    connection.sendall(head.encode() + body)
                    answer = b""
                    while b"\r\n\r\n" not in answer:
                        answer += connection.recv(4096)
                    if b"content-length: 0" not in answer:  # an accepted request without rejected items
                        refused.append(answer)

        targets = itertools.islice(itertools.cycle(self.ports), CONNECTIONS)
        senders = [threading.Thread(target=send, args=(port,)) for port in targets]
        started = time.perf_counter()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        elapsed = time.perf_counter() - started
        if refused:
            raise RuntimeError(f"{len(refused)} requests were not accepted: {refused[0][:300]!r}")
        return len(self.requests) * ITEMS / elapsed

    def stored(self) -> int:
        with psycopg.connect(**self.config.database.connection("owner")) as owner:
            [(count,)] = owner.execute(f"SELECT count(*) FROM {TABLES[self.signal]}".encode()).fetchall()
            return int(count)

    def resident_mib(self) -> float:
        """The largest of the gateways' peaks."""
        peaks = []
        for process in self.processes:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return max(peaks)


@contextlib.contextmanager
def _site(signal: Signal, processes: int, requests: int) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            url = stack.enter_context(postgres_server())
        except FileNotFoundError as error:
            raise Absent(str(error)) from None
        config = build_platform(folder, url, auth={"access_ttl_s": 3600})
        start = time.time_ns() - requests * 10**9
        bodies = [_PAYLOADS[signal](start + number * 10**9) for number in range(requests)]
        site = Site(config, [], [], signal, bodies, _prepared(config, signal, bodies))
        for number in range(processes):
            port, process = _start(config, folder, number)
            site.ports.append(port)
            site.processes.append(process)
            stack.callback(_end, process)
        yield site


def _prepared(config: Config, signal: Signal, bodies: list[bytes]) -> list[bytes]:
    """The rows of each request as one COPY; their resources and series are put into the store."""
    dictionary = Dictionary()
    writer = SignalWriter(config.database.connection("ingest"))
    known = writer.tenant("acme")
    if known is None or known.number != 1:
        raise RuntimeError(f"tenant acme is {known}")
    tenant = known.number
    buffers = []
    for number, body in enumerate(bodies):
        batch = decode(signal, body, json=False, tenant=tenant, dictionary=dictionary, first_id=number << 20, now=0)
        if len(batch.rows) != ITEMS:
            raise RuntimeError(f"{len(batch.rows)} rows and not {ITEMS}: {batch.message()}")
        if batch.resources or batch.series:
            writer.write([Write(tenant, signal, batch.rows, batch.resources, batch.series)])  # makes the partition too
            dictionary.committed(tenant, batch)
        buffers.append(b"".join((COPY_HEADER, *batch.rows, COPY_TRAILER)))
    writer.close()
    return buffers


def _start(config: Config, folder: Path, number: int) -> tuple[int, subprocess.Popen[bytes]]:
    document = json.loads(config.file.read_text())
    document["ingest"]["port"] = port = free_port()
    file = folder / f"gateway-{number}.json"
    file.write_text(json.dumps(document))
    configuration.load(file)
    with (folder / f"gateway-{number}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "observastack.ingest", "--config", str(file)], stderr=log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as probe:
            probe.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            if b" 200 " in probe.recv(4096):
                return port, process
        time.sleep(0.05)
    raise TimeoutError("the gateway is not ready after 30 s")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


# Cases ----------------------------------------------------------------------------------------------------------------


def _measure(quick: bool, *, signal: Signal, processes: int) -> Iterator[Round]:
    requests = 16 if quick else 160
    with _site(signal, processes, requests) as site:
        site.gateway()  # everything is imported, connected and known
        for number in range(1 if quick else 5):
            site.empty()
            reference = site.raw()
            site.empty()
            value = site.gateway()
            if number == 0 and (stored := site.stored()) != requests * ITEMS:
                raise RuntimeError(f"{stored} items are stored and not {requests * ITEMS}")
            yield Round(value, reference)


_SIGNALS: tuple[tuple[str, Signal], ...] = (("logs", "logs"), ("spans", "traces"), ("points", "metrics"))
for _what, _signal in _SIGNALS:
    for _suffix, _processes, _bar in (("", 1, 0.35), ("_two_processes", 2, 0.5)):
        case(f"ingest_{_what}{_suffix}", unit="items/s", against="raw COPY a request", at_least=_bar)(
            functools.partial(_measure, signal=_signal, processes=_processes)
        )


@case("ingest_memory", unit="MiB", at_most=200)
def ingest_memory(quick: bool) -> Iterator[Round]:
    """The gateway's peak resident memory under eight clients that send as fast as they can, all three signals."""
    signals: tuple[Signal, ...] = ("logs", "traces", "metrics")
    for signal in signals[: 1 if quick else 3]:
        with _site(signal, 1, 16 if quick else 320) as site:
            for _ in range(1 if quick else 3):
                site.gateway()
            yield Round(site.resident_mib())
