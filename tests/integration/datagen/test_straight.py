"""A run is read back from the real Loki, Prometheus and Tempo themselves: whatever one of them never got is named."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from observastack.ingest.sinks.grpc import Channel
from observastack.tests.stores import Server, loki_server, prometheus_server, tempo_server
from runners.audit.reader import Unreadable
from runners.audit.run import Audit
from runners.audit.stores.loki import LokiReader
from runners.audit.stores.prometheus import PrometheusReader
from runners.datagen.auditing import audit_ledger, sentence, world_of
from runners.datagen.reading import parse_stores
from runners.datagen.world import World
from runners.ledger.attempt import Batch
from runners.ledger.header import read_header
from runners.ledger.items import Histogram, Item, LogRecord, Signal, Span
from runners.lib.home import Home
from runners.wire.parcel import CARRIES, Wire, pack_parcel
from runners.wire.stores import LokiSink, PrometheusSink
from tests.integration.datagen.stage import SCENARIO, Stage, audit, generate
from tests.integration.datagen.test_cli import testbed

TENANTS = ("acme", "globex", "initech")
TEXT = SCENARIO.replace("cpus: 1", "cpus: 1, histograms: true, restart: 1s")
_KEEPERS: dict[str, Signal] = {"loki": "logs", "prw": "metrics", "tempo": "traces"}
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Signal, Server]]:
    with (
        loki_server(tmp_path_factory.mktemp("loki")) as loki,
        prometheus_server(tmp_path_factory.mktemp("prometheus")) as prometheus,
        tempo_server(tmp_path_factory.mktemp("tempo")) as tempo,
    ):
        yield {"logs": loki, "metrics": prometheus, "traces": tempo}


class Kept:
    """A run that was written to a file, and its items brought into the stores by the test, but for those in `missing`."""

    def __init__(self, home: Path, servers: dict[Signal, Server]) -> None:
        self.home = home
        stage = generate(home, TEXT, sink=f"file:{home / 'all.jsonl'}", start_ns=time.time_ns() - 5 * 10**9)
        assert stage.end() == 0, (stage.folder / "stderr").read_text()
        self.ledger = stage.ledger
        self.world = world_of(self.ledger, read_header(self.ledger))
        self.missing: dict[Signal, Item] = {}
        self.given = [
            f"{name}+{servers[signal].url}" for name, signal in _KEEPERS.items() if signal in servers
        ]  # fmt: skip
        for signal, server in servers.items():
            self._bring(signal, server)

    def _bring(self, signal: Signal, server: Server) -> None:
        wire: Wire = {"logs": "loki", "metrics": "remote_write", "traces": "otlp"}[signal]  # type: ignore[assignment]
        assert signal in CARRIES[wire]
        channel = Channel(server.otlp, 10) if signal == "traces" else None
        sink = LokiSink(server.url) if signal == "logs" else PrometheusSink(server.url)
        for tick in range(self.world.ticks + 1):
            for batch in self.world.batches(tick):
                if batch.signal != signal:
                    continue
                own = self._items(batch)
                if tick == 3 and batch.tenant == 1 and signal not in self.missing:
                    kinds = {"logs": LogRecord, "traces": Span, "metrics": Histogram}
                    self.missing[signal] = next(one for one in own if isinstance(one, kinds[signal]))
                    own.remove(self.missing[signal])
                parcel = pack_parcel("run", TENANTS[batch.tenant], batch, own, wire=wire)
                if channel is not None:
                    assert channel.unary(_EXPORT, bytes(parcel.body), {"x-scope-orgid": parcel.tenant})[0] == 0
                else:
                    assert sink.send(parcel).status == 204
        sink.close()

    def _items(self, batch: Batch) -> list[Item]:
        items = self.world.slice(batch.tenant, batch.signal, batch.tick)
        return [one for index, one in enumerate(items) if self.world.part_of(index, len(items)) == batch.part]

    def audited(self, *given: str, shared: bool = False) -> Audit:
        return audit_ledger(
            self.ledger, Home(self.home), environment=None, wait_s=5, stores=parse_stores(given), shared=shared
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, stores: dict[Signal, Server]) -> Kept:
    return Kept(tmp_path_factory.mktemp("home"), stores)


@pytest.fixture(scope="module")
def found(kept: Kept) -> Audit:
    return kept.audited(*kept.given)


def test_of_each_store_exactly_the_item_that_it_never_got_is_lost(kept: Kept, found: Audit) -> None:
    assert found.verdict == "failed", found.reason
    assert {(one.wrong, one.signal, one.tenant) for one in found.findings} == {
        ("lost", signal, "globex") for signal in kept.missing
    }
    assert {one.signal: one.key for one in found.findings} == {
        signal: item.key() for signal, item in kept.missing.items()
    }
    for signal in kept.missing:
        counts = found.of(signal)
        assert counts.found == counts.acked - 1 == len(list(items_of(kept.world, signal))) - 1


def items_of(world: World, signal: Signal) -> Iterator[Item]:
    for tenant in range(len(TENANTS)):
        for tick in range(world.ticks + 1):
            yield from world.slice(tenant, signal, tick)


def test_what_a_store_cannot_show_is_said_and_not_counted(found: Audit) -> None:
    told = found.to_json()["signals"]
    assert {name for name, number in told["logs"].items() if number is None} == {"duplicated", "duplicated_by_retry"}
    assert {name for name, number in told["metrics"].items() if number is None} == {
        "duplicated", "duplicated_by_retry", "leaked",
    }  # fmt: skip
    assert {name for name, number in told["traces"].items() if number is None} == {
        "duplicated", "duplicated_by_retry", "forged",
    }  # fmt: skip
    assert all(told[signal]["not_observable"] == told[signal]["acked"] for signal in told)


def test_signals_of_which_no_store_is_named_are_not_judged(kept: Kept) -> None:
    found = kept.audited(kept.given[0])
    assert set(found.unread) == {"traces", "metrics"}
    told = found.to_json()
    assert told["signals"]["traces"]["lost"] is None and told["signals"]["logs"]["lost"] == 1
    assert "not read back" in sentence(found, "traces")


def test_a_record_in_the_wrong_tenants_hands_is_a_leak(kept: Kept, stores: dict[Signal, Server]) -> None:
    batch = next(batch for batch in kept.world.batches(2) if batch.signal == "logs" and batch.tenant == 0)
    one = kept._items(batch)[:1]
    sink = LokiSink(stores["logs"].url)
    sink.send(pack_parcel("run", "initech", batch, one, wire="loki"))
    span = kept._items(Batch(0, "traces", 2, 0))[:1]
    parcel = pack_parcel("run", "initech", Batch(0, "traces", 2, 0), span)
    assert Channel(stores["traces"].otlp, 10).unary(_EXPORT, bytes(parcel.body), {"x-scope-orgid": "initech"})[0] == 0
    leaks = [f for f in kept.audited(kept.given[0], kept.given[2]).findings if f.wrong == "leaked"]
    assert {(f.signal, f.tenant, f.reader) for f in leaks} == {
        ("logs", "acme", "initech"),
        ("traces", "acme", "initech"),
    }


def test_small_pages_give_the_same(kept: Kept, stores: dict[Signal, Server]) -> None:
    world = kept.world
    ends = world.start_ns - 10**9, world.end_ns + 10**9
    loki = LokiReader(stores["logs"].url, world.identity.run, page=40)
    expected = sum(1 for tick in range(world.ticks + 1) for _ in world.slice(1, "logs", tick)) - 1
    assert (
        len({row["content"]["attributes"]["testbed_item_id"] for row in loki.read("globex", "logs", *ends)}) == expected
    )
    small = PrometheusReader(stores["metrics"].url, world.identity.run, most=500)
    whole = PrometheusReader(stores["metrics"].url, world.identity.run)
    rows = [sorted(map(repr, reader.read("globex", "metrics", *ends))) for reader in (small, whole)]
    assert rows[0] == rows[1] and len(rows[0]) > 1000


def test_more_lines_at_one_nanosecond_than_a_page_holds_are_all_read(kept: Kept, stores: dict[Signal, Server]) -> None:
    at, run = time.time_ns(), "same-moment"
    records = [one for one in items_of(kept.world, "logs") if isinstance(one, LogRecord)][:300]
    resource = records[0].resource._replace(
        attributes={**records[0].resource.attributes, "testbed.run.id": run}, instance_id="x"
    )
    moved = [one._replace(time=at, resource=resource, severity_text="INFO") for one in records]
    assert (
        LokiSink(stores["logs"].url).send(pack_parcel(run, "acme", Batch(0, "logs", 0, 0), moved, wire="loki")).status
        == 204
    )
    rows = list(LokiReader(stores["logs"].url, run, page=16).read("acme", "logs", at - 10**9, at + 10**9))
    assert sorted(row["content"]["attributes"]["testbed_item_id"] for row in rows) == sorted(
        one.attributes["testbed.item.id"] for one in records
    )


def test_a_run_that_wrote_to_stores_is_read_back_from_them(tmp_path: Path, stores: dict[Signal, Server]) -> None:
    sinks = [f"loki+{stores['logs'].url}", f"prw+{stores['metrics'].url}"]
    stage = generate(tmp_path, TEXT, sink=sinks, start_ns=time.time_ns() - 5 * 10**9)
    assert stage.end() == 0
    check: Stage = audit(tmp_path, stage, wait="5s")
    assert check.end() == 0, (check.folder / "stderr").read_text()
    outcomes = {event["id"]: event["outcome"] for event in check.of("test.finished")}
    assert outcomes == {"audit.logs": "passed", "audit.metrics": "passed", "audit.traces": "skipped"}
    (told,) = check.of("ledger")
    signals = told["document"]["signals"]
    assert [signals[name]["found"] for name in ("logs", "metrics")] == [
        signals[name]["sent"] for name in ("logs", "metrics")
    ]
    assert signals["traces"]["sent"] == 0 and told["document"]["not_read"].keys() == {"traces"}


def test_old_lines_that_loki_has_not_flushed_are_not_called_lost(tmp_path: Path) -> None:
    with loki_server(tmp_path / "loki") as loki:  # one whose streams have nothing newer
        stage = generate(tmp_path, TEXT, sink=f"loki+{loki.url}", start_ns=time.time_ns() - 86_400 * 10**9)
        assert stage.end() == 0
        found = audit_ledger(stage.ledger, Home(tmp_path), environment=None, wait_s=0.2)
        assert found.verdict == "invalid" and "--flush" in found.reason
        found = audit_ledger(stage.ledger, Home(tmp_path), environment=None, wait_s=20, flush=True)
        assert found.verdict == "passed", found.reason
        assert found.of("logs").found == found.of("logs").sent > 1000


def test_of_a_loki_with_one_tenant_for_all_leaks_are_not_observable(tmp_path: Path) -> None:
    with loki_server(tmp_path / "loki", tenants=False) as loki:
        stage = generate(tmp_path, TEXT, sink=f"loki+{loki.url}", start_ns=time.time_ns() - 5 * 10**9)
        assert stage.end() == 0
        found = audit_ledger(stage.ledger, Home(tmp_path), environment=None, wait_s=5, shared=True)
        assert found.verdict == "passed", found.reason
        assert "duplicates and leaks cannot be seen" in sentence(found, "logs")
        told = found.to_json()["signals"]["logs"]
        assert (told["found"], told["leaked"], told["lost"]) == (told["sent"], None, 0)
        open_to_all = audit_ledger(stage.ledger, Home(tmp_path), environment=None, wait_s=5)
        assert open_to_all.of("logs").wrong["leaked"] == 2 * told["sent"]


def test_of_a_tempo_with_one_tenant_for_all_every_span_is_seen_but_no_leak(tmp_path: Path) -> None:
    with tempo_server(tmp_path / "tempo", tenants=False) as tempo:
        kept = Kept(tmp_path, {"traces": tempo})
        done = testbed(tmp_path, "data", "audit", "last", "--from", *kept.given, "--single-tenant", "--json")
        assert done.returncode == 1, done.stderr
        told = json.loads(done.stdout)["signals"]["traces"]
        assert (told["found"], told["lost"], told["leaked"]) == (told["acked"] - 1, 1, None)
        (lost,) = kept.audited(*kept.given, shared=True).findings
        assert (lost.wrong, lost.key) == ("lost", kept.missing["traces"].key())
        open_to_all = kept.audited(*kept.given)
        assert open_to_all.of("traces").wrong["leaked"] == 2 * told["found"]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


NONSENSE: list[tuple[int, Any]] = [
    (200, "garbage"),
    (200, {"status": "success"}),
    (200, {"status": "success", "data": {"resultType": "scalar", "result": [1, 2]}}),
    (500, "broken"),
    (404, "not found"),
]


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (kind, *one) for kind in ("loki", "prometheus", "tempo") for one in NONSENSE if (kind, one[0]) != ("tempo", 404)
    ],  # 404 is how a Tempo says that it has no such trace
)
def test_a_store_that_answers_garbage_proves_nothing(kept: Kept, kind: str, status: int, body: Any) -> None:
    text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    with answering(status, text) as url:
        found = kept.audited(f"{kind}+{url}")
    assert found.verdict == "invalid"
    assert url in found.reason and "→" in found.reason
    assert all(
        number is None for name, number in found.to_json()["signals"]["logs"].items() if name in ("found", "lost")
    )


def test_an_answer_that_says_it_is_not_whole_proves_nothing() -> None:
    body = {"status": "success", "warnings": ["a store is away"], "data": {"resultType": "matrix", "result": []}}
    with answering(200, json.dumps(body).encode()) as url, pytest.raises(Unreadable, match="not whole"):
        list(PrometheusReader(url, "run").read("acme", "metrics", 0, 10**9))
