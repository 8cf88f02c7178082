"""The gateway before real Loki, Prometheus and Tempo: what is acknowledged lies there, in the token's tenant, and nowhere else."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from observastack.config import Config
from observastack.ingest.foreign import snappy
from observastack.ingest.foreign.messages import PushRequest, WriteRequest
from observastack.store import log_record
from observastack.store.rows import STALE
from observastack.tests.gateway import Gateway, gauge, logs, point, running_gateway, spans, wait_for
from observastack.tests.platform import Tokens, build_platform
from observastack.tests.stores import Server, loki_server, prometheus_server, tempo_server

SECOND = 10**9


@dataclass(frozen=True)
class Site:
    """A gateway and the three stores behind it."""

    gateway: Gateway
    config: Config
    loki: Server
    prometheus: Server
    tempo: Server

    def token(self, tenant: str = "acme") -> str:
        return Tokens(self.config)(tenant)

    def lines(self, selector: str, tenant: str = "acme") -> list[tuple[dict[str, str], int, str]]:
        """(labels and metadata, ns, line) of the last day and the next hour, oldest first."""
        now = time.time_ns()
        query: dict[str, str | int] = {
            "query": selector,
            "start": str(now - 86_400 * SECOND),
            "end": str(now + 3600 * SECOND),
            "limit": 5000,
        }
        answer = httpx.get(
            f"{self.loki.url}/loki/api/v1/query_range", params=query, headers={"x-scope-orgid": tenant}, timeout=20
        )
        found = [
            (stream["stream"], int(ts), line)
            for stream in answer.raise_for_status().json()["data"]["result"]
            for ts, line in stream["values"]
        ]
        return sorted(found, key=lambda each: each[1])

    def series(self, query: str) -> dict[tuple[tuple[str, str], ...], list[tuple[float, str]]]:
        answer = httpx.get(f"{self.prometheus.url}/api/v1/query", params={"query": query}, timeout=20)
        return {
            tuple(sorted(series["metric"].items())): [(ts, value) for ts, value in series["values"]]
            for series in answer.raise_for_status().json()["data"]["result"]
        }

    def trace(self, trace_id: bytes, tenant: str = "acme") -> list[dict[str, Any]]:
        """The spans of a trace; none when the tenant has no such trace."""
        headers = {"x-scope-orgid": tenant}
        answer = httpx.get(f"{self.tempo.url}/api/traces/{trace_id.hex()}", headers=headers, timeout=20)
        if answer.status_code == 404:
            return []
        return [
            span
            for group in answer.raise_for_status().json()["batches"]
            for scope in group["instrumentationLibrarySpans"]
            for span in scope["spans"]
        ]

    def live_traces(self, tenant: str) -> float:
        """Traces that Tempo holds in memory alone; it looks once a second, infinity before it has looked at all."""
        for line in httpx.get(f"{self.tempo.url}/metrics", timeout=20).text.splitlines():
            if line.startswith("tempo_ingester_live_traces{") and f'"{tenant}"' in line:
                return float(line.split()[-1])
        return math.inf

    def logged(self, tenant: str) -> list[int]:
        """Sizes of the tenant's files in Tempo's write-ahead log."""
        return [file.stat().st_size for file in (self.tempo.folder / "wal").glob(f"*{tenant}*") if file.is_file()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("stores")
    with (
        loki_server(folder / "loki", rate_mb=8) as loki,
        prometheus_server(folder / "prometheus") as prometheus,
        tempo_server(folder / "tempo") as tempo,
    ):
        stores = {
            "logs": "loki", "metrics": "prometheus", "traces": "tempo", "loki_url": loki.url,
            "prometheus_url": prometheus.url, "tempo_url": tempo.url, "tempo_otlp": tempo.otlp, "timeout_s": 2.0,
        }  # fmt: skip
        config = build_platform(folder / "platform", postgres, stores=stores)
        with running_gateway(config, folder) as gateway:
            yield Site(gateway, config, loki, prometheus, tempo)


# OTLP -----------------------------------------------------------------------------------------------------------------


def test_a_log_record_comes_back_from_loki_exactly(site: Site) -> None:
    now = time.time_ns()
    attributes = {"n": 1.0, "list": [1, {"x": None}], "häßlich key": "☃", "tenant": "globex"}
    body = logs(["first", ""], ts=now, service="exact", trace_id=b"\x01" * 16, attributes=attributes)
    assert site.gateway.post("logs", body, site.token(), x_scope_orgid="globex").content == b""
    found = site.lines('{service_name="exact"}')
    assert [(ts, line) for _, ts, line in found] == [(now, "first"), (now + 1, "")]
    for metadata, _, line in found:
        assert metadata["trace_id"] == "01" * 16
        service, trace_id, content = log_record.decode(line, metadata[log_record.FIELD])
        assert (service, trace_id) == ("exact", "01" * 16)
        assert content == {
            "body": line, "severity_number": 9, "severity_text": "INFO", "attributes": attributes,
            "resource": {"service.name": "exact"}, "span_id": None,
        }  # fmt: skip
    assert site.lines('{service_name="exact"}', "globex") == []


def test_a_retry_does_not_double_lines_or_samples(site: Site) -> None:
    now = time.time_ns()
    for signal, body in (("logs", logs(["once"], ts=now, service="retry")), ("metrics", gauge("retry", [point(1.5)]))):
        for _ in range(3):
            assert site.gateway.post(signal, body, site.token()).content == b""
    assert len(site.lines('{service_name="retry"}')) == 1
    assert [len(values) for values in site.series("retry[5m]").values()] == [1]


def test_what_loki_refuses_is_counted_and_the_rest_is_stored(site: Site) -> None:
    now = time.time_ns()
    assert site.gateway.post("logs", logs(["newest"], ts=now, service="partial"), site.token()).content == b""
    request = ExportLogsServiceRequest()
    for count, age_s in ((3, 0), (50, 2 * 3600), (20, 8 * 86_400), (7, -1800)):
        part = logs([f"{age_s}"] * 1, ts=now - age_s * SECOND, service="partial")
        for number in range(count):
            part = logs([f"{age_s} {number}"], ts=now - age_s * SECOND + number, service="partial")
            request.MergeFromString(part)
    answer = site.gateway.post("logs", request.SerializeToString(), site.token())
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_log_records) == (200, 77)
    for reason in ("50 items: refused by the log store: too far behind", "timestamp too old", "timestamp too new"):
        assert reason in partial.error_message
    assert {line for _, _, line in site.lines('{service_name="partial"}')} == {"newest", "0 0", "0 1", "0 2"}


def test_lines_that_loki_cannot_hold_are_rejected_one_by_one(site: Site) -> None:
    body = logs(["x" * 300_000, "short"], service="long")
    answer = site.gateway.post("logs", body, site.token())
    assert ExportLogsServiceResponse.FromString(answer.content).partial_success.rejected_log_records == 1
    assert [line for _, _, line in site.lines('{service_name="long"}')] == ["short"]


def test_a_tenant_above_loki_s_rate_gets_429(site: Site) -> None:
    body = logs(["y" * 200_000 + str(number) for number in range(70)], service="flood")
    answers = [site.gateway.post("logs", body, site.token("initech")) for _ in range(4)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} == {429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert site.gateway.post("logs", logs(["z"], service="quiet"), site.token()).status_code == 200


def test_samples_carry_the_labels_of_the_platform_and_the_token_s_tenant(site: Site) -> None:
    now = time.time_ns()
    points = [point(7, ts=now, tenant="globex", shard=3), point(2.5, ts=now - SECOND, tenant="globex", shard=3)]
    assert site.gateway.post("metrics", gauge("labelled", points), site.token()).content == b""
    expected = {
        "__name__": "labelled", "service": "checkout", "service_name": "checkout", "shard": "3", "tenant": "acme",
    }  # fmt: skip
    ms = now // 10**6
    assert site.series("labelled[5m]") == {
        tuple(sorted(expected.items())): [((ms - 1000) / 1000, "2.5"), (ms / 1000, "7")]
    }


def test_what_prometheus_refuses_is_counted_and_the_rest_is_stored(site: Site) -> None:
    now = time.time_ns()
    assert site.gateway.post("metrics", gauge("refusals", [point(1.0, ts=now)]), site.token()).content == b""
    old = [point(float(number), ts=now - 7200 * SECOND + number * 10**6, n=number % 3) for number in range(100)]
    same = [point(5.0, ts=now)]  # another value at a time that is stored already
    good = [point(float(number), ts=now - 60 * SECOND + number * 10**6, n=number % 3) for number in range(100)]
    twice = [point(1.0, ts=now - 5 * SECOND, n=9), point(2.0, ts=now - 5 * SECOND + 10, n=9)]  # one millisecond
    answer = site.gateway.post("metrics", gauge("refusals", old + same + good + twice), site.token())
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_data_points == 102, partial.error_message
    assert "too old" in partial.error_message
    assert "same millisecond" in partial.error_message
    assert sum(len(values) for values in site.series("refusals[1h]").values()) == 102


def test_spans_reach_tempo_as_they_were_sent(site: Site) -> None:
    body, ids = spans(3)
    assert site.gateway.post("traces", body, site.token(), x_scope_orgid="globex").content == b""
    for trace_id, _ in ids:
        wait_for(lambda trace_id=trace_id: len(site.trace(trace_id)) == 1, "the trace is there")  # type: ignore[misc]
        assert site.trace(trace_id, "globex") == []


def test_a_large_request_is_cut_into_messages_that_tempo_takes(site: Site) -> None:
    body, ids = spans(9_000)
    answer = site.gateway.post("traces", body, site.token("globex"))
    assert (answer.status_code, answer.content) == (200, b"")
    for trace_id, _ in (ids[0], ids[4_500], ids[-1]):
        wait_for(lambda trace_id=trace_id: len(site.trace(trace_id, "globex")) == 1, "there")  # type: ignore[misc]


def test_spans_that_are_rejected_are_not_sent(site: Site) -> None:
    body, ids = spans(2)
    old, old_ids = spans(1, ts=1)
    answer = site.gateway.post("traces", body + old, site.token())
    assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 1
    wait_for(lambda: len(site.trace(ids[1][0])) == 1, "there")
    assert site.trace(old_ids[0][0]) == []


# Other systems' ways to write -----------------------------------------------------------------------------------------


def push_request(labels: str, *entries: tuple[int, str]) -> bytes:
    request = PushRequest()
    stream = request.streams.add(labels=labels)
    for ts, line in entries:
        entry = stream.entries.add(line=line)
        entry.timestamp.seconds, entry.timestamp.nanos = divmod(ts, SECOND)
    return snappy.deflate(request.SerializeToString())


def write_request(labels: dict[str, str], *samples: tuple[int, float]) -> bytes:
    request = WriteRequest()
    series = request.timeseries.add()
    for name, value in labels.items():
        series.labels.add(name=name, value=value)
    for ms, number in samples:
        series.samples.add(timestamp=ms, value=number)
    return snappy.deflate(request.SerializeToString())


def test_loki_push_keeps_its_labels_and_gets_the_token_s_tenant(site: Site) -> None:
    now = time.time_ns()
    headers = {"authorization": f"Bearer {site.token()}", "x-scope-orgid": "globex"}
    url = f"{site.gateway.url}/loki/api/v1/push"
    body = push_request('{job="pushed", env="a\\"b"}', (now, "by protobuf"))
    sent = httpx.post(url, content=body, headers={**headers, "content-type": "application/x-protobuf"})
    assert (sent.status_code, sent.content) == (204, b"")
    stream = {"stream": {"job": "pushed", "level": "warn"}, "values": [[str(now + 1), "by JSON", {"user": "u1"}]]}
    assert httpx.post(url, json={"streams": [stream]}, headers=headers).status_code == 204
    found = site.lines('{job="pushed"}')
    assert [(ts, line) for _, ts, line in found] == [(now, "by protobuf"), (now + 1, "by JSON")]
    assert (found[0][0]["env"], found[0][0]["service_name"]) == ('a"b', "pushed")
    _, _, content = log_record.decode(found[1][2], found[1][0][log_record.FIELD])
    assert (content["severity_number"], content["attributes"]) == (13, {"user": "u1"})
    assert site.lines('{job="pushed"}', "globex") == []


def test_remote_write_keeps_its_labels_and_gets_the_token_s_tenant(site: Site) -> None:
    ms = time.time_ns() // 10**6
    labels = {"__name__": "up_time", "instance": "i", "job": "node", "tenant": "globex"}
    headers = {
        "authorization": f"Bearer {site.token()}", "content-type": "application/x-protobuf",
        "content-encoding": "snappy", "x-scope-orgid": "globex", "x-prometheus-remote-write-version": "0.1.0",
    }  # fmt: skip
    url = f"{site.gateway.url}/api/v1/write"
    answer = httpx.post(url, content=write_request(labels, (ms - 1000, 1.0), (ms, 2.0)), headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert site.series("up_time[5m]") == {
        tuple(sorted({**labels, "tenant": "acme"}.items())): [((ms - 1000) / 1000, "1"), (ms / 1000, "2")]
    }
    # What Prometheus refuses is a 400, which its clients do not send again.
    late = httpx.post(url, content=write_request(labels, (ms, 3.0)), headers=headers)
    assert (late.status_code, late.json()["error"]["code"]) == (400, "partly_rejected")


@pytest.mark.parametrize("wire", ["otlp", "remote write"])
def test_a_series_that_is_said_to_have_ended_is_gone_from_prometheus_at_once(site: Site, wire: str) -> None:
    ms, name = time.time_ns() // 10**6 - 5000, f"ending_{wire[:4]}"

    def shown(at_ms: int) -> list[str]:
        query: dict[str, str | float] = {"query": name, "time": at_ms / 1000}
        answer = httpx.get(f"{site.prometheus.url}/api/v1/query", params=query, timeout=20)
        return [one["value"][1] for one in answer.raise_for_status().json()["data"]["result"]]

    if wire == "otlp":
        end = NumberDataPoint(time_unix_nano=(ms + 1000) * 10**6, flags=1)
        for sent in (point(1.5, ts=ms * 10**6), end):
            assert site.gateway.post("metrics", gauge(name, [sent]), site.token()).content == b""
    else:
        headers = {
            "authorization": f"Bearer {site.token()}", "content-type": "application/x-protobuf",
            "content-encoding": "snappy",
        }  # fmt: skip
        body = write_request({"__name__": name, "job": "node"}, (ms, 1.5), (ms + 1000, STALE))
        assert httpx.post(f"{site.gateway.url}/api/v1/write", content=body, headers=headers).status_code == 204
    assert (shown(ms + 999), shown(ms + 1000)) == (["1.5"], [])
    assert list(site.series(f"{name}[5m]").values()) == [[(ms / 1000, "1.5")]]


# Faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", ["logs", "metrics", "traces"])
def test_a_store_that_hangs_or_is_gone_is_503_within_its_time_and_holds_up_nobody_else(site: Site, signal: str) -> None:
    servers = {"logs": site.loki, "metrics": site.prometheus, "traces": site.tempo}

    def body(which: str) -> bytes:
        return {"logs": logs(["x"]), "metrics": gauge("m", [point(1.0)]), "traces": spans(1)[0]}[which]

    server = servers[signal]
    server.pause()
    try:
        started = time.monotonic()
        assert site.gateway.health() == 503
        assert time.monotonic() - started < 2
        answer = site.gateway.post(signal, body(signal), site.token())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - started < 6
        for other in servers:
            if other != signal:
                assert site.gateway.post(other, body(other), site.token()).status_code == 200
    finally:
        server.resume()
    site.gateway.ready()
    wait_for(lambda: site.gateway.post(signal, body(signal), site.token()).status_code == 200, "written again")


def test_who_queues_for_a_store_that_hangs_waits_for_one_time_out_and_not_for_each(site: Site) -> None:
    token, statuses = site.token(), list[int]()
    senders = [
        threading.Thread(target=lambda: statuses.append(site.gateway.post("logs", logs(["x"]), token).status_code))
        for _ in range(12)  # two writers: one after the other would be six times two seconds
    ]
    site.loki.pause()
    try:
        started = time.monotonic()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert time.monotonic() - started < 7
    finally:
        site.loki.resume()
    assert statuses == [503] * 12
    site.gateway.ready()


def test_acknowledged_lines_and_samples_survive_kill_9_of_their_store(site: Site) -> None:
    now = time.time_ns()
    bodies = [f"kept {number}" for number in range(500)]
    assert site.gateway.post("logs", logs(bodies, ts=now, service="killed"), site.token()).content == b""
    site.loki.kill()
    points = [point(float(number), n=number) for number in range(500)]
    assert site.gateway.post("metrics", gauge("killed", points), site.token()).content == b""
    site.prometheus.kill()
    assert site.gateway.health() == 503
    for signal, body in (("logs", logs(["x"])), ("metrics", gauge("m", [point(1.0)]))):
        assert site.gateway.post(signal, body, site.token()).status_code == 503
    site.loki.start().wait()
    site.prometheus.start().wait()
    site.gateway.ready()
    assert sorted(line for _, _, line in site.lines('{service_name="killed"}')) == sorted(bodies)
    assert sum(len(values) for values in site.series("killed[5m]").values()) == 500
    assert site.gateway.post("logs", logs(["again"], service="killed"), site.token()).content == b""


def test_kill_9_of_tempo_costs_the_newest_spans_and_they_are_counted(site: Site) -> None:
    """Tempo 1.5 acknowledges what only its memory has; docs/platform.md says so."""
    old, old_ids = spans(40)
    assert site.gateway.post("traces", old, site.token("initech")).content == b""
    # A trace that is idle for a second leaves Tempo's memory for its write-ahead log.
    wait_for(lambda: site.live_traces("initech") == 0 and any(site.logged("initech")), "in the log", 30)
    new, new_ids = spans(40)
    assert site.gateway.post("traces", new, site.token("initech")).content == b""
    site.tempo.kill()
    site.tempo.start().wait()
    lost_old = sum(not site.trace(trace_id, "initech") for trace_id, _ in old_ids)
    lost_new = sum(not site.trace(trace_id, "initech") for trace_id, _ in new_ids)
    print(f"lost of 40 traces each: {lost_old} that were in the log, {lost_new} acknowledged just before the kill")
    assert lost_old == 0
    assert lost_new == 40, "Tempo keeps more than it did: correct docs/platform.md"
