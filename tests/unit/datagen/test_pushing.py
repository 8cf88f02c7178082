"""Loki's push requests from columns are those of the plain encoder, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observastack.ingest.foreign.messages import PushRequest
from runners.datagen.loki_pushing import _stamps
from runners.ledger.items import LogRecord
from runners.wire.loki import encode_push
from tests.unit.datagen.worlds import TEXT, world


def same(text: str, seed: int) -> int:
    """Records, all of which were compared."""
    of, seen = world(seed, text=text), 0
    for tick in range(of.ticks + 1):
        for batch in of.batches(tick):
            if batch.signal != "logs":
                continue
            items: list[LogRecord] = of.slice(batch.tenant, "logs", tick)  # type: ignore[assignment]
            own = [one for index, one in enumerate(items) if of.part_of(index, len(items)) == batch.part]
            made, plain = bytes(of.parcel(batch, wire="loki").body), encode_push(own)
            assert PushRequest.FromString(made) == PushRequest.FromString(plain)
            assert made == plain
            seen += len(own)
    return seen


@pytest.mark.parametrize("most", [7, 80, 5000])
def test_the_bytes_are_those_of_the_plain_encoder(most: int) -> None:
    assert same(TEXT.replace("max_items: 80", f"max_items: {most}").replace("20/s", "200/s"), 42) > 1000


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_seed(seed: int) -> None:
    assert same(TEXT, seed)


def test_at_a_whole_second_and_just_after() -> None:
    """Of nanoseconds that are 0 there is no field; small ones are short."""

    times = [
        1_795_000_000 * 10**9 + nanos for nanos in (0, 1, 127, 128, 16_383, 16_384, 2_097_152, 268_435_456, 999_999_999)
    ]
    found, sizes = _stamps(np.array(times, np.int64))
    for time, stamp, size in zip(times, found, sizes.tolist(), strict=True):
        assert len(stamp) == size
        (entry,) = (
            PushRequest.FromString(b"\x0a" + bytes([len(stamp) + 2]) + b"\x12" + bytes([len(stamp)]) + stamp)
            .streams[0]
            .entries
        )
        assert entry.timestamp.seconds * 10**9 + entry.timestamp.nanos == time
