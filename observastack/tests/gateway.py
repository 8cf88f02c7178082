"""A running ingest gateway and OTLP messages for its tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psycopg
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

from observastack.config import Config

PROTOBUF = "application/x-protobuf"


def wait_for(condition: Callable[[], bool], what: str, patience_s: float = 20) -> None:
    """Poll until the condition holds. Fails the test after patience_s."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {patience_s} s: {what}"
        time.sleep(0.01)


class Gateway:
    """`python -m observastack.ingest` as a process of its own; its stderr goes to a file."""

    def __init__(self, config: Config, log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.config, self.log = config, log
        self.url = f"http://127.0.0.1:{config.ingest.port}"
        self._environ = {**os.environ, **(environ or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Gateway:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "observastack.ingest", "--config", str(self.config.file)],
                stderr=output,
                env=self._environ,
            )
        return self

    def ready(self) -> Gateway:
        """Wait until it says that it can write."""
        wait_for(lambda: self.health() == 200, f"ready; its log:\n{self.log.read_text()}")
        return self

    def health(self, timeout_s: float = 5) -> int:
        """Status of /health/ready; 0 when nobody answers."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=timeout_s).status_code
        except httpx.TransportError:
            return 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                if (entry := json.loads(line)).get("event") == event:
                    found.append(entry)
        return found

    def post(
        self, signal_name: str, body: bytes, token: str | None, *, content_type: str = PROTOBUF, **headers: str
    ) -> httpx.Response:
        """Header names with underscores: `idempotency_key="k"`."""
        sent = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        return httpx.post(f"{self.url}/v1/{signal_name}", content=body, headers=sent, timeout=60)


@contextlib.contextmanager
def running_gateway(config: Config, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A ready gateway, killed at the end."""
    gateway = Gateway(config, folder / "ingest.log", environ).start()
    try:
        yield gateway.ready()
    finally:
        gateway.kill()


class Reader:
    """Reads one tenant's signals as the backend does: role obs_read under row-level security."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def rows(self, tenant: str, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(**self._config.database.connection("read")) as connection:
            [(number,)] = connection.execute("SELECT id FROM tenants WHERE key = %s", (tenant,)).fetchall()
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", (str(number),))
            return connection.execute(statement.encode()).fetchall()

    def count(self, tenant: str, table: str) -> int:
        return int(self.rows(tenant, f"SELECT count(*) FROM {table}")[0][0])


def value(content: Any) -> AnyValue:
    """A Python value as AnyValue."""
    if isinstance(content, bool):
        return AnyValue(bool_value=content)
    if isinstance(content, int):
        return AnyValue(int_value=content)
    if isinstance(content, float):
        return AnyValue(double_value=content)
    if isinstance(content, bytes):
        return AnyValue(bytes_value=content)
    if isinstance(content, list):
        result = AnyValue()
        result.array_value.values.extend(value(item) for item in content)
        return result
    if isinstance(content, dict):
        result = AnyValue()
        result.kvlist_value.values.extend(pairs(content))
        return result
    return AnyValue() if content is None else AnyValue(string_value=content)


def pairs(content: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(item)) for key, item in content.items()]


def logs(
    bodies: list[str],
    *,
    ts: int | None = None,
    service: str = "checkout",
    trace_id: bytes = b"",
    attributes: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """One request; record i at ts + i ns."""
    first = time.time_ns() if ts is None else ts
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(pairs({"service.name": service}))
    scope = group.scope_logs.add()
    for number, body in enumerate(bodies):
        record = scope.log_records.add(
            time_unix_nano=first + number,
            severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
            severity_text="INFO",
            trace_id=trace_id,
        )
        record.body.string_value = body
        record.attributes.extend(pairs(attributes))
    return request.SerializeToString()


def spans(count: int, *, ts: int | None = None, service: str = "checkout") -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """One request, and (trace id, span id) of its spans."""
    first = time.time_ns() if ts is None else ts
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs({"service.name": service}))
    scope = group.scope_spans.add()
    ids = []
    for number in range(count):
        ids.append((uuid.uuid4().bytes, uuid.uuid4().bytes[:8]))
        scope.spans.add(
            trace_id=ids[-1][0], span_id=ids[-1][1], name=f"GET /{number}", start_time_unix_nano=first + number,
            end_time_unix_nano=first + number + 1000,
        )  # fmt: skip
    return request.SerializeToString(), ids


def gauge(name: str, points: list[NumberDataPoint], *, service: str = "checkout", unit: str = "1") -> bytes:
    """One request with one gauge."""
    return metrics([Metric(name=name, unit=unit, gauge={"data_points": points})], service=service)  # type: ignore[arg-type]


def metrics(content: list[Metric], *, service: str = "checkout") -> bytes:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.name": service}))
    group.scope_metrics.add().metrics.extend(content)
    return request.SerializeToString()


def point(number: float, *, ts: int | None = None, **attributes: Any) -> NumberDataPoint:
    """An int becomes as_int, a float as_double."""
    result = NumberDataPoint(time_unix_nano=time.time_ns() if ts is None else ts, attributes=pairs(attributes))
    if isinstance(number, int):
        result.as_int = number
    else:
        result.as_double = number
    return result
