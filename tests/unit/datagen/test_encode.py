"""The fast encoder writes, byte for byte, what the plain one writes for the same items."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.datagen.encode import SENTINELS, _log, _span
from runners.datagen.model.fields import VARIANTS
from runners.datagen.model.tables import tables
from runners.datagen.world import World
from runners.ledger.attempt import Batch
from runners.ledger.items import Item, Signal
from runners.wire.parcel import Parcel, pack_parcel
from tests.unit.datagen.worlds import TEXT, world

SIGNALS: tuple[Signal, ...] = ("logs", "traces")


def plainly(of: World, batch: Batch) -> Parcel:
    items: list[Item] = of.slice(batch.tenant, batch.signal, batch.tick)
    own = [item for index, item in enumerate(items) if of.part_of(index, len(items)) == batch.part]
    return pack_parcel(of.identity.run, of.tenants[batch.tenant], batch, own)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 7, 80, 10_000]), st.integers(1, 4), st.sampled_from(["1%", "60%"]))
def test_requests_are_those_of_the_plain_encoder(seed: int, most: int, instances: int, errors: str) -> None:
    text = TEXT.replace("max_items: 80", f"max_items: {most}").replace("errors: 15%", f"errors: {errors}")
    text = text.replace("instances: 2", f"instances: {instances}").replace("duration: 6s", "duration: 2s")
    of = world(seed, text=text)
    for tick in range(of.ticks):
        for batch in of.batches(tick):
            if batch.signal in SIGNALS:
                assert of.parcel(batch) == plainly(of, batch)


def test_every_span_and_line_of_the_topology_is_written_as_the_plain_encoder_does() -> None:
    """Enough requests to meet (nearly) all of them, failures and second attempts included."""
    of = world(
        text=TEXT.replace("20/s", "2000/s")
        .replace("duration: 6s", "duration: 1s")
        .replace("errors: 15%", "errors: 80%")
    )
    requests = of._tenants[0].stream.tick(0)
    assert len(set(tables().kind[requests.row].tolist())) > 0.9 * len(set(tables().kind.tolist()))
    for batch in of.batches(0):
        if batch.signal in SIGNALS and batch.tenant == 0:
            assert of.parcel(batch) == plainly(of, batch)


@pytest.mark.parametrize("make", [_span, _log])
def test_every_stencil_has_its_holes(make: object) -> None:
    log = make is _log
    kinds = len(tables().line_of if log else tables().kinds)
    for kind in range(kinds):
        for variant in range(0, VARIANTS, 17):
            stencil, _ = (_log if log else _span)(kind, variant)
            assert {"trace", "span"} | ({"item", "time", "took"} if log else {"start", "end"}) <= set(stencil.holes)
            for name, places in stencil.holes.items():
                assert all(stencil.data[at:].startswith(SENTINELS[name]) for at in places)
            if not log:
                visit = tables().kinds[kind]
                assert ("parent" in stencil.holes) == (visit.parent >= 0)
                assert ("cause_span" in stencil.holes) == (visit.link >= 0)
                assert len(stencil.holes["end"]) == 1 + visit.origin


def test_sentinels_are_unlike_each_other() -> None:
    every = list(SENTINELS.values())
    assert not [(a, b) for a in every for b in every if a is not b and a in b]
    assert len(struct.pack("<d", 1.0)) == len(SENTINELS["took"])
