"""A page of search: every asked source at once, merged in time order, with the state of each source."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from observastack import defects
from observastack.backend.database import Database
from observastack.backend.deadline import within
from observastack.backend.errors import ApiError, unavailable
from observastack.backend.search import cursor as cursors
from observastack.backend.search.cursor import Position, Walk
from observastack.backend.search.filters import BadFilter, conditions
from observastack.backend.search.model import SignalQuery, sources_of
from observastack.backend.search.rows import item
from observastack.backend.search.slices import Found, Slice, read
from observastack.backend.sources import TIMEOUT_S, SourceFailed, SourceName, Sources

SLOW_SEARCH_S = 6.0


@dataclass(frozen=True)
class Outcome:
    """What one source answered: rows and how far, or why not."""

    found: Found | None
    status: str
    reason: str | None = None


class Search:
    """Answers pages. Sources fail one by one: the page says which, and is an error only if all did."""

    def __init__(self, database: Database, sources: Sources) -> None:
        self._database, self._sources = database, sources

    async def page(self, tenant: int, query: SignalQuery, kind: str) -> dict[str, Any]:
        """A SearchResult. Raises ApiError 422 for a filter or cursor without meaning, 503 when every source failed."""
        began = time.perf_counter()
        await delayed_by_defect()
        descending = query.sort_order == "desc"
        mark = cursors.fingerprint(tenant, query, f"{kind} {query.sort_order}")
        walk = _walk(query, kind, mark)
        slices = {name: _slice(name, tenant, query, walk, position) for name, position in walk.positions.items()}
        outcomes = dict(zip(slices, await asyncio.gather(*(self._ask(one) for one in slices.values())), strict=True))
        if outcomes and all(outcome.found is None for outcome in outcomes.values()):
            raise unavailable(", ".join(f"{name} ({outcome.reason})" for name, outcome in outcomes.items()))
        taken, positions = merge(
            {name: outcome.found for name, outcome in outcomes.items()}, walk.positions, query.limit, descending
        )
        partial = any(
            outcome.found is None or (not outcome.found.complete and len(outcome.found.rows) < query.limit)
            for outcome in outcomes.values()
        )
        items = [item(name, row) for name, row in taken]
        return {
            "items": items,
            "stats": {
                "matched": len(items),
                "latency_ms": round((time.perf_counter() - began) * 1000, 3),
                "sources": _statuses(kind, outcomes, items),
            },
            "facets": facets(items),
            "next_cursor": cursors.encode(mark, Walk(walk.time_range, positions)) if positions else None,
            "partial": partial,
        }

    async def _ask(self, wanted: Slice) -> Outcome:
        try:
            found = await within(TIMEOUT_S, self._read(wanted))
        except SourceFailed as failure:
            return Outcome(None, "error", failure.reason)
        except (TimeoutError, psycopg.errors.QueryCanceled):
            return Outcome(None, "timeout", "took too long")
        except (psycopg.OperationalError, PoolTimeout):
            return Outcome(None, "error", "the store is not available")
        cut_short = not found.complete and len(found.rows) < wanted.limit
        return Outcome(found, "partial" if cut_short else "ok", "budget used up" if cut_short else None)

    async def _read(self, wanted: Slice) -> Found:
        await self._sources.enter(wanted.source)
        async with self._database.listing(wanted.tenant) as connection:
            return await read(connection, wanted)


async def delayed_by_defect() -> None:
    if defects.active("slow_search"):
        await asyncio.sleep(SLOW_SEARCH_S)


def merge(
    found: dict[SourceName, Found | None],
    before: dict[SourceName, Position | None],
    limit: int,
    descending: bool,
) -> tuple[list[tuple[SourceName, TupleRow]], dict[SourceName, Position | None]]:
    """The page in time order, and where each source that is not exhausted goes on.

    No item is given out beyond the point up to which *every* answering source was searched: a later page would
    otherwise hold items that belong before this one's.
    """
    sign = -1 if descending else 1
    rows = [
        (sign * row[0], sign * row[1], name, row)
        for name, answer in found.items()
        if answer is not None
        for row in answer.rows
    ]
    rows.sort(key=lambda entry: entry[:3])
    limits = [
        sign * answer.frontier[0]
        for answer in found.values()
        if answer is not None and answer.frontier is not None and len(answer.rows) < limit
    ]
    edge = min(limits, default=None)
    # A frontier (t, least id) means: searched down to t itself when descending, up to but not including t otherwise.
    reached = [entry for entry in rows if edge is None or entry[0] < edge or (descending and entry[0] == edge)][:limit]
    last: dict[SourceName, Position] = {name: (row[0], row[1]) for _, _, name, row in reached}
    given = Counter(name for _, _, name, _ in reached)
    positions: dict[SourceName, Position | None] = {}
    for name, answer in found.items():
        if answer is None:
            positions[name] = before[name]
        elif given[name] < len(answer.rows):
            positions[name] = last.get(name, before[name])
        elif not answer.complete:
            positions[name] = answer.frontier
    return [(name, row) for _, _, name, row in reached], positions


def facets(items: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How often each value occurs in the page's part of the time range."""
    counted: dict[str, Counter[str]] = {"source": Counter(), "service": Counter(), "severity": Counter()}
    for one in items:
        counted["source"][one["source"]] += 1
        counted["service"][one["service"]] += 1
        if one["source"] == "logs":
            counted["severity"][str(one["content"]["severity_number"])] += 1
    return {name: dict(counter.most_common(50)) for name, counter in counted.items()}


def _walk(query: SignalQuery, kind: str, mark: str) -> Walk:
    if query.cursor is None:
        return Walk(query.time_range, dict.fromkeys(sources_of(kind)))
    try:
        return cursors.decode(query.cursor, mark)
    except cursors.BadCursor as error:
        raise ApiError(422, str(error), code="bad_cursor") from None


def _slice(name: SourceName, tenant: int, query: SignalQuery, walk: Walk, position: Position | None) -> Slice:
    try:
        wanted = conditions(name, query.filters, query.free_text)
    except BadFilter as error:
        raise ApiError(422, str(error), code="bad_filter") from None
    return Slice(
        name,
        tenant,
        wanted,
        walk.time_range.start,
        walk.time_range.end,
        position,
        query.sort_order == "desc",
        query.limit,
    )


def _statuses(kind: str, outcomes: dict[SourceName, Outcome], items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    given = Counter(one["source"] for one in items)
    statuses: dict[str, dict[str, Any]] = {}
    for name in sources_of(kind):
        outcome = outcomes.get(name, Outcome(None, "ok"))  # not asked any more: exhausted on an earlier page
        statuses[name] = {"status": outcome.status, "count": given[name], "reason": outcome.reason}
    return statuses
