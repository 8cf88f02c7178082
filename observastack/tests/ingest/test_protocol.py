"""The outside of the gateway: tokens, formats, limits, errors, health, metrics, shutdown."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import hmac
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cramjam
import httpx
import jwt
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import Histogram, HistogramDataPoint, Metric, Summary, SummaryDataPoint

from observastack import config as configuration
from observastack.config import Config
from observastack.ingest.__main__ import main
from observastack.tests.gateway import Gateway, Reader, gauge, logs, metrics, pairs, point, running_gateway, spans
from observastack.tests.platform import Tokens, build_platform
from tests.servers import free_port


@pytest.fixture(scope="module")
def platform_config(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Config:
    limits = {"max_body_bytes": 100_000, "max_inflated_bytes": 1_000_000}
    return build_platform(tmp_path_factory.mktemp("platform"), postgres, ingest=limits)


@pytest.fixture(scope="module")
def gateway(platform_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the module: each test here writes bodies of its own."""
    with running_gateway(platform_config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def stored(reader: Reader, tenant: str, body: str) -> int:
    return len(reader.rows(tenant, f"SELECT 1 FROM logs WHERE body = '{body}'"))


# Tokens ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1}, {"exp": None}, {"aud": "another"}, {"aud": None}, {"iss": "http://evil"}, {"iss": None}, {"sub": None},
        {"nbf": 2**40},
    ],
)  # fmt: skip
def test_a_token_with_wrong_claims_is_401(gateway: Gateway, tokens: Tokens, claims: dict[str, Any]) -> None:
    answer = gateway.post("logs", logs(["x"]), tokens(**claims))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthorized"


def test_tokens_not_signed_by_the_issuer_are_401(gateway: Gateway, tokens: Tokens, platform_config: Config) -> None:
    good = tokens()
    payload = jwt.decode(good, options={"verify_signature": False})
    assert platform_config.auth.public_key_file is not None
    public = platform_config.auth.public_key_file.read_bytes()

    # HS256 with the public key as secret, the classic confusion of algorithms; PyJWT refuses to make one, so by hand.
    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(payload)
    confused = signed + b"." + base64.urlsafe_b64encode(hmac.new(public, signed, hashlib.sha256).digest()).rstrip(b"=")
    tampered = good[:-10] + ("A" if good[-10] != "A" else "B") + good[-9:]
    unsigned = (part({"alg": "none"}) + b"." + part(payload) + b".").decode()
    for token in (confused.decode(), tampered, unsigned, "x", "a.b.c"):
        assert gateway.post("logs", logs(["x"]), token).status_code == 401, token
    assert gateway.post("logs", logs(["x"]), None).status_code == 401
    assert gateway.post("logs", logs(["x"]), None, authorization=f"Basic {good}").status_code == 401


@pytest.mark.parametrize(
    ("tenant", "roles"),
    [
        (None, ("agent",)), (["acme"], ("agent",)), (["acme", "globex"], ("agent",)), ("acme|globex", ("agent",)),
        ("Acme", ("agent",)), ("", ("agent",)), ("unknown", ("agent",)), ("acme", ("viewer",)), ("acme", ("admin",)),
        ("acme", ()), (7, ("agent",)),
    ],
)  # fmt: skip
def test_a_token_that_may_not_write_for_one_tenant_is_403(
    gateway: Gateway, tokens: Tokens, tenant: Any, roles: tuple[str, ...]
) -> None:
    assert gateway.post("logs", logs(["x"]), tokens(tenant, roles)).status_code == 403


def test_an_expired_token_is_refused_even_when_it_was_accepted_before(gateway: Gateway, tokens: Tokens) -> None:
    token = tokens(exp=int(time.time()) + 2)
    assert gateway.post("logs", logs(["before"]), token).status_code == 200
    deadline = time.monotonic() + 10
    while gateway.post("logs", logs(["later"]), token).status_code != 401:
        assert time.monotonic() < deadline


def test_the_tenant_comes_from_the_token_alone(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    body = logs(["whose"], attributes={"tenant": "globex", "tenant_id": 2})
    answer = gateway.post("logs", body, tokens("acme", ("tenant_admin",)), x_scope_orgid="globex", x_tenant_id="globex")
    assert answer.status_code == 200
    assert (stored(reader, "acme", "whose"), stored(reader, "globex", "whose")) == (1, 0)


# Formats and limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\x0a\xff\xff", "application/x-protobuf"), (b"not protobuf", "application/x-protobuf"),
        (b'{"resourceLogs": [', "application/json"), (b"[]", "application/json"), (b"\xff", "application/json"),
        (b'{"resourceLogs": 5}', "application/json"), (b'{"resourceLogs": [{"scopeLogs": "x"}]}', "application/json"),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "xyz"}]}]}]}', "application/json"),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": NaN}]}]}]}', "application/json"),
    ],
)  # fmt: skip
def test_malformed_bodies_are_400(gateway: Gateway, tokens: Tokens, body: bytes, content_type: str) -> None:
    answer = gateway.post("logs", body, tokens(), content_type=content_type)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("signal", ["logs", "traces", "metrics"])
def test_random_bytes_never_break_a_writer(gateway: Gateway, tokens: Tokens, signal: str) -> None:
    source = random.Random(signal)
    valid = {"logs": logs(["x"] * 3), "traces": spans(3)[0], "metrics": gauge("m", [point(1, a=1), point(2.5, a="x")])}[
        signal
    ]
    with httpx.Client(
        headers={"authorization": f"Bearer {tokens()}", "content-type": "application/x-protobuf"}
    ) as client:
        for _ in range(300):
            body = bytearray(valid)
            for _ in range(source.randint(1, 4)):
                body[source.randrange(len(body))] = source.randrange(256)
            answer = client.post(f"{gateway.url}/v1/{signal}", content=bytes(body[: source.randint(1, len(body))]))
            assert answer.status_code in (200, 400), answer.text
    assert gateway.post(signal, valid, tokens()).status_code == 200
    assert gateway.lines("writer.error") == []


def test_an_empty_request_is_a_success(gateway: Gateway, tokens: Tokens) -> None:
    assert gateway.post("logs", b"", tokens()).status_code == 200
    assert gateway.post("metrics", b"{}", tokens(), content_type="application/json").status_code == 200


def test_other_formats_are_415_and_the_connection_stays_usable(gateway: Gateway, tokens: Tokens) -> None:
    with httpx.Client(headers={"authorization": f"Bearer {tokens()}"}) as client:
        url = f"{gateway.url}/v1/logs"
        for headers in (
            {"content-type": "text/plain"}, {"content-type": ""},
            {"content-type": "application/x-protobuf", "content-encoding": "br"},
        ):  # fmt: skip
            assert client.post(url, content=logs(["x"] * 500), headers=headers).status_code == 415
        assert (
            client.post(url, content=logs(["x"]), headers={"content-type": "application/x-protobuf"}).status_code == 200
        )


def test_large_bodies_are_413(gateway: Gateway, tokens: Tokens) -> None:
    declared = gateway.post("logs", b"\0" * 100_001, tokens())
    assert declared.status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b"\0" * 1000

    headers = {"authorization": f"Bearer {tokens()}", "content-type": "application/x-protobuf"}
    assert httpx.post(f"{gateway.url}/v1/logs", content=chunks(), headers=headers).status_code == 413


def test_a_gzip_bomb_is_413_and_costs_no_memory(gateway: Gateway, tokens: Tokens) -> None:
    assert gateway.process is not None
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    assert len(bomb) < 100_000

    def resident() -> int:
        text = Path(f"/proc/{gateway.process.pid}/status").read_text() if gateway.process else ""
        return int(text.split("VmHWM:")[1].split()[0])

    gateway.post("logs", gzip.compress(logs(["warm"]), mtime=0), tokens(), content_encoding="gzip")
    before = resident()
    assert gateway.post("logs", bomb, tokens(), content_encoding="gzip").status_code == 413
    zstd = bytes(cramjam.zstd.compress(bytes(50_000_000)))
    assert gateway.post("logs", zstd, tokens(), content_encoding="zstd").status_code == 413
    assert resident() - before < 16_000  # kB; the bombs are 50 MB


@pytest.mark.parametrize(
    "body", [b"", b"not gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9], gzip.compress(b"", mtime=0) + b"rest"]
)
def test_broken_gzip_is_400(gateway: Gateway, tokens: Tokens, body: bytes) -> None:
    assert gateway.post("logs", body, tokens(), content_encoding="gzip").status_code == 400


def test_unknown_paths_and_methods(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/v1/profiles").status_code == 404
    answer = httpx.get(f"{gateway.url}/v1/logs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_the_request_id_is_echoed_when_it_is_harmless(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/health/live", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    long = httpx.get(f"{gateway.url}/health/live", headers={"x-request-id": "x" * 200}).headers["x-request-id"]
    assert len(long) == 32


# Partial success ------------------------------------------------------------------------------------------------------


def test_summaries_and_histograms_that_contradict_themselves_are_rejected_and_counted(
    gateway: Gateway, tokens: Tokens, reader: Reader
) -> None:
    now = time.time_ns()
    content = [
        Metric(
            name="h",
            histogram=Histogram(
                data_points=[
                    HistogramDataPoint(time_unix_nano=now, count=3, bucket_counts=[1, 1], explicit_bounds=[1.0])
                ]
                * 3,
            ),
        ),
        Metric(name="s", summary=Summary(data_points=[SummaryDataPoint(time_unix_nano=now)] * 2)),
        Metric(name="kept", gauge={"data_points": [point(1.5)]}),  # type: ignore[arg-type]
    ]
    answer = gateway.post("metrics", metrics(content), tokens())
    assert answer.status_code == 200
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_data_points == 5
    assert partial.error_message == (
        "3 items: the count of a histogram is the sum of its buckets; 2 items: summaries are not supported"
    )
    assert reader.rows("acme", "SELECT name FROM series WHERE name IN ('h', 's', 'kept')") == [("kept",)]


def test_items_outside_the_time_window_are_rejected(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    now, hour = time.time_ns(), 3600 * 10**9
    for ts in (now - 36 * 24 * hour, now + 2 * hour, 1, 2**63, 2**64 - 1):
        answer = gateway.post("logs", logs(["outside"], ts=ts), tokens())
        assert answer.status_code == 200
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        assert (partial.rejected_log_records, partial.error_message) == (
            1, "1 item: timestamp outside the accepted time window",
        )  # fmt: skip
    assert gateway.post("logs", logs(["inside"], ts=now - 34 * 24 * hour), tokens()).content == b""
    assert (stored(reader, "acme", "outside"), stored(reader, "acme", "inside")) == (0, 1)


def test_bad_items_do_not_take_the_good_ones_with_them(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    body = {
        "resourceSpans": [{"scopeSpans": [{"spans": [
            {"traceId": "00" * 16, "spanId": "11" * 8, "name": "zero", "startTimeUnixNano": str(time.time_ns())},
            {"traceId": "ab" * 15, "spanId": "11" * 8, "name": "short", "startTimeUnixNano": str(time.time_ns())},
            {"traceId": "ab" * 16, "spanId": "11" * 8, "name": "no time"},
            {"traceId": "ab" * 16, "spanId": "11" * 8, "name": "good span", "startTimeUnixNano": str(time.time_ns())},
        ]}]}]
    }  # fmt: skip
    answer = httpx.post(
        f"{gateway.url}/v1/traces", json=body, headers={"authorization": f"Bearer {tokens()}"}, timeout=30
    )
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "3"
    assert reader.rows("acme", "SELECT name FROM spans WHERE name IN ('zero', 'short', 'no time', 'good span')") == [
        ("good span",)
    ]


def test_a_log_record_without_time_gets_the_time_of_receipt(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    before = time.time_ns()
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"timeless"}}]}]}]}'
    assert gateway.post("logs", body, tokens(), content_type="application/json").status_code == 200
    [(ts,)] = reader.rows("acme", "SELECT ts FROM logs WHERE body = 'timeless'")
    assert before <= ts <= time.time_ns()


def test_names_too_long_for_an_index_do_not_fail_the_request(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    assert gateway.post("logs", logs(["long service"], service="s" * 9000), tokens()).status_code == 200
    answer = gateway.post("metrics", gauge("n" * 9000, [point(1)]), tokens())
    assert ExportMetricsServiceResponse.FromString(answer.content).partial_success.rejected_data_points == 1
    assert stored(reader, "acme", "long service") == 1


# Operation ------------------------------------------------------------------------------------------------------------


def test_health_and_metrics(gateway: Gateway, tokens: Tokens) -> None:
    assert httpx.get(f"{gateway.url}/health/live").json() == {"status": "alive"}
    ready = httpx.get(f"{gateway.url}/health/ready")
    assert ready.status_code == 200
    assert ready.json()["dependencies"]["postgres"]["status"] == "up"

    def accepted() -> float:
        for line in httpx.get(f"{gateway.url}/metrics").text.splitlines():
            if line.startswith('observastack_ingest_items_total{outcome="accepted",signal="traces",tenant="initech"}'):
                return float(line.split()[-1])
        return 0

    before = accepted()
    assert gateway.post("traces", spans(17)[0], tokens("initech")).status_code == 200
    assert accepted() == before + 17


def test_an_orderly_stop_answers_what_is_under_way(
    platform_config: Config, tmp_path: Path, tokens: Tokens, reader: Reader
) -> None:
    port = on_another_port(platform_config)
    with running_gateway(port, tmp_path) as gateway:
        answers: list[int] = []

        def send() -> None:
            with contextlib.suppress(httpx.TransportError):  # not connected yet when the gateway stopped
                answers.append(gateway.post("logs", logs(["drained"] * 200), tokens()).status_code)

        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        while not answers:
            time.sleep(0.001)
        assert gateway.stop() == 0
        for sender in senders:
            sender.join()
        gateway.start()  # so that the fixture has something to kill
    assert stored(reader, "acme", "drained") == 200 * answers.count(200)
    assert answers.count(200) >= 1


def on_another_port(config: Config) -> Config:
    """The same platform with another ingest port, written to another file."""
    document = json.loads(config.file.read_text())
    document["ingest"]["port"] = free_port()
    file = config.file.with_name("second.json")
    file.write_text(json.dumps(document))
    return configuration.load(file, environ={})


def test_a_taken_port_is_told_with_exit_code_2(
    gateway: Gateway, platform_config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(platform_config.file)]) == 2
    assert f"cannot listen on 127.0.0.1:{gateway.config.ingest.port}" in capsys.readouterr().err


def test_a_half_sent_request_does_not_hold_up_others(gateway: Gateway, tokens: Tokens) -> None:
    with socket.create_connection(("127.0.0.1", gateway.config.ingest.port)) as stuck:
        stuck.sendall(
            f"POST /v1/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens()}\r\n"
            "Content-Type: application/x-protobuf\r\nContent-Length: 5000\r\n\r\nabc".encode()
        )
        assert gateway.post("logs", logs(["x"]), tokens()).status_code == 200


def test_attributes_of_every_shape_reach_the_store_as_json(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    shapes = {"bytes": b"\0\1\2", "nested": {"list": [[], {}, [None]]}, "": "empty key", "zeichen": "ä" * 5000}
    sample = point(1.0)
    sample.attributes.extend(pairs(shapes))
    assert gateway.post("metrics", gauge("shapes", [sample]), tokens()).status_code == 200
    assert gateway.post("logs", logs(["shapes"], attributes=shapes), tokens()).status_code == 200
    expected = [({**shapes, "bytes": "AAEC"},)]
    assert reader.rows("acme", "SELECT attrs FROM logs WHERE body = 'shapes'") == expected
    assert reader.rows("acme", "SELECT labels FROM series WHERE name = 'shapes'") == expected
