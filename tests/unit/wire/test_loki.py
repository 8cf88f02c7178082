"""Loki push requests, decoded by the platform's own reader of that format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observastack.ingest.foreign.loki_push import parse_labels
from observastack.ingest.foreign.messages import PushRequest
from runners.ledger.items import ITEM_ATTRIBUTE, LogRecord, Resource
from runners.ledger.pushed import metadata_of
from runners.wire.loki import encode_push
from tests.unit.datagen.worlds import world

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
keys = st.sampled_from(["a", "a.b", "a_b", "9x", "service.name", "trace_id", "level", "thread.id"])
values = st.one_of(texts, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False))
ids = st.sampled_from([b"", b"\x01" * 16, bytes(range(16))])
records = st.lists(
    st.builds(
        LogRecord, st.just(0), st.builds(Resource, texts, st.sampled_from("xyz"), st.just({"service.name": "shop", "k": 1})),
        st.integers(0, 2**63 - 1), st.integers(0, 24), st.sampled_from(["INFO", "WARN", ""]), texts, ids,
        ids.map(lambda one: one[:8]), st.dictionaries(keys, values, max_size=6),
    ),
    max_size=12,
)  # fmt: skip


def decoded(body: bytes) -> list[tuple[dict[str, str], int, str, dict[str, str]]]:
    return [
        (
            parse_labels(stream.labels), entry.timestamp.seconds * 10**9 + entry.timestamp.nanos, entry.line,
            {pair.name: pair.value for pair in entry.metadata},
        )
        for stream in PushRequest.FromString(body).streams
        for entry in stream.entries
    ]  # fmt: skip


@given(records)
def test_every_record_is_one_entry_that_says_all_of_it(sent: list[LogRecord]) -> None:
    found = decoded(encode_push(sent))
    expected = [(one.time, one.body, metadata_of(one)) for one in sent]
    assert sorted(map(repr, (entry[1:] for entry in found))) == sorted(map(repr, expected))
    for labels, *_, metadata in found:
        assert not labels.keys() & metadata.keys()
        assert len(metadata) == len(set(metadata))


def test_streams_are_few_and_their_entries_stand_together() -> None:
    small = world()
    sent = [one for tick in range(small.ticks) for one in small.slice(0, "logs", tick)]
    streams = PushRequest.FromString(encode_push(sent)).streams  # type: ignore[arg-type]
    labels = [stream.labels for stream in streams]
    assert len(set(labels)) == len(labels) <= 12 * 5
    assert {*parse_labels(labels[0])} == {"service_name", "service_namespace", "deployment_environment_name", "level"}
    assert len(sent) > 20 * len(labels)


def test_an_entry_says_which_item_it_is_and_where_it_belongs() -> None:
    small = world()
    for one in small.slice(0, "logs", 2):
        assert isinstance(one, LogRecord)
        ((labels, time, line, metadata),) = decoded(encode_push([one]))
        assert small.identity.of_log_id(metadata["testbed_item_id"]) == (0, one.seq)
        assert metadata["testbed_item_id"] == one.attributes[ITEM_ATTRIBUTE]
        assert (time, line, labels["service_name"]) == (one.time, one.body, one.resource.service)
        assert (metadata["trace_id"], metadata["span_id"]) == (one.trace_id.hex(), one.span_id.hex())
        assert metadata["testbed_run_id"] == small.identity.run


@pytest.mark.parametrize("value", ['say "hello"', "back\\slash", "two\nlines", "ünï"])
def test_labels_of_streams_are_quoted(value: str) -> None:
    sent = LogRecord(0, Resource(value, "i", {"service.name": value}), 1, 9, "INFO", "x", b"", b"", {})
    ((labels, *_),) = decoded(encode_push([sent]))
    assert labels == {"service_name": value, "level": "info"}
