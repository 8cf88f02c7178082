"""A page of search: every asked source at once, merged in time order, with the state of each source."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from observastack import defects
from observastack.backend.errors import ApiError, unavailable
from observastack.backend.search import cursor as cursors
from observastack.backend.search.cursor import Walk
from observastack.backend.search.fields import BadFilter
from observastack.backend.search.model import Selection, SignalQuery, TimeRange, sources_of
from observastack.backend.sources import SourceFailed, SourceName, Sources
from observastack.backend.stores.ports import Found, Position, Row, Selected, Stores, Tenant, Wanted

SLOW_SEARCH_S = 6.0


@dataclass(frozen=True)
class Outcome:
    """What one source answered: rows and how far, or why not."""

    found: Found | None
    status: str
    reason: str | None = None
    latency_ms: float = 0.0


class Search:
    """Answers pages. Sources fail one by one: the page says which, and is an error only if all did."""

    def __init__(self, stores: Stores, sources: Sources) -> None:
        self._stores, self._sources = stores, sources

    async def page(self, tenant: Tenant, query: SignalQuery, kind: str) -> dict[str, Any]:
        """A SearchResult. Raises ApiError 422 for a filter or cursor without meaning, 503 when every source failed."""
        began = time.perf_counter()
        descending = query.sort_order == "desc"
        mark = cursors.fingerprint(tenant.number, query, f"{kind} {query.sort_order}")
        walk = begin(query, kind, mark)
        selected = selection(query, walk.time_range)
        self.check(tuple(walk.positions), selected)
        await delayed_by_defect()
        wanted = {
            name: Wanted(selected, position, descending, query.limit) for name, position in walk.positions.items()
        }
        answers = await asyncio.gather(*(self.ask(name, tenant, one) for name, one in wanted.items()))
        outcomes = dict(zip(wanted, answers, strict=True))
        if outcomes and all(outcome.found is None for outcome in outcomes.values()):
            raise unavailable(", ".join(f"{name} ({outcome.reason})" for name, outcome in outcomes.items()))
        taken, positions = merge(
            {name: outcome.found for name, outcome in outcomes.items()}, walk.positions, query.limit, descending
        )
        partial = any(
            outcome.found is None or (not outcome.found.complete and len(outcome.found.rows) < query.limit)
            for outcome in outcomes.values()
        )
        if defects.active("cursor_skips") and query.cursor is not None:
            del taken[:1]
        items = [row[2] for _, row in taken]
        return {
            "items": items,
            "stats": {
                "matched": str(len(items)) if defects.active("schema_drift") else len(items),
                "latency_ms": round((time.perf_counter() - began) * 1000, 3),
                "sources": self._statuses(kind, outcomes, items),
            },
            "facets": facets(items),
            "next_cursor": cursors.encode(mark, Walk(walk.time_range, positions)) if positions else None,
            "partial": partial,
        }

    def check(self, names: Iterable[SourceName], selected: Selected) -> None:
        """Before any source is asked. Raises ApiError 422 for a filter without meaning."""
        try:
            for name in names:
                self._stores.of(name).check(selected)
        except BadFilter as error:
            raise ApiError(422, str(error), code="bad_filter") from None

    async def ask(self, name: SourceName, tenant: Tenant, wanted: Wanted) -> Outcome:
        """One source's page, or why there is none. Raises ApiError 422 for what only the store finds to be wrong."""
        began = time.perf_counter()
        try:
            found = await self._sources.ask(name, lambda: self._stores.of(name).page(tenant, wanted))
        except SourceFailed as failure:
            if defects.active("partial_hidden"):
                return Outcome(Found((), True, None), "ok", None, _ms_since(began))
            return Outcome(None, failure.status, failure.reason, _ms_since(began))
        except BadFilter as error:
            raise ApiError(422, str(error), code="bad_filter") from None
        cut_short = not found.complete and len(found.rows) < wanted.limit
        status, reason = ("partial", "budget used up") if cut_short else ("ok", None)
        return Outcome(found, status, reason, _ms_since(began))

    def _statuses(self, kind: str, outcomes: dict[SourceName, Outcome], items: list[Any]) -> dict[str, dict[str, Any]]:
        given = Counter(one["source"] for one in items)
        statuses: dict[str, dict[str, Any]] = {}
        for name in sources_of(kind):
            outcome = outcomes.get(name, Outcome(None, "ok"))  # not asked any more: exhausted on an earlier page
            statuses[name] = self.status(name, outcome, given[name])
        return statuses

    def status(self, name: SourceName, outcome: Outcome, count: int) -> dict[str, Any]:
        """The SourceStatus of an outcome; count: of its items that are given out."""
        return {
            "status": outcome.status,
            "count": count,
            "reason": outcome.reason,
            "implementation": self._stores.of(name).implementation,
            "latency_ms": outcome.latency_ms,
        }


def selection(query: Selection, time_range: TimeRange) -> Selected:
    """The query as stores take it; the range is the cursor's on a later page."""
    return Selected(time_range.start, time_range.end, tuple(query.filters), query.free_text)


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


async def delayed_by_defect() -> None:
    if defects.active("slow_search"):
        await asyncio.sleep(SLOW_SEARCH_S)


def merge(
    found: dict[SourceName, Found | None],
    before: dict[SourceName, Position | None],
    limit: int,
    descending: bool,
) -> tuple[list[tuple[SourceName, Row]], dict[SourceName, Position | None]]:
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


def begin(query: SignalQuery, kind: str, mark: str) -> Walk:
    """Where the query's page stands: at the beginning, or where its cursor says. Raises ApiError 422."""
    if query.cursor is None:
        return Walk(query.time_range, dict.fromkeys(sources_of(kind)))
    try:
        return cursors.decode(query.cursor, mark)
    except cursors.BadCursor as error:
        raise ApiError(422, str(error), code="bad_cursor") from None
