"""What goes wrong on the way to a sink, on purpose."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runners.datagen.mishaps import Faults, Refusal, complaint, due, held_back_s, spoil
from runners.ledger.attempt import Batch
from tests.unit.datagen.worlds import world

SIGNALS = st.sampled_from(["logs", "traces", "metrics"])
BATCHES = st.builds(Batch, st.integers(0, 5), SIGNALS, st.integers(0, 10_000), st.integers(0, 9))


def faults(**given_: object) -> Faults:
    return Faults.model_validate(given_)


def some(count: int = 4000) -> list[Batch]:
    return [Batch(number % 3, "logs", number // 3, 0) for number in range(count)]


def test_as_many_are_late_as_was_asked_for_and_by_as_much() -> None:
    waits = [held_back_s(faults(late={"share": "10%", "by": "30s"}), 42, batch) for batch in some(20_000)]
    assert set(waits) == {0, 30} and 0.094 < waits.count(30) / len(waits) < 0.106


@given(BATCHES, st.integers(0, 99))
def test_what_is_out_of_order_waits_a_while_and_not_longer(batch: Batch, seed: int) -> None:
    wait = held_back_s(faults(out_of_order={"share": 1, "within": "4s"}), seed, batch)
    assert 0 < wait <= 4
    assert wait == held_back_s(faults(out_of_order={"share": 1, "within": "4s"}), seed, batch)


def test_requests_do_overtake_each_other() -> None:
    waits = [held_back_s(faults(out_of_order={"share": "50%", "within": "5s"}), 1, batch) for batch in some(600)]
    assert len(set(waits)) > 200 and max(waits) > 4.5 and 2 < sum(waits) / sum(wait > 0 for wait in waits) < 3
    sent = sorted(range(600), key=lambda number: number // 3 + waits[number])
    assert sum(a > b for a, b in pairwise(sent)) > 100


def test_the_seed_decides_which() -> None:
    one, other = (
        [held_back_s(faults(late={"share": "10%", "by": 1}), seed, batch) for batch in some()] for seed in (1, 2)
    )
    assert one != other


@given(BATCHES)
def test_without_faults_nothing_waits(batch: Batch) -> None:
    assert held_back_s(Faults(), 1, batch) == 0 and due(Faults(), batch.tick, 1) == []


@pytest.mark.parametrize(("tick_s", "every"), [(1, 10), (0.5, 10), (2, 3), (1, 1), (0.1, 0.3)])
def test_spoilt_requests_come_as_often_as_was_asked_for(tick_s: float, every: float) -> None:
    ticks = round(120 / tick_s)
    found = [kind for tick in range(ticks) for kind in due(faults(malformed={"every": every}), tick, tick_s)]
    assert set(found) == {"malformed"} and abs(len(found) - 120 / max(every, tick_s)) <= 1


def test_a_malformed_request_is_no_protobuf_and_takes_nobodys_key() -> None:
    of = world()
    parcels = [of.parcel(batch) for batch in of.batches(1) if batch.signal == "traces"]
    bad = spoil(faults(malformed={"every": 1}), "malformed", parcels, 1)
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(bytes(bad.body))
    assert bad.key not in {parcel.key for parcel in parcels} and len(bad.body) > 100


def test_an_oversized_request_is_sound_and_larger_than_asked_for() -> None:
    of = world()
    parcels = [of.parcel(batch) for batch in of.batches(1) if batch.signal == "traces"]
    big = spoil(faults(oversized={"every": 1, "size": "1MB"}), "oversized", parcels, 0)
    assert 1_000_000 <= len(big.body) < 1_000_000 + len(parcels[0].body)
    assert len(ExportTraceServiceRequest.FromString(bytes(big.body)).resource_spans) > 100
    assert bytes(replace(big, body=b"").body) == b""


def test_a_platform_that_takes_what_it_must_not_is_named() -> None:
    def refusal(kind: str, status: int) -> Refusal:
        return Refusal(kind, "acme", "logs", 10, 0.0, status)  # type: ignore[arg-type]

    assert complaint([refusal("malformed", 400), refusal("oversized", 413), refusal("oversized", 0)]) == ""
    assert (
        complaint([refusal("malformed", 200), refusal("malformed", 400)])
        == "1 of 2 malformed requests were acknowledged"
    )
