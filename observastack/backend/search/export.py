"""Everything that matches, as NDJSON in ascending time, from one snapshot; read as fast as the caller takes it."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Sequence
from operator import itemgetter
from typing import Any

import orjson
from psycopg import AsyncServerCursor
from psycopg.rows import TupleRow

from observastack import defects
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, unavailable
from observastack.backend.search.engine import delayed_by_defect
from observastack.backend.search.filters import BadFilter, Conditions, conditions
from observastack.backend.search.model import ExportQuery, sources_of
from observastack.backend.search.rows import line, select
from observastack.backend.sources import SourceFailed, SourceName, Sources

# Rows fetched, encoded and sent at a time: a few milliseconds of work, so that other requests get their turn.
BATCH = 500
FETCH_TIMEOUT_MS = 30_000
CONCURRENT = 4


class Export:
    """Streams items. A stream that fails breaks off without its last line; it never looks complete."""

    def __init__(self, database: Database, sources: Sources) -> None:
        self._database, self._sources = database, sources
        self._turns = asyncio.Semaphore(CONCURRENT)

    async def start(self, tenant: int, query: ExportQuery) -> AsyncIterator[bytes]:
        """The stream, its first batch already read. Raises ApiError 422 or 503 while a status can still be sent."""
        names = sources_of(query.type)
        try:
            wanted = {name: conditions(name, query.filters, query.free_text) for name in names}
        except BadFilter as error:
            raise ApiError(422, str(error), code="bad_filter") from None
        await delayed_by_defect()
        try:
            for name in names:
                await self._sources.enter(name)
        except SourceFailed as failure:
            raise unavailable(f"{name} ({failure.reason})") from None
        stream = self._stream(tenant, query, wanted)
        first = await anext(stream)
        return _chained(first, stream)

    async def _stream(
        self, tenant: int, query: ExportQuery, wanted: dict[SourceName, Conditions]
    ) -> AsyncIterator[bytes]:
        count = 0
        async with (
            self._turns,
            self._database.exporting(tenant, timeout_ms=FETCH_TIMEOUT_MS) as connection,
            contextlib.AsyncExitStack() as stack,
        ):
            batches: list[AsyncIterator[list[tuple[int, bytes]]]] = []
            for name, filters in wanted.items():
                reader = await stack.enter_async_context(_open(connection, name, tenant, query, filters))
                batches.append(_batches(name, reader))
            merged = batches[0] if len(batches) == 1 else _merged(batches)
            async for batch in merged:
                count += len(batch)
                yield b"".join([encoded for _, encoded in batch])
        # Only now: a caller that leaves on seeing this line must not interrupt the end of the transaction.
        yield orjson.dumps({"end": True, "count": count, "partial": False}, option=orjson.OPT_APPEND_NEWLINE)


@contextlib.asynccontextmanager
async def _open(
    connection: Connection, name: SourceName, tenant: int, query: ExportQuery, filters: Conditions
) -> AsyncIterator[AsyncServerCursor[TupleRow]]:
    parameters: dict[str, Any] = {
        **filters.parameters,
        "start": query.time_range.start,
        "end": query.time_range.end,
        "tenant": tenant,
    }
    where = f"s.ts >= %(start)s AND s.ts < %(end)s{filters.sql}"
    if not defects.active("list_leak"):
        where = f"s.tenant_id = %(tenant)s AND {where}"
    async with connection.cursor(name=f"export_{name}") as cursor:
        await cursor.execute(select(name, where, descending=False).encode(), parameters)
        yield cursor


async def _batches(name: SourceName, cursor: AsyncServerCursor[TupleRow]) -> AsyncIterator[list[tuple[int, bytes]]]:
    """(ts, line) in order, a batch at a time."""
    while rows := await cursor.fetchmany(BATCH):
        yield [(row[0], line(name, row)) for row in rows]


async def _merged(sources: Sequence[AsyncIterator[list[tuple[int, bytes]]]]) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Batches of several sources, merged by time: what no source can still come before is given out."""
    held: list[list[tuple[int, bytes]]] = [await anext(source, []) for source in sources]
    while any(held):
        # Everything up to the earliest end of a held batch is complete; that source is then read on.
        edge = min(batch[-1][0] for batch in held if batch)
        ready = []
        for index, batch in enumerate(held):
            cut = next((place for place, (ts, _) in enumerate(batch) if ts > edge), len(batch))
            ready.append(batch[:cut])
            held[index] = batch[cut:]
            if batch and not held[index]:
                held[index] = await anext(sources[index], [])
        yield list(heapq.merge(*ready, key=itemgetter(0)))


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(rest):  # type: ignore[type-var]
        yield first
        async for chunk in rest:
            yield chunk
