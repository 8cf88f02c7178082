"""Real Loki, Prometheus and Tempo for tests: one process each on free loopback ports, killed and started again at will.

Binaries come from TESTBED_BIN_DIR or PATH; a test that needs an absent one is skipped with the reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from observastack.tests.gateway import wait_for
from tests.servers import free_port

_LOKI = """
target: all
auth_enabled: {tenants}
server: {{http_listen_address: 127.0.0.1, http_listen_port: {http}, grpc_listen_address: 127.0.0.1,
  grpc_listen_port: {grpc}, log_level: error, graceful_shutdown_timeout: 1s}}
analytics: {{reporting_enabled: false}}
common:
  path_prefix: {data}
  replication_factor: 1
  instance_addr: 127.0.0.1
  compactor_grpc_address: 127.0.0.1:{grpc}
  ring: {{instance_addr: 127.0.0.1, kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {data}/chunks, rules_directory: {data}/rules}}}}
schema_config:
  configs:
    - {{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: idx_, period: 24h}}}}
ingester:
  lifecycler: {{address: 127.0.0.1, min_ready_duration: 0s, final_sleep: 0s, join_after: 0s}}
  wal: {{enabled: true, dir: {data}/wal, flush_on_shutdown: false}}
  max_chunk_age: 2h
query_scheduler: {{use_scheduler_ring: false}}
frontend: {{address: 127.0.0.1, scheduler_address: "127.0.0.1:{grpc}", scheduler_dns_lookup_period: 500ms}}
frontend_worker: {{scheduler_address: "127.0.0.1:{grpc}", dns_lookup_duration: 500ms}}
query_range: {{cache_results: false, parallelise_shardable_queries: false}}
limits_config: {{allow_structured_metadata: true, ingestion_rate_mb: {rate_mb}, ingestion_burst_size_mb: {rate_mb},
  reject_old_samples_max_age: 168h, max_global_streams_per_user: 5000}}
"""

_TEMPO = """
target: all
multitenancy_enabled: {tenants}
search_enabled: true
usage_report: {{reporting_enabled: false}}
server: {{http_listen_address: 127.0.0.1, http_listen_port: {http}, grpc_listen_address: 127.0.0.1,
  grpc_listen_port: {grpc}, log_level: error}}
distributor:
  ring: {{kvstore: {{store: inmemory}}, instance_addr: 127.0.0.1}}
  receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}
ingester:
  trace_idle_period: 1s
  flush_check_period: 1s
  max_block_duration: 1m
  lifecycler:
    address: 127.0.0.1
    min_ready_duration: 0s
    final_sleep: 0s
    join_after: 0s
    ring: {{replication_factor: 1, kvstore: {{store: inmemory}}}}
compactor: {{compaction: {{block_retention: 48h}}}}
query_frontend: {{query_shards: 2, max_outstanding_per_tenant: 2000, search: {{max_duration: 0s}}}}
querier: {{max_concurrent_queries: 20, frontend_worker: {{frontend_address: "127.0.0.1:{grpc}"}}}}
storage:
  trace:
    backend: local
    blocklist_poll: 5s
    wal: {{path: {data}/wal}}
    local: {{path: {data}/blocks}}
"""

_PROMETHEUS = """
global: {scrape_interval: 1h}
storage: {tsdb: {out_of_order_time_window: 30m}}
"""


def binary(name: str) -> str:
    """The path of a server binary. Skips the test when there is none."""
    folder = os.environ.get("TESTBED_BIN_DIR")
    found = shutil.which(name, path=folder) if folder else None
    if (found := found or shutil.which(name)) is None:
        pytest.skip(f"no {name} in TESTBED_BIN_DIR or on PATH")
    if name == "loki" and "loki, version" not in _says(found):
        pytest.skip(f"{found} is not Grafana's Loki")
    return found


def _says(program: str) -> str:
    return subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20).stdout


class Server:
    """One process. url: of its HTTP API; otlp: host:port of Tempo's OTLP/gRPC receiver."""

    def __init__(self, name: str, command: list[str], folder: Path, *, port: int, ready: str, otlp: str = "") -> None:
        self.name, self.url, self.otlp = name, f"http://127.0.0.1:{port}", otlp
        self.folder, self._command, self._ready = folder, command, ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=self.folder, stdout=log, stderr=log)
        return self

    def wait(self) -> Server:
        wait_for(self._answers, f"{self.name} is ready; see {self.folder / 'server.log'}", 60)
        return self

    def kill(self) -> None:
        """SIGKILL: nothing is flushed."""
        self._signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(self.url + self._ready, timeout=2).status_code == 200
        return False


@contextlib.contextmanager
def loki_server(folder: Path, *, rate_mb: int = 64, tenants: bool = True) -> Iterator[Server]:
    """rate_mb: what one tenant may write a second; tenants: are there several?"""
    http, grpc = free_port(), free_port()
    config = _written(
        folder,
        "loki.yml",
        _LOKI.format(http=http, grpc=grpc, data=folder, rate_mb=rate_mb, tenants=str(tenants).lower()),
    )
    yield from _running(Server("loki", [binary("loki"), f"-config.file={config}"], folder, port=http, ready="/ready"))


@contextlib.contextmanager
def tempo_server(folder: Path, *, tenants: bool = True) -> Iterator[Server]:
    """tenants: are there several?"""
    http, grpc, otlp = free_port(), free_port(), free_port()
    config = _written(
        folder,
        "tempo.yml",
        _TEMPO.format(http=http, grpc=grpc, otlp=otlp, data=folder, tenants=str(tenants).lower()),
    )
    command = [binary("tempo"), f"-config.file={config}"]
    yield from _running(Server("tempo", command, folder, port=http, ready="/ready", otlp=f"127.0.0.1:{otlp}"))


@contextlib.contextmanager
def prometheus_server(folder: Path) -> Iterator[Server]:
    port = free_port()
    config = _written(folder, "prometheus.yml", _PROMETHEUS)
    command = [
        binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--log.level=error",
    ]  # fmt: skip
    yield from _running(Server("prometheus", command, folder, port=port, ready="/-/ready"))


def _written(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def _running(server: Server) -> Iterator[Server]:
    try:
        yield server.start().wait()
    finally:
        server.kill()
