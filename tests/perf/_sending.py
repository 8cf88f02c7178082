"""Parcels on their way to a sink, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from runners.wire.parcel import Parcel, Sink

START_NS = 1_795_000_000 * 10**9


def send(parcels: Iterable[Parcel], sender: Sink) -> int:
    """Items that were acknowledged."""
    sent = 0
    for parcel in parcels:
        answer = sender.send(parcel)
        assert answer.status == 200, answer
        sent += parcel.items
    return sent
