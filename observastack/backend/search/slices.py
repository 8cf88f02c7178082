"""One source, newest (or oldest) first, in time slices under a budget: never more work than was asked for.

Free text and attribute conditions are not leakproof, so under row-level security no index serves them: they are
filters over the time index, and only the width of the slice bounds what they read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from observastack import defects
from observastack.backend.database import Connection
from observastack.backend.search.cursor import LEAST_ID, Position
from observastack.backend.search.filters import Conditions
from observastack.backend.search.rows import select
from observastack.backend.sources import SourceName

FIRST_WIDTH_NS = 900 * 10**9
LEAST_WIDTH_NS = 60 * 10**9
BUDGET_S = 0.5


@dataclass(frozen=True)
class Slice:
    """What to read: [start, end) beyond `after`, in the given direction."""

    source: SourceName
    tenant: int
    conditions: Conditions
    start: int
    end: int
    after: Position | None
    descending: bool
    limit: int


@dataclass(frozen=True)
class Found:
    """rows in order. complete: the range is exhausted. frontier: how far everything was searched, when it is not."""

    rows: list[TupleRow]
    complete: bool
    frontier: Position | None


async def read(connection: Connection, wanted: Slice, *, budget_s: float = BUDGET_S) -> Found:
    """Raises psycopg.errors.QueryCanceled when an index alone should have answered and did not in time."""
    start, end = wanted.start, wanted.end
    if wanted.after is not None:
        start, end = (start, min(end, wanted.after[0] + 1)) if wanted.descending else (max(start, wanted.after[0]), end)
    if wanted.conditions.indexed:
        rows = await _rows(connection, wanted, start, end, wanted.limit)
        return _found(rows, wanted.limit, None)
    return await _sliced(connection, wanted, start, end, budget_s)


async def _sliced(connection: Connection, wanted: Slice, start: int, end: int, budget_s: float) -> Found:
    rows: list[TupleRow] = []
    began, width = time.monotonic(), FIRST_WIDTH_NS
    low, high = start, end  # what is left to search
    while low < high and len(rows) < wanted.limit:
        first, last = (max(low, high - width), high) if wanted.descending else (low, min(high, low + width))
        sliced = time.monotonic()
        try:
            async with connection.transaction():  # a savepoint: a slice that takes too long must not lose the others
                rows += await _rows(connection, wanted, first, last, wanted.limit - len(rows))
        except psycopg.errors.QueryCanceled:
            if width <= LEAST_WIDTH_NS or time.monotonic() - began > budget_s:
                break
            width //= 8
            continue
        if len(rows) >= wanted.limit:
            break
        low, high = (low, first) if wanted.descending else (last, high)
        left = budget_s - (time.monotonic() - began)
        if left <= 0:
            break
        # The next slice as wide as takes half of what is left, at the speed just seen.
        took = max(time.monotonic() - sliced, 1e-3)
        width = int(max(LEAST_WIDTH_NS, min(width * 4, width * left / took * 0.5)))
    frontier = None if low >= high else (high if wanted.descending else low, LEAST_ID)
    return _found(rows, wanted.limit, frontier)


def _found(rows: list[TupleRow], limit: int, frontier: Position | None) -> Found:
    if len(rows) >= limit:
        return Found(rows, False, (rows[-1][0], rows[-1][1]))
    return Found(rows, frontier is None, frontier)


async def _rows(connection: Connection, wanted: Slice, start: int, end: int, limit: int) -> list[TupleRow]:
    parameters: dict[str, Any] = {**wanted.conditions.parameters, "start": start, "end": end, "limit": limit}
    where = f"s.ts >= %(start)s AND s.ts < %(end)s{wanted.conditions.sql}"
    if not defects.active("list_leak"):
        where = f"s.tenant_id = %(tenant)s AND {where}"
        parameters["tenant"] = wanted.tenant
    if wanted.after is not None:
        where += f" AND (s.ts, s.id) {'<' if wanted.descending else '>'} (%(ts)s, %(id)s)"
        parameters["ts"], parameters["id"] = wanted.after
    statement = select(wanted.source, where, descending=wanted.descending, limit="%(limit)s")
    # Not prepared: a generic plan would not know how selective these values are.
    cursor = await connection.execute(statement.encode(), parameters, prepare=False)
    return await cursor.fetchall()
