"""Delivery faults: requests that come late or out of order, and requests that no platform should take.

What is held back is chosen by the batch and the seed alone. Broken and oversized requests are made of a batch that is
sent as well: a platform that stores any of them is found out by the audit, which sees items twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from runners.config.document import Bytes, Seconds, Share, Strict
from runners.ledger.attempt import Batch, Flag
from runners.ledger.identity import derive

if TYPE_CHECKING:
    from runners.wire.parcel import Parcel

Spoilt = Literal["malformed", "oversized"]
_WHOLE = 1 << 32
_NO_FIELD = b"\x07\x07"  # field 0 of wire type 7: there is neither


class Late(Strict):
    """share: of the requests; by: how much later than they are due these are sent."""

    share: Annotated[Share, Field(gt=0)]
    by: Annotated[Seconds, Field(gt=0, le=3600)]


class OutOfOrder(Strict):
    """share: of the requests; within: by anything up to this they are held back, so that later ones overtake them."""

    share: Annotated[Share, Field(gt=0)]
    within: Annotated[Seconds, Field(gt=0, le=3600)]


class Malformed(Strict):
    """every: how often a request is sent whose body is no protobuf."""

    every: Annotated[Seconds, Field(gt=0)]


class Oversized(Strict):
    """every: how often a request is sent that is larger than any sink takes; size: of its body, uncompressed."""

    every: Annotated[Seconds, Field(gt=0)]
    size: Annotated[Bytes, Field(ge=1_000_000, le=1_000_000_000)] = 64 << 20


class Faults(Strict):
    """What goes wrong on the way."""

    late: Late | None = None
    out_of_order: OutOfOrder | None = None
    malformed: Malformed | None = None
    oversized: Oversized | None = None


def held_back_s(faults: Faults, seed: int, batch: Batch) -> float:
    """How much later than it is due a request is sent; 0 for most of them."""
    late, shuffled = faults.late, faults.out_of_order
    if late is not None and _draw("late", seed, batch) < late.share * _WHOLE:
        return late.by
    if shuffled is not None and _draw("order", seed, batch) < shuffled.share * _WHOLE:
        return shuffled.within * (1 + _draw("wait", seed, batch)) / _WHOLE
    return 0.0


def due(faults: Faults, tick: int, tick_s: float) -> list[Spoilt]:
    """What is to be sent in this tick beside its own requests."""
    intervals: list[tuple[Spoilt, float | None]] = [
        ("malformed", faults.malformed.every if faults.malformed else None),
        ("oversized", faults.oversized.every if faults.oversized else None),
    ]
    return [
        kind
        for kind, every in intervals
        if every is not None and int((tick + 1) * tick_s / every + 1e-9) > int(tick * tick_s / every + 1e-9)
    ]


def spoil(faults: Faults, kind: Spoilt, parcels: Sequence[Parcel], turn: int) -> Parcel:
    """A request of this kind, made of one of these in turn."""
    original = parcels[turn % len(parcels)]
    body = bytes(original.body)
    if kind == "malformed":
        body = body[: len(body) * 2 // 3] + _NO_FIELD
    elif faults.oversized is not None:
        body *= -(-faults.oversized.size // len(body))  # the same items again and again: protobuf is concatenated
    return replace(original, body=body, key=f"{original.key}-{kind}", flags=Flag.NONE)


@dataclass(frozen=True)
class Refusal:
    """What became of one spoilt request. status: of HTTP, 0 without an answer."""

    kind: Spoilt
    tenant: str
    signal: str
    size: int
    at: float
    status: int

    @property
    def taken(self) -> bool:
        """Was it acknowledged, which it must not be?"""
        return 200 <= self.status < 300


def complaint(refusals: Sequence[Refusal]) -> str:
    """What is to be said against the platform; empty when it refused all of them."""
    said = []
    for kind in ("malformed", "oversized"):
        of = [one for one in refusals if one.kind == kind]
        if taken := sum(one.taken for one in of):
            said.append(f"{taken} of {len(of)} {kind} requests were acknowledged")
    return "; ".join(said)


def _draw(use: str, seed: int, batch: Batch) -> int:
    return derive(seed, use, *batch) >> 32
