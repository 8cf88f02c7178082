"""The simulated world: deterministic, random access, and one truth in three signals."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.datagen.model.bodies import written
from runners.datagen.model.logs import records
from runners.datagen.model.metrics import CALLS, DURATION
from runners.datagen.model.tables import tables
from runners.datagen.world import World
from runners.ledger.attempt import Flag
from runners.ledger.items import SIGNALS, LogRecord, Sample, Span, moment
from runners.wire.otlp import encode
from tests.unit.datagen.worlds import RUN, START, TEXT, world

SEEDS = st.integers(0, 2**31)
KINDS = {"SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5}
STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_ERROR": 2}


def all_spans(of: World, tenant: int) -> list[Span]:
    return [cast("Span", item) for tick in range(of.ticks) for item in of.slice(tenant, "traces", tick)]


def all_logs(of: World, tenant: int) -> list[LogRecord]:
    return [cast("LogRecord", item) for tick in range(of.ticks) for item in of.slice(tenant, "logs", tick)]


def all_samples(of: World, tenant: int) -> list[Sample]:
    return [cast("Sample", item) for tick in range(of.ticks) for item in of.slice(tenant, "metrics", tick)]


@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    one, two = world(seed), world(seed)
    for tick in range(one.ticks + 1):
        assert one.batches(tick) == two.batches(tick)
        for batch in one.batches(tick):
            assert one.parcel(batch) == two.parcel(batch)


def test_another_seed_gives_other_telemetry() -> None:
    one, two = world(1), world(2)
    assert [item.name for item in all_spans(one, 0)] != [item.name for item in all_spans(two, 0)]


def test_another_run_has_other_ids_but_tells_the_same_story() -> None:
    one, two = world(1), world(1, run=RUN[:-1] + "2")
    mine, theirs = all_spans(one, 0), all_spans(two, 0)
    assert [(span.name, span.start, span.end) for span in mine] == [
        (span.name, span.start, span.end) for span in theirs
    ]
    assert not {span.trace_id for span in mine} & {span.trace_id for span in theirs}


@settings(max_examples=6, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_any_batch_can_be_made_alone_and_in_any_order(seed: int, order: object) -> None:
    whole = world(seed)
    every = [batch for tick in range(whole.ticks + 1) for batch in whole.batches(tick)]
    made = {batch: whole.parcel(batch) for batch in every}
    order.shuffle(every)  # type: ignore[attr-defined]
    backwards = world(seed)
    for batch in every[:20]:
        assert backwards.parcel(batch) == made[batch]
        assert world(seed).parcel(batch) == made[batch]


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_sums_agree_exactly_across_signals(seed: int) -> None:
    of = world(seed)
    for tenant in range(len(of.tenants)):
        spans, samples, records = all_spans(of, tenant), all_samples(of, tenant), all_logs(of, tenant)
        counted: Counter[tuple[str, str, int, int]] = Counter()
        took: Counter[tuple[str, str, int, int]] = Counter()
        for span in spans:
            key = (span.resource.instance_id, span.name, span.kind, span.status_code)
            counted[key] += 1
            took[key] += span.end - span.start
        last: dict[tuple[str, str, int, int], int] = {}
        deltas: Counter[tuple[str, str, int, int]] = Counter()
        for sample in samples:
            if sample.name in (CALLS, DURATION):
                told = sample.attributes
                key = (
                    sample.resource.instance_id, str(told["span.name"]), KINDS[str(told["span.kind"])],
                    STATUS[str(told["status.code"])],
                )  # fmt: skip
                if sample.name == CALLS:
                    last[key] = int(sample.value)
                else:
                    deltas[key] += int(sample.value)
        assert +Counter(last) == counted
        assert +deltas == took
        failed = {span.span_id for span in spans if span.status_code == 2}
        errors = Counter(record.span_id for record in records if record.severity_text == "ERROR")
        assert errors == Counter(failed)
        assert {record.span_id for record in records} <= {span.span_id for span in spans}


@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_traces_are_whole_and_children_lie_inside_their_parents(seed: int) -> None:
    of = world(seed)
    for tick in range(of.ticks):
        traces: dict[bytes, dict[bytes, Span]] = defaultdict(dict)
        for item in of.slice(0, "traces", tick):
            span = cast("Span", item)
            traces[span.trace_id][span.span_id] = span
        ends = START + (tick + 1) * of.tick_ns
        for spans in traces.values():
            (root,) = [span for span in spans.values() if not span.parent_span_id]
            assert root.end <= ends
            tried_again = {
                span.parent_span_id for span in spans.values() if "http.request.resend_count" in span.attributes
            }
            for span in spans.values():
                if span.parent_span_id:
                    parent = spans[span.parent_span_id]
                    assert parent.start <= span.start <= span.end <= parent.end
                    if span.status_code == 2 and parent.span_id not in tried_again:
                        assert parent.status_code == 2


def test_what_a_message_caused_is_a_trace_of_its_own_that_links_to_the_sending_span() -> None:
    of = world(text=TEXT.replace("20/s", "60/s"))
    spans = {span.span_id: span for span in all_spans(of, 0)}
    linked = [span for span in spans.values() if span.links]
    assert linked and {span.kind for span in linked} == {5}
    for span in linked:
        (link,) = span.links
        cause = spans[link.span_id]
        assert (cause.kind, cause.trace_id, cause.status_code) == (4, link.trace_id, 0)
        assert span.trace_id != cause.trace_id and not span.parent_span_id
        assert span.start > cause.end
        assert span.attributes["messaging.message.id"] == cause.attributes["messaging.message.id"]


def test_calls_fan_out_and_failed_ones_are_tried_again() -> None:
    of = world(text=TEXT.replace("20/s", "300/s").replace("15%", "2%"))
    children: dict[bytes, list[Span]] = defaultdict(list)
    for span in all_spans(of, 0):
        children[span.parent_span_id].append(span)
    assert any(len({span.start for span in of}) < len(of) for parent, of in children.items() if parent)
    again = [span for of in children.values() for span in of if "http.request.resend_count" in span.attributes]
    assert again
    for span in again:
        (first,) = [
            other
            for other in children[span.parent_span_id]
            if other.attributes.get("url.full") == span.attributes["url.full"] and other is not span
        ]
        assert first.status_code == 2 and first.end <= span.start and not children[first.span_id]


def test_errors_are_as_frequent_as_asked_and_come_in_bursts() -> None:
    text = TEXT.replace("20/s", "200/s").replace("duration: 6s", "duration: 240s").replace("15%", "2%")
    stream = world(7, text=text)._tenants[0].stream
    shares = []
    for tick in range(240):
        shapes = stream.shapes(tick)
        failing = {number for route in tables().failing for number in route}
        shares.append(sum(shape in failing for shape in shapes.tolist()) / len(shapes))
    mean = sum(shares) / len(shares)
    assert 0.01 < mean < 0.03
    variance = sum((share - mean) ** 2 for share in shares) / len(shares)
    assert variance > 1.5 * mean * (1 - mean) / 150  # more than independent failures would have


def test_records_lie_inside_their_spans_and_come_in_the_order_of_time() -> None:
    of = world()
    spans = {span.span_id: span for span in all_spans(of, 0)}
    for tick in range(of.ticks):
        times = [moment(item) for item in of.slice(0, "logs", tick)]
        assert times == sorted(times)
    for record in all_logs(of, 0):
        span = spans[record.span_id]
        assert span.trace_id == record.trace_id
        assert span.start <= record.time <= span.end
        assert span.resource == record.resource


def test_counters_never_fall_and_series_report_as_often_as_asked() -> None:
    of = world()
    series: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for sample in (*all_samples(of, 0), *all_samples(of, 1)):
        series[sample.resource.instance_id, sample.name, repr(sample.attributes)].append(sample)
    assert len(series) + len(of.tenants) == of.series()  # each tenant has the sentinel's series too
    for samples in series.values():
        assert 3 <= len(samples) <= 4  # every second of six ticks, and once more at the end
        times = [sample.time for sample in samples]
        assert times == sorted(set(times))
        if samples[0].instrument == "counter":
            values = [sample.value for sample in samples]
            assert values == sorted(values)
        if samples[0].instrument == "delta":
            starts = [sample.start for sample in samples]
            assert starts == [START, *times[:-1]]


def test_counts_are_known_without_making_the_items() -> None:
    of = world()
    for tick in range(of.ticks + 1):
        for tenant in range(len(of.tenants)):
            for signal in SIGNALS:
                items = of.slice(tenant, signal, tick)
                assert of.count(tenant, signal, tick) == len(items)
                assert of.parts(tenant, signal, tick) == len({of.part_of(i, len(items)) for i in range(len(items))})


def test_every_item_can_be_found_again_from_its_number() -> None:
    of = world()
    for tick in range(of.ticks + 1):
        for tenant in range(len(of.tenants)):
            for signal in SIGNALS:
                items = of.slice(tenant, signal, tick)
                numbers = of.numbers(tenant, signal, tick)
                assert numbers.tolist() == [item.seq for item in items]
                assert set(of.ticks_of(tenant, signal, numbers).tolist()) <= {tick}
                for item in items:
                    if isinstance(item, Sample):
                        told = of.sample_number(item.resource.instance_id, item.name, dict(item.attributes), item.time)
                        assert told == (tenant, item.seq)
                    elif isinstance(item, Span):
                        assert of.identity.of_span_id(item.span_id.hex()) == (tenant, item.seq)
                    else:
                        assert of.identity.of_log_id(item.attributes["testbed.item.id"]) == (tenant, item.seq)


def test_requests_stay_within_the_size_that_the_scenario_allows() -> None:
    of = world()
    for tick in range(of.ticks):
        sizes = [of.parcel(batch).items for batch in of.batches(tick)]
        assert max(sizes) <= 80


def test_sentinels_come_last_and_are_marked() -> None:
    of = world()
    parcels = [of.parcel(batch) for batch in of.batches(of.ticks)]
    assert len(parcels) == len(of.tenants) * len(SIGNALS)
    assert all(parcel.items == 1 and Flag.SENTINEL in parcel.flags for parcel in parcels)
    newest = max(moment(item) for tick in range(of.ticks) for signal in SIGNALS for item in of.slice(0, signal, tick))
    assert all(parcel.last_time >= newest - 1_000_000 for parcel in parcels if parcel.batch.signal != "traces")


@pytest.mark.parametrize("rate", ["0.4/s", "3/s"])
def test_quiet_tenants_may_have_empty_ticks(rate: str) -> None:
    of = world(text=TEXT.replace("20/s", rate))
    for tick in range(of.ticks + 1):
        for batch in of.batches(tick):
            assert of.parcel(batch).items > 0


def test_messages_vary_and_are_not_too_regular() -> None:
    import gzip

    of = world()
    bodies = [record.body for record in all_logs(of, 0)]
    assert len(set(bodies)) > len(bodies) / 4
    raw = b"".join(of.parcel(batch).body for batch in of.batches(3) if batch.signal != "metrics")
    assert len(raw) / len(gzip.compress(raw, 1)) < 12


def test_every_request_has_a_key_of_its_own_and_another_run_has_others() -> None:
    one, other = world(), world(run=RUN[:-1] + "2")
    parcels = [one.parcel(batch) for tick in range(one.ticks + 1) for batch in one.batches(tick)]
    assert max(parcel.batch.part for parcel in parcels) > 0
    assert len({parcel.key for parcel in parcels}) == len(parcels)
    assert not {parcel.key for parcel in parcels} & {
        other.parcel(batch).key for tick in range(other.ticks + 1) for batch in other.batches(tick)
    }


def test_bodies_are_what_their_format_writes_of_the_very_request() -> None:
    of = world(text=TEXT.replace("20/s", "60/s"))
    for tick in range(of.ticks):
        requests = of.requests(0, tick)
        told = records(requests)
        for record, at, line in zip(of.slice(0, "logs", tick), told.visit.tolist(), told.line.tolist(), strict=True):
            assert isinstance(record, LogRecord)
            visit, text = tables().line_of[line]
            wrote = written(visit, text, requests.fields(int(requests.request[at])).of(visit))
            body = wrote.fill({
                "time": record.time, "trace": int.from_bytes(record.trace_id), "span": int.from_bytes(record.span_id),
                "duration": int(requests.end[at] - requests.start[at]),
            })  # fmt: skip
            assert record.body == body.decode()


STRUCK = """
anomalies:
  - {name: slow, kind: latency, target: {service: search}, at: 2s, lasts: 2s, magnitude: x5}
  - {name: wrong, kind: error-burst, target: {service: cart}, at: 2s, lasts: 2s, magnitude: 80%}
  - {name: new, kind: log-novelty, target: {service: accounts}, at: 2s, lasts: 2s, magnitude: 50%}
"""


def test_anomalies_strike_their_service_while_they_last_and_nothing_else() -> None:
    text = TEXT.replace("20/s", "300/s").replace("15%", "1%")
    calm, struck = world(text=text), world(text=text + STRUCK)
    for tick in (1, 4):
        assert calm.slice(0, "traces", tick) == struck.slice(0, "traces", tick)
        assert calm.slice(0, "logs", tick) == struck.slice(0, "logs", tick)

    def durations(of: World, name: str) -> int:
        spans = [cast("Span", item) for item in of.slice(0, "traces", 2)]
        return sum(span.end - span.start for span in spans if span.resource.service == name)

    assert 3 < durations(struck, "search") / durations(calm, "search") < 5.5
    carts = [
        cast("Span", item).status_code
        for item in struck.slice(0, "traces", 2)
        if item.resource.service == "cart" and cast("Span", item).kind == 2
    ]
    assert 0.6 < carts.count(2) / len(carts) < 0.95
    for of, least in ((calm, 0.0), (struck, 0.35)):
        told = [
            cast("LogRecord", i).body
            for tick in (2, 3)
            for i in of.slice(0, "logs", tick)
            if i.resource.service == "accounts"
        ]
        before = {re.sub(r"[0-9a-f]+", "#", cast("LogRecord", i).body) for i in of.slice(0, "logs", 0)}
        new = sum(
            "quorum lost" in body or "certificate" in body or "Out of memory" in body or "assertion" in body
            for body in told
        )
        assert before and least <= new / len(told) <= max(0.0, 2 * least)
    for batch in struck.batches(2):
        if batch.signal != "metrics":
            items = struck.slice(batch.tenant, batch.signal, 2)
            own = [item for index, item in enumerate(items) if struck.part_of(index, len(items)) == batch.part]
            assert bytes(struck.parcel(batch).body) == encode(batch.signal, own)
