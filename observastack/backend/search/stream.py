"""Search as server-sent events: what a fast source found is shown while a slow one is still asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from observastack import defects
from observastack.backend.errors import as_api_error, envelope, unavailable
from observastack.backend.search import cursor as cursors
from observastack.backend.search.cursor import Walk
from observastack.backend.search.engine import Outcome, Search, begin, delayed_by_defect, facets, selection
from observastack.backend.search.model import SearchQuery
from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import Position, Tenant, Wanted


class Stream:
    """Sends each source's page as it comes: `limit` applies to each. The cursor goes on after what was sent."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def start(self, tenant: Tenant, query: SearchQuery, request_id: str) -> AsyncIterator[bytes]:
        """Raises ApiError 422 while a status can still be sent; what fails later is an `error` event."""
        mark = cursors.fingerprint(tenant.number, query, f"{query.type} {query.sort_order}")
        walk = begin(query, query.type, mark)
        self._search.check(tuple(walk.positions), selection(query, walk.time_range))
        return self._events(tenant, query, walk, mark, request_id)

    async def _events(
        self, tenant: Tenant, query: SearchQuery, walk: Walk, mark: str, request_id: str
    ) -> AsyncIterator[bytes]:
        began = time.perf_counter()
        tasks = [asyncio.create_task(self._asked(name, tenant, query, walk)) for name in walk.positions]
        statuses: dict[str, dict[str, Any]] = {}
        positions: dict[SourceName, Position | None] = {}
        items: list[dict[str, Any]] = []
        outcomes: list[Outcome] = []
        try:
            await delayed_by_defect()
            for answered in asyncio.as_completed(tasks):
                name, outcome = await answered
                rows = [] if outcome.found is None else outcome.found.rows
                outcomes.append(outcome)
                statuses[name] = self._search.status(name, outcome, len(rows))
                if outcome.found is None:
                    positions[name] = walk.positions[name]
                elif not outcome.found.complete:
                    positions[name] = outcome.found.frontier
                yield _event("source", {"name": name, **statuses[name]})
                found = [row[2] for row in rows]
                items += found
                if found:
                    yield _event("items", {"source": name, "items": found})
            if outcomes and all(outcome.found is None for outcome in outcomes):
                raise unavailable(", ".join(f"{name} ({one['reason']})" for name, one in statuses.items()))
        except Exception as error:
            if not defects.active("stream_ends_silently"):
                yield b"event: error\ndata: " + envelope(as_api_error(error), request_id) + b"\n\n"
            return
        finally:
            for task in tasks:
                task.cancel()
        yield _event(
            "end",
            {
                "stats": {
                    "matched": len(items),
                    "latency_ms": round((time.perf_counter() - began) * 1000, 3),
                    "sources": statuses,
                },
                "facets": facets(items),
                "next_cursor": cursors.encode(mark, Walk(walk.time_range, positions)) if positions else None,
                "partial": any(outcome.found is None or outcome.status == "partial" for outcome in outcomes),
            },
        )

    async def _asked(
        self, name: SourceName, tenant: Tenant, query: SearchQuery, walk: Walk
    ) -> tuple[SourceName, Outcome]:
        wanted = Wanted(
            selection(query, walk.time_range), walk.positions[name], query.sort_order == "desc", query.limit
        )
        return name, await self._search.ask(name, tenant, wanted)


def matched_of(event: bytes) -> int | None:
    """How many items an `end` event says were sent; None for any other event."""
    if not event.startswith(b"event: end\n"):
        return None
    return int(orjson.loads(event.partition(b"data: ")[2])["stats"]["matched"])


def _event(kind: str, document: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(document) + b"\n\n"
