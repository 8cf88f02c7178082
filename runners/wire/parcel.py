"""One encoded request on its way to a sink, and what a sink may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib

from runners.ledger.attempt import Attempt, Batch, Flag
from runners.ledger.items import Item, moment
from runners.wire.otlp import encode


@dataclass(frozen=True)
class Parcel:
    """body: the uncompressed protobuf request; key: its Idempotency-Key, the same for every attempt."""

    batch: Batch
    tenant: str
    body: bytes | memoryview
    key: str
    flags: Flag
    items: int
    first_seq: int
    last_seq: int
    first_time: int
    last_time: int

    def attempt(self, number: int, sent_at: int) -> Attempt:
        """The ledger's row for one attempt to send it."""
        return Attempt(
            self.batch, number, self.flags, self.items, self.first_seq, self.last_seq, self.first_time,
            self.last_time, len(self.body), isal_zlib.crc32(self.body), sent_at,
        )  # fmt: skip


def key_of(run: str, batch: Batch) -> str:
    """The Idempotency-Key of a batch."""
    return f"{run}-{batch.tenant}-{batch.signal}-{batch.tick}-{batch.part}"


def pack_parcel(run: str, tenant: str, batch: Batch, items: Sequence[Item], flags: Flag = Flag.NONE) -> Parcel:
    """Encode one batch; equal arguments give equal bytes and the same key."""
    numbers = [item.seq for item in items]
    times = [moment(item) for item in items]
    return Parcel(
        batch, tenant, encode(batch.signal, items), key_of(run, batch), flags, len(items), min(numbers), max(numbers),
        min(times), max(times),
    )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """status: of HTTP, 0 when there was none; rejected: by a partial success; retry_after_s: as the sink asked."""

    status: int
    rejected: int = 0
    retry_after_s: float | None = None
    error: str = ""


class Sink(Protocol):
    """Where parcels go. One sink object belongs to one thread."""

    def send(self, parcel: Parcel) -> Answer:
        """Deliver one parcel; failures are answers, not exceptions."""

    def close(self) -> None: ...
