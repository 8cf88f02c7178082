"""Series that end in the real Prometheus: with markers they are gone at once, without them they stay for five minutes more."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from observastack.ingest.foreign.remote_write import to_otlp
from observastack.ingest.otlp import Dictionary, decode
from observastack.store.rows import row_fields
from observastack.tests.stores import Server, prometheus_server
from runners.audit.source import of_markers
from runners.datagen.auditing import audit_ledger, sentence, world_of
from runners.datagen.plan import count
from runners.datagen.reading import parse_stores
from runners.datagen.scenario import read_scenario
from runners.datagen.world import World
from runners.ledger.header import read_header
from runners.ledger.items import Point
from runners.ledger.reader import being_written, fates, read_attempts, totals
from runners.lib.home import Home
from runners.wire.parcel import Wire
from runners.wire.remote_write import samples_of
from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.proof import audited
from tests.integration.datagen.stage import SCENARIO, Stage, generate, resume

TEXT = (
    SCENARIO.replace("cpus: 1", "cpus: 1, histograms: true, series: 7000, churn: 50%/s, staleness: true").replace(
        ", resend: 10%", ""
    )
    + "anomalies: [{name: out, kind: deploy, target: {service: cart}, at: 600ms, lasts: 800ms}]\n"
)
PLAIN = TEXT.replace(", staleness: true", "")
Labels = str
Moments = dict[Labels, int]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prometheus_server(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


class Run:
    """A run, and what Prometheus says that it took of it."""

    def __init__(self, home: Path, text: str, prometheus: Server) -> None:
        before = appended(prometheus)
        self.home, self.text = home, text
        self.start_ns = time.time_ns() - 5 * 10**9
        self.stage: Stage = generate(home, text, sink=f"prw+{prometheus.url}", start_ns=self.start_ns)
        assert self.stage.end() == 0, (self.stage.folder / "stderr").read_text() + str(self.stage.events()[-3:])
        self.taken = appended(prometheus) - before
        self.world: World = world_of(self.stage.ledger, read_header(self.stage.ledger))

    def ends(self) -> dict[int, set[Labels]]:
        """By millisecond: the series that have ended by then, from what the plan tells of each, and all their samples."""
        found: dict[int, set[Labels]] = defaultdict(set)
        for tenant in range(len(self.world.tenants)):
            for tick in range(self.world.ticks):
                items = self.world.slice(tenant, "metrics", tick)
                for one in items[len(items) - self.world.ended(tenant, "metrics", tick) :]:
                    found[one.time // 10**6] |= self.series(tenant, one)  # type: ignore[arg-type, union-attr]
        return found

    def series(self, tenant: int, point: Point) -> set[Labels]:
        return {json.dumps(labels, sort_keys=True) for labels, _ in samples_of(self.world.tenants[tenant], point)}

    def samples(self, *, markers: bool) -> int:
        """What a store makes of the plan's markers, or of its other points."""
        return sum(
            len(list(samples_of("acme", one)))  # type: ignore[arg-type]
            for tenant in range(len(self.world.tenants))
            for tick in range(self.world.ticks + 1)
            for one in self.world.slice(tenant, "metrics", tick)
            if one.ended is markers  # type: ignore[union-attr]
        )


def appended(prometheus: Server) -> int:
    """Samples that it has ever taken."""
    lines = httpx.get(f"{prometheus.url}/metrics").text.splitlines()
    name = "prometheus_tsdb_head_samples_appended_total"
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name))


def query(prometheus: Server, expression: str, ms: int) -> list[dict[str, Any]]:
    parameters = {"query": expression, "time": f"{ms // 1000}.{ms % 1000:03d}"}
    answer = httpx.get(f"{prometheus.url}/api/v1/query", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def shown(prometheus: Server, run: Run, ms: int) -> set[Labels]:
    """The series of the run that an instant query shows."""
    found = query(prometheus, f'{{testbed_run_id="{run.stage.run}"}}', ms)
    assert not [one for one in found if one["value"][1] == "NaN"]
    return {json.dumps(one["metric"], sort_keys=True) for one in found}


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory, prometheus: Server) -> Run:
    return Run(tmp_path_factory.mktemp("marked"), TEXT, prometheus)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, prometheus: Server) -> Run:
    return Run(tmp_path_factory.mktemp("plain"), PLAIN, prometheus)


def test_what_has_ended_is_gone_in_the_very_millisecond(prometheus: Server, marked: Run) -> None:
    ends = marked.ends()
    assert sum(map(len, ends.values())) > 1_000
    for ms, series in sorted(ends.items())[::7]:
        assert series <= shown(prometheus, marked, ms - 1)
        assert not series & shown(prometheus, marked, ms)
    over = marked.world.end_ns // 10**6 + 100
    assert not set().union(*ends.values()) & shown(prometheus, marked, over)
    # What is left are those that are told to the end, and a sentinel for each tenant.
    assert len(shown(prometheus, marked, over)) == marked.world.active_series()


def test_without_markers_it_is_shown_for_five_minutes_more(prometheus: Server, plain: Run) -> None:
    over = plain.world.end_ns // 10**6 + 100
    assert len(shown(prometheus, plain, over)) == plain.world.series() > plain.world.active_series()


@pytest.mark.parametrize("which", ["marked", "plain"])
def test_series_and_samples_are_counted_as_the_plan_says(
    prometheus: Server, which: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(which)
    at, mine = run.world.end_ns // 10**6 + 1000, f'{{testbed_run_id="{run.stage.run}"}}'
    plan = count(read_scenario(run.text.encode(), Path("x")), 42, start_ns=run.start_ns)
    samples, markers = run.samples(markers=False), run.samples(markers=True)
    (series,) = query(prometheus, f"count(last_over_time({mine}[1m]))", at)
    assert int(series["value"][1]) == plan.series == run.world.series()
    stored = sum(len(one["values"]) for one in query(prometheus, f"{mine}[1m]", at))
    assert stored == samples
    assert run.taken == samples + markers  # nothing but them was taken, though nobody is shown the markers
    sums = totals(fates(read_attempts(run.stage.ledger)).values())
    assert sums.acked == sums.sent == plan.items["metrics"]
    assert plan.markers == sum(
        run.world.ended(tenant, "metrics", tick) for tenant in range(3) for tick in range(run.world.ticks)
    )
    assert (plan.markers > 0) is (which == "marked")


@pytest.mark.parametrize("wire", ["otlp", "remote_write"])
def test_the_gateway_takes_every_marker_as_the_end_of_a_series_that_it_knows(marked: Run, wire: Wire) -> None:
    dictionary, known, ended, markers = Dictionary(), set[bytes | None](), 0, 0
    for tick in range(marked.world.ticks):
        for batch in marked.world.batches(tick):
            if batch.signal != "metrics":
                continue
            body = bytes(marked.world.parcel(batch, wire=wire).body)
            if wire == "remote_write":
                body = to_otlp(body, 1 << 30)
            read = decode("metrics", body, json=False, tenant=1, dictionary=dictionary, first_id=0, now=0)
            assert read.rejected_items == 0
            fields = [row_fields(row) for row in read.rows]
            stale = {
                series for _, _, series, value, _ in fields if int.from_bytes(value or b"", "big") == 0x7FF0 << 48 | 2
            }
            if of_markers(marked.world, batch):
                assert len(stale) == len(fields)
                assert stale <= known
                ended += len(stale)
                markers += read.items
            else:
                assert not stale
                known |= {series for _, _, series, *_ in fields}
    assert ended == marked.samples(markers=True)
    planned = sum(marked.world.ended(tenant, "metrics", tick) for tenant in range(3) for tick in range(10))
    assert markers == (planned if wire == "otlp" else ended)


def test_the_audit_says_that_they_cannot_be_seen(prometheus: Server, marked: Run) -> None:
    stores = parse_stores([f"prw+{prometheus.url}"])
    found = audit_ledger(marked.stage.ledger, Home(marked.home), environment=None, stores=stores)
    counts = found.of("metrics")
    plan = count(read_scenario(TEXT.encode(), Path("x")), 42, start_ns=marked.start_ns)
    assert found.verdict_of("metrics") == "passed"
    assert (counts.acked, counts.markers, counts.found) == (
        plan.items["metrics"], plan.markers, plan.items["metrics"] - plan.markers,
    )  # fmt: skip
    assert f"{plan.markers:,} markers of series that ended are shown by no store" in sentence(found, "metrics")


def test_neither_shards_nor_a_kill_and_a_resume_change_what_is_marked(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, TEXT, shards=3, start_ns=time.time_ns() - 5 * 10**9)
        stage.wait_for(lambda: len(platform.requests) > 30)
        stage.process.kill()
        stage.end()
        stage.settle(lambda: not being_written(stage.ledger))
        again = resume(tmp_path, stage)
        assert again.end() == 0, again.of("run.finished")
        code, document = audited(tmp_path, again)
    assert (code, document["verdict"]) == (0, "passed")
    plan, counts = count(read_scenario(TEXT.encode(), Path("x")), 42), document["signals"]["metrics"]
    assert (counts["acked"], counts["found"]) == (plan.items["metrics"], plan.items["metrics"] - plan.markers)
    assert counts["markers"] == counts["not_observable"] == plan.markers > 0
