"""Shards are disjoint, together they are everything, and what a request says does not depend on how many there are."""

from __future__ import annotations

import pytest

from runners.datagen.shard import Shard
from runners.ledger.attempt import Batch
from runners.wire.parcel import Parcel
from tests.unit.datagen.worlds import world


def made(shard: Shard) -> dict[Batch, Parcel]:
    """By a world of its own, as by a process of its own."""
    of = world()
    return {
        batch: of.parcel(batch)
        for tick in range(of.ticks + 1)
        for batch in of.batches(tick)
        if shard.takes(batch.tenant, tick, len(of.tenants))
    }


@pytest.mark.parametrize("shards", [2, 5])
def test_any_number_of_shards_makes_the_same_bytes(shards: int) -> None:
    whole = made(Shard())
    parts = [made(Shard(part, shards)) for part in range(shards)]
    assert all(parts)
    together: dict[Batch, Parcel] = {}
    for part in parts:
        assert not together.keys() & part.keys()
        together |= part
    assert together == whole
    assert [bytes(together[batch].body) for batch in whole] == [bytes(parcel.body) for parcel in whole.values()]
