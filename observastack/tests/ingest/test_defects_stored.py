"""Defects of what is stored and of who may write: one gateway with all of them beside one with none, on one database."""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observastack.config import Config
from observastack.tests.gateway import Gateway, Reader, gauge, logs, pairs, point, running_gateway, spans
from observastack.tests.ingest.test_protocol import on_another_port
from observastack.tests.platform import Tokens, build_platform
from observastack.tests.postgres import own_postgres

DEFECTS = (
    "content_corrupt", "severity_lost", "log_body_truncated", "unicode_mangled", "timestamp_rounded",
    "span_parent_lost", "span_events_lost", "drop_spans_late", "metric_value_as_int", "duplicate_samples",
    "resource_attributes_lost", "partial_success_silent", "tenant_header_trust", "ingest_no_auth_role",
    "suspended_tenant_writes", "gzip_bomb_unbounded", "ingest_oversize_accepted", "token_in_log", "malformed_500",
)  # fmt: skip
SECOND = 10**9


@dataclass(frozen=True)
class Side:
    """A gateway, with the defects or without."""

    gateway: Gateway
    config: Config
    defective: bool

    def rows(self, statement: str, tenant: str = "acme") -> list[tuple[Any, ...]]:
        return Reader(self.config).rows(tenant, statement)

    def token(self, *arguments: Any, **claims: Any) -> str:
        return Tokens(self.config)(*arguments, **claims)

    def post(self, signal: str, body: bytes, **headers: str) -> None:
        assert self.gateway.post(signal, body, self.token(), **headers).status_code == 200


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Config:
    limits = {"max_body_bytes": 100_000, "max_inflated_bytes": 1_000_000}
    return build_platform(tmp_path_factory.mktemp("platform"), postgres, ingest=limits)


@pytest.fixture(scope="module")
def both(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Side]]:
    good, bad = tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("bad")
    environ = {"OBSERVASTACK_DEFECTS": ",".join(DEFECTS)}
    with running_gateway(config, good) as one, running_gateway(on_another_port(config), bad, environ) as other:
        yield {"good": Side(one, config, False), "bad": Side(other, config, True)}


@pytest.fixture(params=["good", "bad"])
def side(both: dict[str, Side], request: pytest.FixtureRequest) -> Side:
    return both[request.param]


def test_what_becomes_of_a_log_record(side: Side) -> None:
    now = time.time_ns() // 10**6 * 10**6 + 123_456
    service, body = uuid.uuid4().hex, "☃ " + "x" * 300
    request = ExportLogsServiceRequest.FromString(logs([body], ts=now, service=service, attributes={"a": 1, "b": "v"}))
    request.resource_logs[0].resource.attributes.extend(pairs({"host.name": "h"}))
    side.post("logs", request.SerializeToString())
    [row] = side.rows(
        "SELECT l.ts, severity, severity_text, body, l.attrs, r.attrs FROM logs l JOIN resources r USING"
        f" (tenant_id, resource_id) WHERE l.service = '{service}'"
    )
    resource = {"service.name": service, "host.name": "h"}
    if not side.defective:
        assert row == (now, 9, "INFO", body, {"a": 1, "b": "v"}, resource)
        return
    assert row[0] == now - 123_456, "timestamp_rounded"
    assert row[1] == 0, "severity_lost"
    assert row[3] == "? " + "x" * 254, "log_body_truncated, unicode_mangled"
    assert row[4] == {"a": 1, "b": "v~"}, "content_corrupt"
    assert row[5] == {"service.name": service}, "resource_attributes_lost"


def test_what_becomes_of_a_span(side: Side) -> None:
    parent = uuid.uuid4().bytes[:8]
    body, ids = spans(1)
    request = ExportTraceServiceRequest.FromString(body)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.parent_span_id = parent
    span.events.add(time_unix_nano=5, name="cache miss")
    late, late_ids = spans(1, ts=time.time_ns() - 120 * SECOND)
    side.post("traces", request.SerializeToString() + late)
    rows = side.rows(
        f"SELECT trace_id::text, parent_id, events FROM spans WHERE trace_id IN ('{ids[0][0].hex()}', '{late_ids[0][0].hex()}')"
    )
    found = {row[0].replace("-", ""): row[1:] for row in rows}
    assert (late_ids[0][0].hex() in found) is not side.defective, "drop_spans_late"
    number, events = found[ids[0][0].hex()]
    assert (number is None) is side.defective, "span_parent_lost"
    assert (events is None) is side.defective, "span_events_lost"


def test_what_becomes_of_a_sample(side: Side) -> None:
    name = f"m_{uuid.uuid4().hex}"
    side.post("metrics", gauge(name, [point(2.75), point(-3)]))
    rows = side.rows(f"SELECT value FROM samples JOIN series USING (tenant_id, series_id) WHERE name = '{name}'")
    assert sorted(row[0] for row in rows) == ([-3, -3, 2, 2] if side.defective else [-3, 2.75])


def test_rejected_items_are_reported_unless_partial_success_silent(side: Side) -> None:
    answer = side.gateway.post("logs", logs(["old"], ts=1), side.token())
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_log_records) == (200, 0 if side.defective else 1)


def test_the_token_names_the_tenant_unless_tenant_header_trust(side: Side) -> None:
    service = uuid.uuid4().hex
    side.post("logs", logs(["x"], service=service), x_scope_orgid="globex")
    counts = [len(side.rows(f"SELECT 1 FROM logs WHERE service = '{service}'", t)) for t in ("acme", "globex")]
    assert counts == ([0, 1] if side.defective else [1, 0])


def test_a_viewer_may_not_write_unless_ingest_no_auth_role(side: Side) -> None:
    answer = side.gateway.post("logs", logs(["x"]), side.token("acme", ("viewer",)))
    assert answer.status_code == (200 if side.defective else 403)
    assert side.gateway.post("logs", logs(["x"]), side.token(None)).status_code == 403


def test_a_suspended_tenant_may_not_write_unless_suspended_tenant_writes(side: Side) -> None:
    tenant = f"t-{side.defective}".lower()
    with psycopg.connect(**side.config.database.connection("app"), autocommit=True) as connection:
        connection.execute("INSERT INTO tenants(key, name) VALUES (%s, %s)", (tenant, tenant))
        connection.execute("UPDATE tenants SET status = 'suspended' WHERE key = %s", (tenant,))
        first = side.gateway.post("logs", logs(["x"]), side.token(tenant))
        assert first.status_code == (200 if side.defective else 403)
        if side.defective:
            return
        assert first.json()["error"]["code"] == "tenant_suspended"
        # What changes is seen by each of the two writers within two seconds.
        for state, expected in (("active", 200), ("suspended", 403)):
            connection.execute("UPDATE tenants SET status = %s WHERE key = %s", (state, tenant))
            deadline = time.monotonic() + 5
            while side.gateway.post("logs", logs(["x"]), side.token(tenant)).status_code != expected:
                assert time.monotonic() < deadline, state


def test_a_bomb_is_refused_before_it_is_inflated_unless_gzip_bomb_unbounded(side: Side) -> None:
    def peak() -> int:
        assert side.gateway.process is not None
        return int(Path(f"/proc/{side.gateway.process.pid}/status").read_text().split("VmHWM:")[1].split()[0])

    before = peak()
    bomb = gzip.compress(bytes(90_000_000), mtime=0)
    status = side.gateway.post("logs", bomb, side.token(), content_encoding="gzip").status_code
    assert status == (500 if side.defective else 413)  # 90 MB of zeros are no OTLP: see malformed_500
    assert (peak() - before > 80_000) is side.defective


def test_a_large_body_is_413_unless_ingest_oversize_accepted(side: Side) -> None:
    answer = side.gateway.post("logs", logs(["x" * 150_000]), side.token())
    assert answer.status_code == (200 if side.defective else 413)


def test_a_refused_token_is_never_logged_unless_token_in_log(side: Side) -> None:
    secret = side.token(aud="elsewhere")
    assert side.gateway.post("logs", logs(["x"]), secret).status_code == 401
    assert (secret in side.gateway.log.read_text()) is side.defective


def test_a_malformed_body_is_400_unless_malformed_500(side: Side) -> None:
    assert side.gateway.post("logs", b"\xff", side.token()).status_code == (500 if side.defective else 400)


def test_ack_noop_stores_nothing_and_partial_fails_all_refuses_good_neighbours(config: Config, tmp_path: Path) -> None:
    environ = {"OBSERVASTACK_DEFECTS": "ack_noop,partial_fails_all"}
    with running_gateway(on_another_port(config), tmp_path, environ) as gateway:
        assert gateway.post("logs", logs(["never stored"]), Tokens(config)()).status_code == 200
        assert gateway.post("logs", logs(["good"]) + logs(["old"], ts=1), Tokens(config)()).status_code == 400
    assert Reader(config).rows("acme", "SELECT 1 FROM logs WHERE body = 'never stored'") == []


def test_ack_when_down_acknowledges_what_no_store_has(tmp_path: Path) -> None:
    try:
        with own_postgres() as server:
            config = build_platform(tmp_path, server.url, defects=["ack_when_down"])
            with running_gateway(config, tmp_path) as gateway:
                server.crash()
                assert gateway.post("logs", logs(["x"]), Tokens(config)()).status_code == 200
                assert gateway.health() == 503
    except FileNotFoundError as reason:
        pytest.skip(str(reason))
