"""Shards are disjoint, together they are everything, and what a request says does not depend on how many there are."""

from __future__ import annotations

import pytest

from runners.datagen.shard import Shard
from runners.ledger.attempt import Batch
from runners.wire.parcel import CARRIES, Parcel, Wire
from tests.unit.datagen.worlds import TEXT, world

ENDING = (
    TEXT.replace("cpus: 1", "cpus: 1, histograms: true, restart: 3s, series: 9000, churn: 20%/s, staleness: true")
    + """
anomalies: [{name: out, kind: deploy, target: {service: cart}, at: 1s, lasts: 3s}]
"""
)


def made(shard: Shard, text: str, wire: Wire) -> dict[Batch, Parcel]:
    """By a world of its own, as by a process of its own."""
    of = world(text=text)
    return {
        batch: of.parcel(batch, wire=wire)
        for tick in range(of.ticks + 1)
        for batch in of.batches(tick)
        if shard.takes(batch.tenant, tick, len(of.tenants)) and batch.signal in CARRIES[wire]
    }


@pytest.mark.parametrize(
    ("shards", "text", "wire"),
    [(2, TEXT, "otlp"), (5, TEXT, "otlp"), (2, ENDING, "otlp"), (5, ENDING, "otlp"), (2, ENDING, "remote_write")],
)
def test_any_number_of_shards_makes_the_same_bytes(shards: int, text: str, wire: Wire) -> None:
    whole = made(Shard(), text, wire)
    parts = [made(Shard(part, shards), text, wire) for part in range(shards)]
    assert all(parts)
    together: dict[Batch, Parcel] = {}
    for part in parts:
        assert not together.keys() & part.keys()
        together |= part
    assert together == whole
    assert [bytes(together[batch].body) for batch in whole] == [bytes(parcel.body) for parcel in whole.values()]
