"""Silence, deploys, lost spans, wrong clocks and debug records left out: still one truth in three signals."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import cast

import pytest

from runners.datagen.model.metrics import CALLS, DURATION
from runners.datagen.world import World
from runners.ledger.attempt import Batch
from runners.ledger.items import SIGNALS, Histogram, Item, LogRecord, Sample, Span
from runners.ledger.shown import series_of
from runners.wire.parcel import CARRIES, Wire, pack_parcel
from tests.unit.datagen.worlds import START, TEXT, world

SILENT = "  - {name: gone, kind: silent, target: {service: catalog}, at: 3s, lasts: 4s}"
LATE_SILENT = "  - {name: gone-too, kind: silent, target: {service: cart, tenant: acme}, at: 8s, lasts: 9s}"
DEPLOY = "  - {name: new, kind: deploy, target: {service: search}, at: 2s, lasts: 6s, magnitude: x3}"
AGAIN = "  - {name: newer, kind: deploy, target: {service: search}, at: 9s, lasts: 2s}"
BASE = (
    TEXT.replace("duration: 6s", "duration: 12s").replace("20/s", "15/s").replace("max_items: 80", "max_items: 300")
    .replace("{interval: 2s, cpus: 1}", "{interval: 3s, cpus: 1, histograms: true}")
)  # fmt: skip


def anomalies(*lines: str) -> str:
    return "\n".join((BASE, "anomalies:", *lines))


WORLDS = {
    "silent": anomalies(SILENT),
    "silent to the end": anomalies(LATE_SILENT),
    "deploys": anomalies(DEPLOY, AGAIN),
    "all of it": anomalies(SILENT, LATE_SILENT, DEPLOY, AGAIN).replace(
        "histograms: true", "histograms: true, restart: 5s"
    )
    + "\ntraces: {orphans: 5%, skew: 40ms}\nlogs: {debug: 20%, asides: true}\n",
    "long traces": BASE + "\ntraces: {orphans: 2%, long: {every: 6s, lasts: 4s, share: 60%}}\n",
    "churn": anomalies(SILENT, DEPLOY).replace("histograms: true", "series: 9000, churn: 900%/min"),
}


@pytest.fixture(scope="module", params=list(WORLDS), ids=str)
def of(request: pytest.FixtureRequest) -> World:
    return world(3, text=WORLDS[request.param])


def every(of: World, tenant: int, signal: str) -> list[Item]:
    return [item for tick in range(of.ticks) for item in of.slice(tenant, signal, tick)]  # type: ignore[arg-type]


def test_the_bytes_are_those_of_the_plain_encoders(of: World) -> None:
    text = of.scenario.source.decode()
    wires: tuple[Wire, ...] = ("otlp",)
    if "traces:" in text:
        wires = ("otlp", "loki") if "long:" in text else ("otlp", "loki", "remote_write")
    for wire in wires:
        for tick in range(of.ticks):
            for batch in of.batches(tick):
                if batch.signal in CARRIES[wire]:
                    assert of.parcel(batch, wire=wire) == plainly(of, batch, wire)


def plainly(of: World, batch: Batch, wire: Wire) -> object:
    items = of.slice(batch.tenant, batch.signal, batch.tick)
    own = [item for index, item in enumerate(items) if of.part_of(index, len(items)) == batch.part]
    return pack_parcel(of.identity.run, of.tenants[batch.tenant], batch, own, wire=wire)


def test_counts_and_series_are_known_without_making_the_items(of: World) -> None:
    series = set()
    for tick in range(of.ticks + 1):
        for tenant in range(len(of.tenants)):
            for signal in SIGNALS:
                items = of.slice(tenant, signal, tick)
                assert of.count(tenant, signal, tick) == len(items)
                for item in items:
                    if isinstance(item, Sample):
                        series.add((tenant, item.resource.instance_id, item.name, repr(item.attributes), 0))
                    elif isinstance(item, Histogram):
                        key = tenant, item.resource.instance_id, item.name, repr(item.attributes)
                        series |= {(*key, part) for part in range(series_of(item))}
    assert of.series() == len(series)


def test_sums_agree_exactly_across_signals(of: World) -> None:
    for tenant in range(len(of.tenants)):
        counted: Counter[tuple[object, ...]] = Counter()
        took: Counter[tuple[object, ...]] = Counter()
        for span in cast("list[Span]", every(of, tenant, "traces")):
            key: tuple[object, ...] = (span.resource.instance_id, span.name, span.status_code)
            counted[key] += 1
            took[key] += span.end - span.start
        deltas: Counter[tuple[object, ...]] = Counter()
        grown: Counter[tuple[object, ...]] = Counter()
        before: dict[tuple[object, ...], tuple[int, int]] = {}
        for sample in every(of, tenant, "metrics"):
            if isinstance(sample, Sample) and sample.name in (CALLS, DURATION):
                status = 2 if sample.attributes["status.code"] == "STATUS_CODE_ERROR" else 0
                key = (sample.resource.instance_id, sample.attributes["span.name"], status)
                if sample.name == DURATION:
                    deltas[key] += int(sample.value)
                else:  # a counter that began anew counts from 0; what came between the last report and that is not seen
                    start, value = before.get((*key, sample.attributes["span.kind"]), (0, 0))
                    grown[key] += int(sample.value) - (value if start == sample.start else 0)
                    before[(*key, sample.attributes["span.kind"])] = sample.start, int(sample.value)
        assert +deltas == took
        if "restart" not in of.scenario.source.decode():
            assert +grown == counted
        else:
            assert all(grown[key] <= counted[key] for key in grown)


def test_every_item_can_be_found_again_from_its_number(of: World) -> None:
    for tick in range(0, of.ticks, 2):
        for signal in SIGNALS:
            items, numbers = of.slice(0, signal, tick), of.numbers(0, signal, tick)
            assert numbers.tolist() == [item.seq for item in items]
            assert set(of.ticks_of(0, signal, numbers).tolist()) <= {tick}
            for item in items:
                if isinstance(item, Sample):
                    told = of.sample_number(item.resource.instance_id, item.name, dict(item.attributes), item.time)
                    assert told == (0, item.seq)


def test_any_batch_can_be_made_alone_and_in_any_order(of: World) -> None:
    batches = [batch for tick in range(of.ticks) for batch in of.batches(tick)]
    backwards = World(of.scenario, of.identity, of.seed, of.start_ns)
    made = {batch: backwards.parcel(batch) for batch in batches[::-7]}
    assert all(of.parcel(batch) == parcel for batch, parcel in made.items())


def test_nothing_is_heard_of_a_silent_service_and_nothing_else_is_missing() -> None:
    quiet, loud = world(text=WORLDS["silent"]), world(text=BASE)
    for tick in range(quiet.ticks):
        for signal in SIGNALS:
            told = quiet.slice(0, signal, tick)
            wanted = [item.seq for item in loud.slice(0, signal, tick) if item.resource.service != "catalog"]
            assert [item.seq for item in told if item.resource.service != "catalog"] == wanted
            heard = any(item.resource.service == "catalog" for item in told)
            if 3 <= tick < 7:
                assert not heard
            elif signal != "metrics" or tick in (2, 11):  # it reports before it falls silent, and at the end
                assert heard


def test_a_deploy_replaces_one_instance_after_the_other_and_the_new_version_is_slower() -> None:
    busy = BASE.replace("15/s", "60/s")
    of, before = world(text=anomalies(DEPLOY).replace("15/s", "60/s")), world(text=busy)
    versions: dict[int, set[str]] = defaultdict(set)
    lasted: dict[str, list[int]] = defaultdict(list)
    began: dict[str, int] = {}
    for tick in range(of.ticks):
        usual = {span.seq: span.end - span.start for span in cast("list[Span]", before.slice(0, "traces", tick))}
        for span in cast("list[Span]", of.slice(0, "traces", tick)):
            if span.resource.service == "search" and span.kind == 2:
                pod = str(span.resource.attributes["k8s.pod.name"])
                versions[tick].add(f"{span.resource.attributes['service.version']} {pod}")
                began.setdefault(pod, tick)
                if 4 <= tick < 8:
                    lasted[pod].append(round(10 * (span.end - span.start) / usual[span.seq]))
    assert len({pod for line in versions.values() for pod in line}) == 4
    assert all(len(versions[tick]) <= 2 for tick in versions)
    assert {line.split()[0] for line in versions[0]} == {"3.9.4", "3.9.5"}  # the last instance is a canary
    assert {line.split()[0] for line in versions[11]} == {"3.9.5"}
    assert sorted(began.values())[-2:] == [2, 3]
    assert all(factor == 30 for factors in lasted.values() for factor in factors)
    new = {str(sample.resource.instance_id) for sample in every(of, 0, "metrics")} - {
        str(sample.resource.instance_id) for sample in every(before, 0, "metrics")
    }
    starts = {
        sample.start for sample in every(of, 0, "metrics")
        if isinstance(sample, Sample) and sample.resource.instance_id in new and sample.name == "process.cpu.time"
    }  # fmt: skip
    assert len(new) == 2 and starts == {START + 2 * 10**9, START + 3 * 10**9}


def test_hosts_differ_in_what_time_it_is_but_each_is_constant() -> None:
    wrong, right = world(text=BASE + "\ntraces: {skew: 40ms}\n"), world(text=BASE)
    off: dict[str, set[int]] = defaultdict(set)
    for tick in range(wrong.ticks):
        for a, b in zip(wrong.slice(0, "traces", tick), right.slice(0, "traces", tick), strict=True):
            one, other = cast("Span", a), cast("Span", b)
            assert one.end - one.start == other.end - other.start
            off[str(one.resource.attributes["host.name"])].add(one.start - other.start)
    assert all(len(offsets) == 1 for offsets in off.values())
    assert len({next(iter(offsets)) for offsets in off.values()}) > 5
    assert max(abs(offset) for offsets in off.values() for offset in offsets) <= 40_000_000


def test_lost_spans_leave_their_children_without_a_parent() -> None:
    of = world(text=BASE + "\ntraces: {orphans: 5%}\n")
    spans = cast("list[Span]", every(of, 0, "traces"))
    known = {span.span_id for span in spans}
    lost = [span for span in spans if span.parent_span_id and span.parent_span_id not in known]
    whole = len(every(world(text=BASE), 0, "traces"))
    assert 0.03 < 1 - len(spans) / whole < 0.07
    assert lost


def test_a_job_is_one_trace_of_thousands_of_spans_and_its_root_comes_last() -> None:
    text = (
        TEXT.replace("20/s", "800/s").replace("duration: 6s", "duration: 2s").replace("max_items: 80", "max_items: 800")
    )
    of = world(
        text=text.replace("errors: 15%", "errors: 1%") + "\ntraces: {long: {every: 10s, lasts: 2s, share: 90%}}\n"
    )
    traces: dict[bytes, list[Span]] = defaultdict(list)
    for span in cast("list[Span]", every(of, 0, "traces")):
        traces[span.trace_id].append(span)
    longest = max(traces.values(), key=len)
    assert len(longest) > 10_000
    known = {span.span_id: span for span in longest}
    (root,) = (span for span in longest if not span.parent_span_id)
    assert root.seq == max(span.seq & ~63 for span in longest)
    for span in longest:
        assert root.start <= span.start <= span.end <= root.end
        assert span is root or span.parent_span_id in known
    records = [record for record in cast("list[LogRecord]", every(of, 0, "logs")) if record.trace_id == root.trace_id]
    assert len(records) > 5_000 and all(record.span_id in known for record in records)
    assert sum(len(spans) < 100 for spans in traces.values()) > 100  # the others are as ever


def test_debug_records_are_written_for_a_share_of_the_requests() -> None:
    few, usual = world(text=BASE + "\nlogs: {debug: 20%}\n"), world(text=BASE)
    mine, theirs = (
        Counter(cast("LogRecord", item).severity_text for item in every(each, 0, "logs")) for each in (few, usual)
    )
    assert mine["INFO"] == theirs["INFO"] and mine["ERROR"] == theirs["ERROR"]
    assert 0.1 < mine["DEBUG"] / theirs["DEBUG"] < 0.3


def test_remarks_stand_among_the_records_and_nothing_else_changes() -> None:
    with_them, usual = world(text=BASE + "\nlogs: {asides: true}\n"), world(text=BASE)
    mine, theirs = (cast("list[LogRecord]", every(each, 0, "logs")) for each in (with_them, usual))
    assert [(one.seq, one.time, one.span_id) for one in mine] == [(one.seq, one.time, one.span_id) for one in theirs]
    others = [(one, other) for one, other in zip(mine, theirs, strict=True) if one.body != other.body]
    assert 0.02 < len(others) / len(mine) < 0.04
    severities = Counter(one.severity_text for one, _ in others)
    assert severities["WARN"] and severities["INFO"] and not severities["ERROR"]
    assert all(other.severity_text != "ERROR" for _, other in others)


def test_people_come_at_random() -> None:
    text = TEXT.replace("requests: 20/s", "requests: 20/s\n  arrivals: random").replace(
        "duration: 6s", "duration: 200s"
    )
    text = text.replace("wave: {amplitude: 30%, period: 5s}", "spikes: []")
    of = world(text=text)
    counts = [len(of.requests(0, tick)) for tick in range(of.ticks)]
    mean = sum(counts) / len(counts)
    assert abs(mean - 15) < 1
    assert 0.7 < sum((count - mean) ** 2 for count in counts) / len(counts) / mean < 1.4


@pytest.mark.parametrize(
    "lines",
    [
        ("{name: a, kind: silent, target: {service: catalog}, at: 0s, lasts: 12s}",),
        ("{name: a, kind: silent, target: {service: catalog, tenant: acme}, at: 0s, lasts: 6s}",),
        ("{name: a, kind: silent, target: {service: catalog}, at: 0s, lasts: 6500ms}",
         "{name: b, kind: silent, target: {service: cart, tenant: acme}, at: 5s, lasts: 7s}"),
        ("{name: a, kind: silent, target: {service: catalog}, at: 0s, lasts: 6500ms}",
         "{name: b, kind: silent, target: {service: cart, tenant: globex}, at: 7s, lasts: 4s}",
         "{name: c, kind: deploy, target: {service: cart}, at: 3s, lasts: 6s}"),
    ],
    ids=["throughout", "of one tenant", "one after the other", "and a moment between"],
)  # fmt: skip
def test_the_series_of_a_moment_are_those_that_are_written_in_it(lines: tuple[str, ...]) -> None:
    """Every instance reports with every tick here, so that a tick is a moment."""
    text = anomalies(*(f"  - {line}" for line in lines)).replace("interval: 3s", "interval: 1s")
    silent = world(3, text=text)
    written = [
        sum(
            series_of(item) if isinstance(item, Histogram) else 1
            for tenant in range(2)
            for item in silent.slice(tenant, "metrics", tick)
        )
        for tick in range(silent.ticks)
    ]
    assert silent.active_series() == max(written) + 2  # the sentinels
    assert (len(set(written)) > 1) == ("lasts: 12s" not in text)
