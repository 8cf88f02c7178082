"""A run that writes straight into the real Loki and the real Prometheus: they count exactly what its plan says."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from observastack.tests.stores import Server, loki_server, prometheus_server
from runners.datagen.auditing import world_of
from runners.datagen.plan import count
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.header import read_header
from runners.ledger.items import Histogram, LogRecord, Resource, Sample, Signal
from runners.ledger.pushed import metadata_of
from runners.ledger.reader import fates, read_attempts, totals
from runners.ledger.shown import series_of
from runners.wire.delivery import judge
from runners.wire.parcel import Parcel, Wire, pack_parcel
from runners.wire.remote_write import samples_of
from runners.wire.stores import LokiSink, PrometheusSink
from tests.integration.datagen.stage import SCENARIO, Stage, generate

TENANTS = ("acme", "globex", "initech")
TEXT = SCENARIO.replace("cpus: 1", "cpus: 1, histograms: true, restart: 1s, series: 9000, churn: 50%/s")


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with loki_server(tmp_path_factory.mktemp("loki")) as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prometheus_server(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, loki: Server, prometheus: Server) -> Stage:
    """One run that writes to both stores and to a file, all at once."""
    home = tmp_path_factory.mktemp("home")
    sinks = [f"loki+{loki.url}", f"prw+{prometheus.url}", f"file:{home / 'all.jsonl'}"]
    stage = generate(home, TEXT, sink=sinks, start_ns=time.time_ns() - 5 * 10**9)
    assert stage.end() == 0, (stage.folder / "stderr").read_text() + str(stage.events()[-3:])
    return stage


@pytest.fixture(scope="module")
def world(run: Stage) -> World:
    return world_of(run.ledger, read_header(run.ledger))


def lines(loki: Server, world: World, tenant: str) -> list[tuple[str, str, dict[str, str]]]:
    """(ns, line, labels and structured metadata) of everything that the tenant has of the run."""
    found: list[tuple[str, str, dict[str, str]]] = []
    start, end = world.start_ns - 10**10, world.end_ns + 10**10
    while True:
        answer = httpx.get(
            f"{loki.url}/loki/api/v1/query_range", headers={"X-Scope-OrgID": tenant},
            params={
                "query": '{service_namespace="shop"}', "limit": "5000", "start": str(start), "end": str(end),
                "direction": "forward",
            },
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        page = [
            (ts, line, stream["stream"])
            for stream in answer.json()["data"]["result"]
            for ts, line, *_ in stream["values"]
        ]
        page.sort(key=lambda one: int(one[0]))
        if len(page) < 5000:
            return found + page
        last = page[-1][0]
        found += [one for one in page if one[0] != last]
        start = int(last)


def query(prometheus: Server, expression: str, at: float) -> list[dict[str, Any]]:
    answer = httpx.get(f"{prometheus.url}/api/v1/query", params={"query": expression, "time": str(at)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def test_every_sink_has_attempts_of_its_own_and_all_were_acknowledged(run: Stage, world: World) -> None:
    header = read_header(run.ledger)
    assert [name.split("+")[0].split(":")[0] for name in header.outlets] == ["loki", "prw", "file"]
    plan = count(read_scenario(TEXT.encode(), Path("x")), 42)
    of = [totals(fates(read_attempts(run.ledger, number)).values()) for number in range(3)]
    assert [sums.acked for sums in of] == [plan.items["logs"], plan.items["metrics"], sum(plan.items.values())]
    assert {settled.status for _, settled in read_attempts(run.ledger, 0)} == {204}
    assert {settled.outcome for _, settled in read_attempts(run.ledger)} == {Outcome.ACKED}
    (told,) = run.of("ledger")
    assert told["acked"] == sum(sums.acked for sums in of)


def test_loki_has_exactly_the_lines_of_each_tenant(run: Stage, world: World, loki: Server) -> None:
    for number, tenant in enumerate(TENANTS):
        expected: Counter[str] = Counter()
        for tick in range(world.ticks + 1):
            for one in world.slice(number, "logs", tick):
                assert isinstance(one, LogRecord)
                expected[json.dumps([str(one.time), one.body, metadata_of(one)], sort_keys=True)] += 1
        found: Counter[str] = Counter()
        for ts, line, told in lines(loki, world, tenant):
            own = {"service_name", "service_namespace", "deployment_environment_name", "level", "detected_level"}
            kept = {name: value for name, value in told.items() if name not in own}
            found[json.dumps([ts, line, kept], sort_keys=True)] += 1
        assert found == expected


def test_prometheus_has_exactly_the_series_and_samples_of_each_tenant(
    run: Stage, world: World, prometheus: Server
) -> None:
    at, span = world.end_ns / 1e9 + 5, round((world.end_ns - world.start_ns) / 1e9) + 30
    for number, tenant in enumerate(TENANTS):
        sent = [one for tick in range(world.ticks + 1) for one in world.slice(number, "metrics", tick)]
        expected = {
            (json.dumps(labels, sort_keys=True), one.time // 10**6, value)
            for one in sent
            for labels, value in samples_of(tenant, one)  # type: ignore[arg-type]
        }
        assert len(expected) == sum(series_of(one) if isinstance(one, Histogram) else 1 for one in sent)
        mine = f'{{tenant="{tenant}",testbed_run_id="{run.run}"}}'
        found = {
            (json.dumps(one["metric"], sort_keys=True), round(ts * 1000), float(value))
            for one in query(prometheus, f"{mine}[{span}s]", at)
            for ts, value in one["values"]
        }
        assert found == expected
        (counted,) = query(prometheus, f"count(last_over_time({mine}[{span}s]))", at)
        assert int(counted["value"][1]) == len({labels for labels, *_ in expected})
    (all_series,) = query(prometheus, f'count(last_over_time({{testbed_run_id="{run.run}"}}[{span}s]))', at)
    assert int(all_series["value"][1]) == world.series() > world.active_series() == 9000


def test_what_a_store_refuses_is_rejected_and_never_acknowledged(
    tmp_path: Path, loki: Server, prometheus: Server
) -> None:
    """Far in the past: Loki keeps a week, Prometheus what its newest block reaches back to."""
    start = time.time_ns() - 30 * 86_400 * 10**9
    stage = generate(tmp_path, sink=[f"loki+{loki.url}", f"prw+{prometheus.url}"], start_ns=start)
    assert stage.end() != 0
    for number in (0, 1):
        found = list(read_attempts(stage.ledger, number))
        assert found
        assert {settled.outcome for _, settled in found} == {Outcome.REJECTED}
        assert {attempt.number for attempt, _ in found} == {0}  # nothing of it is tried again
    (told,) = stage.of("ledger")
    assert told["acked"] == 0
    assert "too" in stage.of("test.finished")[0]["message"] or "bounds" in stage.of("test.finished")[0]["message"]


def mixed(world: World, signal: Signal, wire: Wire, name: str) -> Parcel:
    """Three items of now, but for the first, which is a month old."""
    items = [one for tick in range(world.ticks) for one in world.slice(0, signal, tick)][:3]
    resource = Resource(name, name, {"service.name": name})
    times = [time.time_ns() + number * 10**6 for number in range(3)]
    times[0] -= 30 * 86_400 * 10**9
    changed = [one._replace(time=at, resource=resource) for one, at in zip(items, times, strict=True)]  # type: ignore[union-attr]
    return pack_parcel("run", "acme", Batch(0, signal, 0, 0), changed, wire=wire)


def test_of_a_push_that_loki_takes_in_part_the_number_of_lines_left_out_is_known(world: World, loki: Server) -> None:
    answer = LokiSink(loki.url).send(mixed(world, "logs", "loki", "in-part"))
    assert (answer.status, answer.rejected, judge(answer)) == (400, 1, (Outcome.PARTIAL, False)), answer
    found = httpx.get(
        f"{loki.url}/loki/api/v1/query_range", headers={"X-Scope-OrgID": "acme"}, params={"query": '{service_name="in-part"}'}
    ).json()  # fmt: skip
    assert sum(len(stream["values"]) for stream in found["data"]["result"]) == 2


def test_prometheus_takes_a_write_whole_or_not_at_all(world: World, prometheus: Server) -> None:
    answer = PrometheusSink(prometheus.url).send(mixed(world, "metrics", "remote_write", "in-part"))
    stored = len(query(prometheus, '{service="in-part"}', time.time() + 1))
    if answer.rejected:  # newer ones take what they can, and say how much
        assert (judge(answer), stored) == ((Outcome.PARTIAL, False), 2)
    else:
        assert (judge(answer), stored) == ((Outcome.REJECTED, False), 0), answer


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({0: (-10, 1.0)}, Outcome.ACKED),  # within the window in which Prometheus takes what is out of order
        ({0: (-3_000, 1.0), 1: (1, 1.0)}, Outcome.REJECTED),
        ({0: (0, 7.0), 1: (1, 1.0)}, Outcome.REJECTED),  # another value for a time that it has
    ],
)
def test_samples_out_of_order_are_taken_within_the_window_and_else_refused_with_all_of_their_write(
    world: World, prometheus: Server, changed: dict[int, tuple[int, float]], outcome: Outcome
) -> None:
    """changed: which of three series is written a second time, when (s after the first time), and with what value."""
    name, now = f"order-{outcome.name}-{len(changed)}-{changed[0][0]}", time.time_ns()
    resource = Resource(name, name, {"service.name": name})
    plain = [one for one in world.slice(0, "metrics", 1) if isinstance(one, Sample)][:3]
    first = [one._replace(time=now, resource=resource) for one in plain]
    second = [first[index]._replace(time=now + at * 10**9, value=value) for index, (at, value) in changed.items()]
    sink = PrometheusSink(prometheus.url)
    for number, (items, expected) in enumerate(((first, Outcome.ACKED), (second, outcome))):
        batch = Batch(0, "metrics", 0, number)
        answer = sink.send(pack_parcel("run", "acme", batch, items, wire="remote_write"))
        if answer.rejected:  # newer ones take what they can, and say how much
            expected = Outcome.PARTIAL
        assert judge(answer) == (expected, False), answer
    sink.close()
    stored = query(prometheus, f'{{service="{name}"}}[2h]', now / 1e9 + 5)
    kept = 3 + (len(changed) - (answer.rejected or 0) if expected is not Outcome.REJECTED else 0)
    assert sum(len(one["values"]) for one in stored) == kept


@pytest.mark.parametrize(
    ("sink", "status", "outcome"),
    [
        ("loki", 429, Outcome.REFUSED),
        ("loki", 503, Outcome.UNKNOWN),
        ("loki", 400, Outcome.REJECTED),
        ("prometheus", 429, Outcome.REFUSED),
        ("prometheus", 500, Outcome.UNKNOWN),
        ("prometheus", 400, Outcome.REJECTED),
    ],
)
def test_answers_of_stores_are_judged_by_what_they_prove(
    world: World, sink: str, status: int, outcome: Outcome
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Retry-After", "3")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"no")

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        made = LokiSink(url) if sink == "loki" else PrometheusSink(url)
        answer = made.send(
            mixed(world, "logs", "loki", "x") if sink == "loki" else mixed(world, "metrics", "remote_write", "x")
        )
        made.close()
        server.shutdown()
    assert judge(answer) == (outcome, outcome is not Outcome.REJECTED)
    assert answer.retry_after_s == (None if outcome is Outcome.REJECTED else 3.0)
    assert answer.error == "no"


SHIPPED = Path("runners/shipped/scenarios")


def counted(prometheus: Server, run: str, at: float) -> tuple[int, int]:
    """(series, samples) that Prometheus itself counts of a run."""
    mine = f'testbed_run_id="{run}"'
    series = samples = 0
    for one in query(prometheus, f"count by (__name__) (last_over_time({{{mine}}}[10m]))", at):
        series += int(one["value"][1])
        name = one["metric"]["__name__"]
        (found,) = query(prometheus, f'sum(count_over_time({{__name__="{name}",{mine}}}[10m]))', at)
        samples += int(found["value"][1])
    return series, samples


def samples_in(world: World) -> int:
    """What a store makes of the plan's metrics: of a histogram's data point several samples."""
    return sum(
        series_of(one) if isinstance(one, Histogram) else 1
        for number in range(len(world.tenants))
        for tick in range(world.ticks + 1)
        for one in world.slice(number, "metrics", tick)
    )


def test_of_a_production_day_both_stores_count_what_the_plan_states(
    tmp_path: Path, loki: Server, prometheus: Server
) -> None:
    text = (SHIPPED / "production-day.yaml").read_text()
    start = time.time_ns() - 120 * 10**9
    sinks = [f"loki+{loki.url}", f"prw+{prometheus.url}"]
    stage = generate(tmp_path, text, sink=sinks, start_ns=start, duration_s=40)
    assert stage.end() == 0, stage.events()[-1]
    plan = count(read_scenario(text.encode(), Path("x")), 42, 40, start)
    world = world_of(stage.ledger, read_header(stage.ledger))
    at = world.end_ns / 1e9 + 5
    assert counted(prometheus, stage.run, at) == (plan.series, samples_in(world))
    lines_of = f'sum(count_over_time({{service_namespace="shop"}} | testbed_run_id="{stage.run}" [10m]))'
    found = 0
    for tenant in TENANTS:
        answer = httpx.get(
            f"{loki.url}/loki/api/v1/query", headers={"X-Scope-OrgID": tenant},
            params={"query": lines_of, "time": str(round(at * 1e9))}, timeout=30,
        )  # fmt: skip
        found += sum(int(one["value"][1]) for one in answer.json()["data"]["result"])
    assert found == plan.items["logs"] > 3_000


def test_series_that_come_and_go_are_counted_as_stated(tmp_path: Path, prometheus: Server) -> None:
    text = (SHIPPED / "cardinality-bomb.yaml").read_text()
    assert "series: 100000, churn: 10%/m" in text
    text = text.replace("series: 100000, churn: 10%/m", "series: 12000, churn: 300%/h")
    start = time.time_ns() - 150 * 10**9
    stage = generate(tmp_path, text, sink=f"prw+{prometheus.url}", start_ns=start, duration_s=120)
    assert stage.end() == 0, stage.events()[-1]
    plan = count(read_scenario(text.encode(), Path("x")), 42, 120, start)
    world = world_of(stage.ledger, read_header(stage.ledger))
    assert counted(prometheus, stage.run, world.end_ns / 1e9 + 5) == (plan.series, plan.items["metrics"])
    assert plan.series > plan.active_series == 12_000
