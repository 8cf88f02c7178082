"""One source, newest (or oldest) first, in time slices under a budget: never more work than was asked for.

Free text and attribute conditions are not leakproof, so under row-level security no index serves them: they are
filters over the time index, and only the width of the slice bounds what they read.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from observastack import defects
from observastack.backend.database import Connection
from observastack.backend.sources import SourceName
from observastack.backend.stores.embedded.filters import Conditions
from observastack.backend.stores.embedded.rows import item, select
from observastack.backend.stores.ports import LEAST_ID, Found, Position

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


async def read(connection: Connection, wanted: Slice, *, budget_s: float = BUDGET_S) -> Found:
    """Raises psycopg.errors.QueryCanceled when an index alone should have answered and did not in time."""
    start, end = wanted.start, wanted.end
    if wanted.after is not None:
        start, end = (start, min(end, wanted.after[0] + 1)) if wanted.descending else (max(start, wanted.after[0]), end)
    if wanted.conditions.indexed:
        return _found(wanted, await _rows(connection, wanted, start, end, wanted.limit), None)
    rows: list[TupleRow] = []

    async def more(first: int, last: int) -> bool:
        rows.extend(await _rows(connection, wanted, first, last, wanted.limit - len(rows)))
        return len(rows) < wanted.limit

    edge = await sliced(connection, (start, end), more, descending=wanted.descending, budget_s=budget_s)
    return _found(wanted, rows, edge)


async def sliced(
    connection: Connection,
    span: tuple[int, int],
    more: Callable[[int, int], Awaitable[bool]],
    *,
    descending: bool,
    budget_s: float,
) -> int | None:
    """Call more(first, last) for one part of the span after the other while it asks for another and the budget lasts.

    Returns the edge up to which all was read; None when that is the whole span, or when `more` had enough.
    """
    began, width = time.monotonic(), FIRST_WIDTH_NS
    low, high = span  # what is left to search
    while low < high:
        first, last = (max(low, high - width), high) if descending else (low, min(high, low + width))
        part = time.monotonic()
        try:
            async with connection.transaction():  # a savepoint: a slice that takes too long must not lose the others
                enough = not await more(first, last)
        except psycopg.errors.QueryCanceled:
            if width <= LEAST_WIDTH_NS or time.monotonic() - began > budget_s:
                break
            width //= 8
            continue
        if enough:
            return None
        low, high = (low, first) if descending else (last, high)
        left = budget_s - (time.monotonic() - began)
        if left <= 0:
            break
        # The next slice as wide as takes half of what is left, at the speed just seen.
        took = max(time.monotonic() - part, 1e-3)
        width = int(max(LEAST_WIDTH_NS, min(width * 4, width * left / took * 0.5)))
    return None if low >= high else high if descending else low


def _found(wanted: Slice, rows: list[TupleRow], edge: int | None) -> Found:
    found = [(row[0], row[1], item(wanted.source, row)) for row in rows]
    if len(rows) >= wanted.limit:
        return Found(found, False, (rows[-1][0], rows[-1][1]))
    return Found(found, edge is None, None if edge is None else (edge, LEAST_ID))


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
