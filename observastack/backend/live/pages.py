"""What arrives in stores of other servers (Loki, Tempo, Prometheus). They tell no order of arrival, only times, so the
newest part of time is read again and again, and what was seen before is left out.

The bound of that: an item that becomes visible more than OVERLAP_NS after its own time is not shown, and a client that
resumes gets what lies beyond its cursor in time, without what arrived late for earlier times meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from observastack.backend.sources import SOURCES, SourceName, Sources
from observastack.backend.stores.ports import Found, Position, Row, Selected, Stores, Tenant, Wanted

OVERLAP_NS = 15 * 10**9
AHEAD_NS = 60 * 10**9
"""Clocks of senders may be ahead of ours by so much."""
POLL_S = 1.0
PAGE = 1_000
MAX_PAGES = 4
LAST = (1 << 63) - 1


@dataclass
class Tail:
    """One source of one tenant. edge: of the newest item that was handed out, or of the moment of the beginning."""

    source: SourceName
    edge: Position
    seen: set[Position] = field(default_factory=set)


class Pages:
    """Raises SourceFailed and TimeoutError when a store does not answer."""

    def __init__(self, stores: Stores, sources: Sources) -> None:
        self._stores, self._sources = stores, sources
        self.paged: tuple[SourceName, ...] = tuple(
            source for source in SOURCES if stores.of(source).implementation != "embedded"
        )

    async def tail(self, tenant: Tenant, source: SourceName) -> Tail:
        """Beginning now: what can be seen already is no news."""
        tail = Tail(source, (time.time_ns(), -LAST))
        rows, _ = await self.new(tenant, tail)
        tail.edge = max([tail.edge, *(row[:2] for row in rows)])
        return tail

    async def new(self, tenant: Tenant, tail: Tail) -> tuple[list[Row], int]:
        """What was not seen before, in order of time; and at least how much had to be passed over."""
        now = time.time_ns()
        start = min(tail.edge[0], now) - OVERLAP_NS
        selected, after, rows = _selected(start, now + AHEAD_NS), None, list[Row]()
        complete, pages = False, 0
        while not complete and pages < MAX_PAGES:
            found = await self._page(tenant, tail.source, Wanted(selected, after, True, PAGE))
            rows += [row for row in found.rows if row[:2] not in tail.seen]
            complete, pages = found.complete, pages + 1
            after = found.rows[-1][:2] if found.rows else found.frontier
            if after is None:
                break
        tail.seen = {position for position in tail.seen if position[0] >= start} | {row[:2] for row in rows}
        return rows[::-1], int(not complete and len(rows) == MAX_PAGES * PAGE)

    async def between(
        self, tenant: Tenant, source: SourceName, after: Position, until: Position
    ) -> AsyncIterator[Sequence[Row]]:
        """Everything beyond `after` up to `until`, a page at a time."""
        place, complete = after, False
        while not complete:
            selected = _selected(place[0], until[0] + 1)
            found = await self._page(tenant, source, Wanted(selected, place, False, PAGE))
            yield [row for row in found.rows if row[:2] <= until]
            complete = found.complete
            place = found.rows[-1][:2] if found.rows else found.frontier or until

    async def _page(self, tenant: Tenant, source: SourceName, wanted: Wanted) -> Found:
        return await self._sources.ask(source, lambda: self._stores.of(source).page(tenant, wanted))


def _selected(start: int, end: int) -> Selected:
    return Selected(max(start, 0), end)
