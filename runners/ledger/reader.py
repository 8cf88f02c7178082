"""Reading a ledger: attempts as a stream, and the fate of each request as the sum of its attempts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.ledger.attempt import ROW_BYTES, Attempt, Batch, Flag, Outcome, Settled, unpack
from runners.ledger.header import ROWS, SHARDS
from runners.lib import locks
from runners.lib.errors import NotReady

_CHUNK_ROWS = 4096


def files(folder: Path) -> list[Path]:
    """The files of rows of a ledger: the run's own, and one of each further shard."""
    return [folder / ROWS, *sorted(folder.glob(f"{SHARDS}/{ROWS}"))]


def read_attempts(folder: Path, sink: int | None = None) -> Iterator[tuple[Attempt, Settled]]:
    """Rows in the order of sending, shard by shard; of one sink only or of all. Raises NotReady as `read_rows` does."""
    for path in files(folder):
        for found in read_rows(path):
            if sink is None or found[0].sink == sink:
                yield found


def read_rows(path: Path) -> Iterator[tuple[Attempt, Settled]]:
    """The rows of one file. A torn tail (short, or zeros: the generator was killed while writing it, or the machine lost
    power before the rows came to the disk) ends the stream. Raises NotReady when a row is damaged that others follow, or an outcome: such a ledger proves nothing."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotReady(
            f"the ledger cannot be read: {error.strerror}",
            file=path,
            remedy="restore it from a copy, or its permissions",
        ) from None
    with file:
        row = 0
        torn: int | None = None
        while chunk := file.read(_CHUNK_ROWS * ROW_BYTES):
            for start in range(0, len(chunk), ROW_BYTES):
                data = chunk[start : start + ROW_BYTES]
                found = unpack(data, row) if torn is None else None
                if found is not None:
                    yield found
                elif not any(data) or (torn is None and len(data) < ROW_BYTES):
                    torn = row if torn is None else torn
                else:
                    raise NotReady(
                        f"row {row if torn is None else torn} of the ledger is damaged", file=path,
                        remedy="restore the file from a copy: what a damaged ledger says of the store proves nothing",
                    )  # fmt: skip
                row += 1


def being_written(folder: Path) -> bool:
    """Does its generator, or a shard of it, still add to this ledger? What it says now is then no account of the store."""
    try:
        return any(locks.held(path) for path in files(folder))
    except OSError:  # not ours to write: nobody else writes there either
        return False


@dataclass(slots=True)
class Fate:
    """One request, all attempts together.

    outcome: acked if any attempt was; else partial; else unknown if any was; else rejected (or refused to the end).
    copies: how often it may have been stored by a target without idempotency: every attempt but those answered with a
    refusal. refused_items: what a partial success refused. unknown: attempts without a known outcome; status: of the
    answer that decided, 0 when there was none (refused: it never was sent); sent_at, last_sent_at: of the first and the last attempt.
    """

    batch: Batch
    items: int
    first_time: int
    last_time: int
    outcome: Outcome
    copies: int = 0
    attempts: int = 0
    refused_items: int = 0
    flags: Flag = Flag.NONE
    sent_at: int = 0
    last_sent_at: int = 0
    unknown: int = 0
    status: int = 0


_RANK = {Outcome.ACKED: 4, Outcome.PARTIAL: 3, Outcome.UNKNOWN: 2, Outcome.REJECTED: 1, Outcome.REFUSED: 0}


def fates(attempts: Iterable[tuple[Attempt, Settled]]) -> dict[Batch, Fate]:
    """Attempts at one sink folded by request, in the order of first sending."""
    result: dict[Batch, Fate] = {}
    for attempt, settled in attempts:
        fate = result.get(attempt.batch)
        if fate is None:
            fate = result[attempt.batch] = Fate(
                attempt.batch, attempt.items, attempt.first_time, attempt.last_time, settled.outcome,
                sent_at=attempt.sent_at, status=settled.status,
            )  # fmt: skip
        more = _RANK[settled.outcome] - _RANK[fate.outcome]
        if more > 0 or (not more and not fate.status):
            fate.outcome, fate.status = settled.outcome, settled.status
        if settled.outcome is Outcome.PARTIAL:
            fate.refused_items = settled.rejected
        fate.copies += settled.outcome in (Outcome.ACKED, Outcome.PARTIAL, Outcome.UNKNOWN)
        fate.unknown += settled.outcome is Outcome.UNKNOWN
        fate.attempts += 1
        fate.last_sent_at = max(fate.last_sent_at, attempt.sent_at)
        fate.flags |= attempt.flags
    return result


@dataclass(frozen=True)
class Totals:
    """Items by what is known of them; sent is their sum. An item is counted once, however often it was sent."""

    sent: int = 0
    acked: int = 0
    rejected: int = 0
    unknown: int = 0


def totals(of: Iterable[Fate]) -> Totals:
    sent = acked = rejected = unknown = 0
    for fate in of:
        sent += fate.items
        if fate.outcome is Outcome.ACKED:
            acked += fate.items
        elif fate.outcome is Outcome.PARTIAL:
            if fate.unknown:  # an attempt without an answer may have stored what the last one refused
                unknown += fate.refused_items
            else:
                rejected += fate.refused_items
            acked += fate.items - fate.refused_items
        elif fate.outcome is Outcome.UNKNOWN:
            unknown += fate.items
        else:
            rejected += fate.items
    return Totals(sent, acked, rejected, unknown)
