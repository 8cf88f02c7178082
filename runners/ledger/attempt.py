"""One row of the ledger: an attempt to send one request, in 96 bytes.

The first 80 bytes are written before the request goes out, the last 16 (the outcome) after the answer came. The
outcome starts as zeros, which reads as `unknown`; it is aligned to 16 bytes, so it never spans two memory pages and one
write puts all of it there or nothing. A killed generator therefore leaves `unknown`, never something wrong.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum, IntFlag
from typing import NamedTuple

from runners.ledger.items import SIGNALS, Signal

ROW_BYTES = 96
OUTCOME_OFFSET = 80
_BODY = struct.Struct("<BBHHHHIIQQQQIIQ")  # 66 bytes, then 10 spare, then the checksum
_SPARE = bytes(OUTCOME_OFFSET - _BODY.size - 4)
_OUTCOME = struct.Struct("<BxHII")
_CHECK = struct.Struct("<I")
_OPEN = bytes(ROW_BYTES - OUTCOME_OFFSET)


class Outcome(IntEnum):
    """What is known of an attempt. refused: certainly not stored, by its answer or (status 0) because it never was sent; worth
    another try."""

    UNKNOWN = 0
    ACKED = 1
    REJECTED = 2
    PARTIAL = 3
    REFUSED = 4


class Flag(IntFlag):
    """resend: sent again on purpose after it was acknowledged; sentinel: the last item of its tenant and signal."""

    NONE = 0
    RESEND = 1
    SENTINEL = 2


class Batch(NamedTuple):
    """Which request: part `part` of what `tenant` emitted of `signal` in tick `tick`."""

    tenant: int
    signal: Signal
    tick: int
    part: int


class Attempt(NamedTuple):
    """sent_at: Unix nanoseconds; first_time, last_time: of the items; bytes, checksum (CRC-32): of the body before it was
    compressed; sink: its place among the header's `outlets`, below 256."""

    batch: Batch
    number: int
    flags: Flag
    items: int
    first_seq: int
    last_seq: int
    first_time: int
    last_time: int
    bytes: int
    checksum: int
    sent_at: int
    sink: int = 0


class Settled(NamedTuple):
    """rejected: items that a partial success refused; status: HTTP status or 0; took_us: until the answer."""

    outcome: Outcome
    status: int = 0
    rejected: int = 0
    took_us: int = 0


def pack(attempt: Attempt) -> bytes:
    """96 bytes with an open outcome."""
    batch = attempt.batch
    body = _BODY.pack(
        SIGNALS.index(batch.signal), attempt.sink, batch.tenant, attempt.number, attempt.flags, batch.part, batch.tick,
        attempt.items, attempt.first_seq, attempt.last_seq, attempt.first_time, attempt.last_time,
        attempt.bytes, attempt.checksum, attempt.sent_at,
    ) + _SPARE  # fmt: skip
    return body + _CHECK.pack(zlib.crc32(body)) + bytes(ROW_BYTES - OUTCOME_OFFSET)


def pack_outcome(row: int, settled: Settled) -> bytes:
    """The last 16 bytes of row number `row`."""
    body = _OUTCOME.pack(settled.outcome, settled.status, settled.rejected, min(settled.took_us, 0xFFFFFFFF))
    return body + _CHECK.pack(zlib.crc32(body, row & 0xFFFFFFFF))


def unpack(data: bytes, row: int) -> tuple[Attempt, Settled] | None:
    """None when the row is torn or its outcome is damaged; an absent outcome (zeros) reads as unknown."""
    body, check = data[: OUTCOME_OFFSET - 4], data[OUTCOME_OFFSET - 4 : OUTCOME_OFFSET]
    if len(data) != ROW_BYTES or _CHECK.unpack(check)[0] != zlib.crc32(body):
        return None
    (
        signal,
        sink,
        tenant,
        number,
        flags,
        part,
        tick,
        items,
        first,
        last,
        first_time,
        last_time,
        size,
        checksum,
        sent_at,
    ) = _BODY.unpack(body[: _BODY.size])
    batch = Batch(tenant, SIGNALS[signal], tick, part)
    attempt = Attempt(
        batch, number, Flag(flags), items, first, last, first_time, last_time, size, checksum, sent_at, sink
    )  # fmt: skip
    settled = _outcome(data[OUTCOME_OFFSET:], row)
    return None if settled is None else (attempt, settled)


def _outcome(data: bytes, row: int) -> Settled | None:
    if data == _OPEN:
        return Settled(Outcome.UNKNOWN)
    if _CHECK.unpack(data[12:])[0] != zlib.crc32(data[:12], row & 0xFFFFFFFF):
        return None  # it was written in one piece: damaged since, and "unknown" would excuse a loss
    code, status, rejected, took_us = _OUTCOME.unpack(data[:12])
    return Settled(Outcome(code), status, rejected, took_us)
