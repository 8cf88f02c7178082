"""Remote write requests, decoded by the platform's own reader of that format."""

from __future__ import annotations

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from observastack.ingest.foreign.messages import WriteRequest
from observastack.store.labels import labels_of as labels_in_store
from runners.ledger.items import Resource, Sample
from runners.wire.remote_write import encode_write, labels_of
from tests.unit.datagen.worlds import world

STALE = bytes.fromhex("020000000000f07f")
keys = st.sampled_from(["a", "a.b", "a_b", "9x", "le", "tenant", "service", "__name__", "cpu.mode"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
samples = st.lists(
    st.builds(
        Sample, st.just(0), st.builds(Resource, texts, st.sampled_from("xy"), st.dictionaries(keys, texts, max_size=3)),
        st.sampled_from(["m", "n"]), st.just("1"), st.just("gauge"), st.just(0), st.integers(0, 2**63 - 1),
        st.one_of(st.floats(), st.integers(-(2**53), 2**53)), st.dictionaries(keys, texts | st.integers(-(2**63), 2**63 - 1), max_size=4),
    ),
    max_size=12,
)  # fmt: skip


def decoded(body: bytes) -> list[tuple[tuple[tuple[str, str], ...], int, bytes]]:
    return [
        (tuple((pair.name, pair.value) for pair in series.labels), sample.timestamp, struct.pack("<d", sample.value))
        for series in WriteRequest.FromString(body).timeseries
        for sample in series.samples
    ]


@given(samples)
def test_every_sample_is_there_under_its_labels(sent: list[Sample]) -> None:
    found = decoded(encode_write("acme", sent))
    expected = [
        (
            tuple(sorted(labels_of("acme", one).items())),
            one.time // 10**6,
            STALE if one.ended else struct.pack("<d", one.value),
        )
        for one in sent
    ]
    assert sorted(found) == sorted(expected)
    for labels, *_ in found:
        assert [*labels] == sorted(labels)


@given(samples)
def test_series_are_those_that_the_platform_makes_of_otlp(sent: list[Sample]) -> None:
    for one in sent:
        resource, attributes = dict(one.resource.attributes), dict(one.attributes)
        expected = labels_in_store(one.name, one.resource.service, "acme", resource, attributes)
        assert {name: value for name, value in labels_of("acme", one).items() if value} == expected


def test_a_series_says_its_labels_once_however_many_samples_it_has() -> None:
    small = world()
    sent = [one for tick in range(small.ticks) for one in small.slice(0, "metrics", tick)]
    series = WriteRequest.FromString(encode_write("acme", sent)).timeseries  # type: ignore[arg-type]
    names = [tuple((pair.name, pair.value) for pair in one.labels) for one in series]
    assert len(set(names)) == len(names) < len(sent) == sum(len(one.samples) for one in series)
    assert all(math.isfinite(sample.value) for one in series for sample in one.samples)
