"""One encoded request on its way to a sink, and what a sink may answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from isal import isal_zlib

from runners.ledger.attempt import Attempt, Batch, Flag
from runners.ledger.items import SIGNALS, Item, LogRecord, Point, Signal, moment
from runners.wire.loki import encode_push
from runners.wire.otlp import encode
from runners.wire.remote_write import encode_write

Wire = Literal["otlp", "loki", "remote_write"]
"""What a sink understands."""
CARRIES: Mapping[Wire, tuple[Signal, ...]] = {"otlp": SIGNALS, "loki": ("logs",), "remote_write": ("metrics",)}
"""The signals that can be said in it."""


@dataclass(frozen=True)
class Parcel:
    """body: the uncompressed protobuf request; key: its Idempotency-Key, the same for every attempt; packed: the body as it
    travels, where a sink has compressed it already; checksum: CRC-32 of the body, where it is known."""

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
    packed: bytes | memoryview | None = None
    checksum: int | None = None

    def attempt(self, number: int, sent_at: int, sink: int = 0) -> Attempt:
        """The ledger's row for one attempt to send it."""
        checksum = isal_zlib.crc32(self.body) if self.checksum is None else self.checksum
        return Attempt(
            self.batch, number, self.flags, self.items, self.first_seq, self.last_seq, self.first_time,
            self.last_time, len(self.body), checksum, sent_at, sink,
        )  # fmt: skip


def key_of(run: str, batch: Batch) -> str:
    """The Idempotency-Key of a batch."""
    return f"{run}-{batch.tenant}-{batch.signal}-{batch.tick}-{batch.part}"


def pack_parcel(
    run: str, tenant: str, batch: Batch, items: Sequence[Item], flags: Flag = Flag.NONE, *, wire: Wire = "otlp"
) -> Parcel:
    """Encode one batch; equal arguments give equal bytes and the same key."""
    numbers = [item.seq for item in items]
    times = [moment(item) for item in items]
    return Parcel(
        batch, tenant, _encode(tenant, batch.signal, items, wire), key_of(run, batch), flags, len(items), min(numbers),
        max(numbers), min(times), max(times),
    )  # fmt: skip


def _encode(tenant: str, signal: Signal, items: Sequence[Item], wire: Wire) -> bytes:
    if wire == "loki":
        return encode_push(cast("Sequence[LogRecord]", items))
    if wire == "remote_write":
        return encode_write(tenant, cast("Sequence[Point]", items))
    return encode(signal, items)


@dataclass(frozen=True)
class Answer:
    """status: of HTTP, 0 when there was none; rejected: how many items of those that were sent, when the others are
    stored; retry_after_s: as the sink asked; final: refused for good, whatever the status says elsewhere; sent: False when
    the request never left; parted: some of it may be stored, although it was refused for now."""

    status: int
    rejected: int = 0
    retry_after_s: float | None = None
    error: str = ""
    final: bool = False
    sent: bool = True
    parted: bool = False


class Sink(Protocol):
    """Where parcels go. One sink object belongs to one thread."""

    def pack(self, parcel: Parcel) -> Parcel:
        """The parcel with what every attempt to send it needs, made once; most need nothing."""
        return parcel

    def send(self, parcel: Parcel) -> Answer:
        """Deliver one parcel; failures are answers, not exceptions."""

    def close(self) -> None: ...
