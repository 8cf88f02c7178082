"""Everything that matches, as NDJSON in ascending time; read as fast as the caller takes it."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Sequence
from operator import itemgetter

import orjson

from observastack import defects
from observastack.backend.errors import ApiError, unavailable
from observastack.backend.search.engine import delayed_by_defect, selection
from observastack.backend.search.fields import BadFilter
from observastack.backend.search.model import ExportQuery, sources_of
from observastack.backend.sources import SourceFailed, SourceName, Sources
from observastack.backend.stores.ports import Line, Selected, Stores, Tenant

CONCURRENT = 4


class Export:
    """Streams items. A stream that fails breaks off without its last line; it never looks complete."""

    def __init__(self, stores: Stores, sources: Sources) -> None:
        self._stores, self._sources = stores, sources
        self._turns = asyncio.Semaphore(CONCURRENT)

    async def start(self, tenant: Tenant, query: ExportQuery) -> AsyncIterator[bytes]:
        """The stream, its first batch already read. Raises ApiError 422 or 503 while a status can still be sent."""
        names = sources_of(query.type)
        selected = selection(query, query.time_range)
        name = names[0]
        try:
            for name in names:
                self._stores.of(name).check(selected)
            await delayed_by_defect()
            for name in names:
                await self._sources.enter(name)
            stream = self._stream(tenant, selected, names)
            first = await anext(stream)
        except BadFilter as error:
            raise ApiError(422, str(error), code="bad_filter") from None
        except SourceFailed as failure:
            raise unavailable(f"{name} ({failure.reason})" if len(names) == 1 else failure.reason) from None
        return _chained(first, stream)

    async def _stream(self, tenant: Tenant, selected: Selected, names: Sequence[SourceName]) -> AsyncIterator[bytes]:
        count = 0
        async with self._turns, contextlib.AsyncExitStack() as stack:
            batches = [
                await stack.enter_async_context(self._stores.of(name).export(tenant, selected)) for name in names
            ]
            merged = batches[0] if len(batches) == 1 else _merged(batches)
            async for batch in merged:
                count += len(batch)
                yield b"".join([encoded for _, encoded in batch])
                if defects.active("export_truncated"):
                    break
        # Only now: a caller that leaves on seeing this line must not interrupt the end of the transaction.
        yield orjson.dumps({"end": True, "count": count, "partial": False}, option=orjson.OPT_APPEND_NEWLINE)


async def _merged(sources: Sequence[AsyncIterator[list[Line]]]) -> AsyncIterator[list[Line]]:
    """Batches of several sources, merged by time: what no source can still come before is given out."""
    held: list[list[Line]] = [await anext(source, []) for source in sources]
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
