"""What is told of what happened: not every span gets through, not every debug record is written, not every clock is right."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from runners.datagen.model.long_traces import Long
from runners.datagen.model.requests import Integers, Requests
from runners.ledger.mixing import CHANCES, chance


class Habits(NamedTuple):
    """How a shop tells what happens. orphans: share of the spans that get lost before they are told; debug: share of the
    requests whose debug records are written, None for all; skews: by ordinal of the instance, nanoseconds by which its
    host's clock is fast, none of them: all are right; asides: remarks among the records; long: of traces."""

    orphans: float = 0.0
    debug: float | None = None
    skews: tuple[int, ...] = ()
    asides: bool = False
    long: Long | None = None

    @property
    def thin(self) -> bool:
        """Is less told than happened, whatever the anomalies?"""
        return self.orphans > 0 or self.debug is not None


def thinned(found: Requests, habits: Habits, mute: Integers | None, key: int) -> Requests:
    """The requests of a tick without what nobody hears of. mute: by service, 1 where it is silent."""
    terse = None
    heard = np.ones(len(found.row), bool)
    if mute is not None:
        heard &= mute[found.tables.service[found.row]] == 0
    if habits.orphans:
        heard &= chance(key, found.span_numbers) >= round(habits.orphans * CHANCES)
    if habits.debug is not None:
        terse = chance(key ^ 1, found.number) >= round(habits.debug * CHANCES)
    return replace(found, heard=None if heard.all() else np.flatnonzero(heard), mute=mute, terse=terse)


def count_logs(found: Requests) -> int:
    """Number of log records that are written of these requests."""
    lines = found.tables.lines[found.row]
    if found.mute is not None:
        lines = lines * (1 - found.mute[found.tables.service[found.row]])
    if found.terse is not None:
        lines = lines - found.tables.debugs[found.row] * (lines > 0) * found.terse[found.request]
    return int(lines.sum())
