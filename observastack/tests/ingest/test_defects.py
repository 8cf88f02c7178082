"""Each defect switch of the write path does what its line in the registry says, and nothing when it is off."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from observastack.config import Config
from observastack.tests.gateway import Gateway, Reader, gauge, logs, point, running_gateway, spans
from observastack.tests.platform import Tokens, build_platform
from observastack.tests.postgres import own_postgres


def platform(folder: Path, postgres: str, *defects: str) -> Config:
    return build_platform(folder, postgres, defects=list(defects))


def dropped(gateway: Gateway, signal: str) -> list[dict[str, Any]]:
    return [line["key"] for line in gateway.lines("defect.dropped") if line["signal"] == signal]


def canonical(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


def test_drop_acked_1pct_logs_exactly_the_items_that_are_missing(tmp_path: Path, postgres: str) -> None:
    config = platform(tmp_path, postgres, "drop_acked_1pct")
    token, now = Tokens(config)(), time.time_ns()
    trace_id = uuid.uuid4().bytes
    bodies = [f"record {number} ☃" for number in range(3000)]
    trace, ids = spans(3000, ts=now)
    points = [point(float(number), ts=now + number, shard=number % 7, host="h") for number in range(3000)]
    with running_gateway(config, tmp_path) as gateway:
        for signal, body in (
            ("logs", logs(bodies, ts=now, trace_id=trace_id)),
            ("traces", trace),
            ("metrics", gauge("m", points)),
        ):
            answer = gateway.post(signal, body, token, idempotency_key=signal)
            assert (answer.status_code, answer.content) == (200, b"")
            again = gateway.post(signal, body, token, idempotency_key=signal)
            assert again.status_code == 200
        lines = gateway.lines("defect.dropped")
        missing = {signal: dropped(gateway, signal) for signal in ("logs", "traces", "metrics")}
    reader = Reader(config)

    stored_logs = {body for (body,) in reader.rows("acme", "SELECT body FROM logs")}
    expected: dict[str, list[dict[str, Any]]] = {
        "logs": [
            {"time_unix_nano": str(now + number), "trace_id": trace_id.hex(), "span_id": None, "body": body}
            for number, body in enumerate(bodies)
            if body not in stored_logs
        ]
    }
    stored_spans = {(row[0].bytes, row[1]) for row in reader.rows("acme", "SELECT trace_id, span_id FROM spans")}
    expected["traces"] = [
        {"trace_id": trace.hex(), "span_id": span.hex()}
        for trace, span in ids
        if (trace, int.from_bytes(span, "big", signed=True)) not in stored_spans
    ]
    stored_samples = {ts for (ts,) in reader.rows("acme", "SELECT ts FROM samples")}
    expected["metrics"] = [
        {"name": "m", "attributes": {"shard": number % 7, "host": "h"}, "time_unix_nano": str(now + number)}
        for number in range(3000)
        if now + number not in stored_samples
    ]
    for signal, keys in expected.items():
        assert sorted(map(canonical, missing[signal])) == sorted(map(canonical, keys))
        assert 10 <= len(keys) <= 60, "about 1 %"
    assert {line["tenant"] for line in lines} == {"acme"}


def test_drop_acked_1pct_still_reports_what_it_rejects(tmp_path: Path, postgres: str) -> None:
    config = platform(tmp_path, postgres, "drop_acked_1pct")
    with running_gateway(config, tmp_path) as gateway:
        answer = gateway.post("logs", logs(["x"] * 500, ts=1), Tokens(config)())
        assert ExportLogsServiceResponse.FromString(answer.content).partial_success.rejected_log_records == 500
        assert dropped(gateway, "logs") == []


def test_dup_on_retry_stores_a_retried_request_twice(tmp_path: Path, postgres: str) -> None:
    config = platform(tmp_path, postgres, "dup_on_retry")
    token, body = Tokens(config)(), logs(["twice"])
    with running_gateway(config, tmp_path) as gateway:
        for _ in range(2):
            assert gateway.post("logs", body, token, idempotency_key="k").status_code == 200
    assert Reader(config).count("acme", "logs") == 2


def test_health_lies_is_ready_without_a_database(tmp_path: Path) -> None:
    try:
        with own_postgres() as server:
            config = platform(tmp_path, server.url, "health_lies")
            with running_gateway(config, tmp_path) as gateway:
                server.crash()
                assert gateway.health() == 200
                assert gateway.post("logs", logs(["x"]), Tokens(config)()).status_code == 503
    except FileNotFoundError as reason:
        pytest.skip(str(reason))


def test_defects_of_the_environment_variable_count_too(tmp_path: Path, platform_config: Config) -> None:
    token, body = Tokens(platform_config)(), logs(["twice"])
    with running_gateway(platform_config, tmp_path, {"OBSERVASTACK_DEFECTS": "dup_on_retry"}) as gateway:
        for _ in range(2):
            assert gateway.post("logs", body, token, idempotency_key="k").status_code == 200
    assert Reader(platform_config).count("acme", "logs") == 2


def test_with_no_defects_nothing_is_dropped(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    assert gateway.post("logs", logs(["kept"] * 3000), tokens()).status_code == 200
    assert reader.count("acme", "logs") == 3000
    assert dropped(gateway, "logs") == []
