"""Metrics encoded from columns say what the plain encoders say of the same points, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from runners.audit.source import of_markers
from runners.ledger.items import Histogram, Point, moment
from runners.wire.otlp import encode_metrics
from runners.wire.remote_write import encode_write
from tests.unit.datagen.worlds import TEXT, world

FULL = "cpus: 2, histograms: true, restart: 3s, series: 20000, churn: 20%/s"
ENDING = f"{FULL.replace('20000', '10000')}, staleness: true"
DEPLOYS = """
anomalies:
  - {name: out, kind: deploy, target: {service: cart}, at: 1s, lasts: 4s}
  - {name: hush, kind: silent, target: {service: payment}, at: 2s, lasts: 2s}
"""
SURGE = """
anomalies:
  - {name: surge, kind: level-shift, target: {series: system.filesystem.utilization}, at: 1s, lasts: 3s, magnitude: x9}
"""


def same(text: str, seed: int, most: int = 80, *, markers: bool = False) -> list[Point]:
    """All points, once every request of every tick was compared. markers: those that carry markers only."""
    of = world(seed, text=text.replace("max_items: 80", f"max_items: {most}"))
    seen: list[Point] = []
    for tick in range(of.ticks):
        for batch in of.batches(tick):
            if batch.signal != "metrics" or (markers and not of_markers(of, batch)):
                continue
            items: list[Point] = of.slice(batch.tenant, "metrics", tick)  # type: ignore[assignment]
            ended = of.ended(batch.tenant, "metrics", tick)
            own = [one for index, one in enumerate(items) if of.part_of(index, len(items), ended) == batch.part]
            made = of.parcel(batch)
            assert (made.items, made.first_seq, made.last_seq) == (len(own), own[0].seq, own[-1].seq)
            assert (made.first_time, made.last_time) == (min(map(moment, own)), max(map(moment, own)))
            plain = encode_metrics(own)
            found = ExportMetricsServiceRequest.FromString(bytes(made.body))
            assert found == ExportMetricsServiceRequest.FromString(plain)
            assert bytes(made.body) == plain
            assert bytes(of.parcel(batch, wire="remote_write").body) == encode_write(of.tenants[batch.tenant], own)
            seen += own
    return seen


@pytest.mark.parametrize("most", [31, 80, 2000])
@pytest.mark.parametrize("metrics", ["cpus: 1", "cpus: 1, histograms: true", FULL, ENDING])
def test_the_bytes_are_those_of_the_plain_encoders(metrics: str, most: int) -> None:
    same(TEXT.replace("cpus: 1", metrics).replace("20/s", "60/s"), 42, most)


def test_also_when_counts_need_more_bytes_than_one() -> None:
    text = (
        TEXT.replace("cpus: 1", "cpus: 1, histograms: true")
        .replace("20/s", "900/s")
        .replace("instances: 2", "instances: 1")
    )
    points = same(text, 3, 800)
    assert max(max(one.counts) for one in points if isinstance(one, Histogram) and one.scale is not None) > 500


def test_also_while_an_anomaly_strikes() -> None:
    same(TEXT + SURGE, 42)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_seed(seed: int) -> None:
    same(TEXT.replace("cpus: 1", "cpus: 1, histograms: true, restart: 2s"), seed, 800)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([31, 80, 2000]))
def test_also_of_markers_of_instances_that_are_replaced(seed: int, most: int) -> None:
    points = same(TEXT.replace("cpus: 1", ENDING) + DEPLOYS, seed, most, markers=True)
    assert {(one.ended, isinstance(one, Histogram)) for one in points} == {(True, True), (True, False)}


@pytest.mark.parametrize("metrics", [FULL, ENDING])
def test_in_any_order_of_ticks(metrics: str) -> None:
    text = TEXT.replace("cpus: 1", metrics) + DEPLOYS * (metrics == ENDING)
    forward, back = world(text=text), world(text=text)
    made = {batch: forward.parcel(batch).body for tick in range(6) for batch in forward.batches(tick)}
    for tick in (3, 0, 5, 2, 5, 1, 4):
        for batch in back.batches(tick):
            assert back.parcel(batch).body == made[batch]
