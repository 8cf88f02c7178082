"""What the embedded stores of the three signals have in common: pages, exports and counts out of one table each."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import AsyncServerCursor
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from observastack import defects
from observastack.backend.database import Database
from observastack.backend.search.fields import BadFilter
from observastack.backend.sources import SourceFailed, SourceName
from observastack.backend.stores.embedded import aggregate, slices
from observastack.backend.stores.embedded.filters import conditions
from observastack.backend.stores.embedded.rows import item, line, select
from observastack.backend.stores.ports import Aggregated, Buckets, Found, Item, Line, Selected, Tenant, Wanted

# Rows fetched, encoded and sent at a time: a few milliseconds of work, so that other requests get their turn.
BATCH = 500
FETCH_TIMEOUT_MS = 30_000


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """The driver's errors as those of the port."""
    try:
        yield
    except psycopg.errors.QueryCanceled:
        raise SourceFailed("took too long", "timeout") from None
    except (psycopg.OperationalError, PoolTimeout):
        raise SourceFailed("the store is not available") from None
    except psycopg.errors.InvalidRegularExpression as error:
        raise BadFilter(f"the store cannot use this regular expression: {error.diag.message_primary}") from None


class EmbeddedSignal:
    """SignalStore for one source."""

    implementation = "embedded"

    def __init__(self, source: SourceName, database: Database) -> None:
        self._source, self._database = source, database

    def check(self, selected: Selected) -> None:
        conditions(self._source, selected.filters, selected.free_text)

    async def page(self, tenant: Tenant, wanted: Wanted) -> Found:
        selected = wanted.selected
        part = slices.Slice(
            self._source,
            tenant.number,
            conditions(self._source, selected.filters, selected.free_text),
            selected.start,
            selected.end,
            wanted.after,
            wanted.descending,
            wanted.limit,
        )
        with answering():
            async with self._database.listing(tenant.number) as connection:
                return await slices.read(connection, part)

    @contextlib.asynccontextmanager
    async def export(self, tenant: Tenant, selected: Selected) -> AsyncIterator[AsyncIterator[list[Line]]]:
        """From one snapshot."""
        filters = conditions(self._source, selected.filters, selected.free_text)
        parameters: dict[str, Any] = {
            **filters.parameters,
            "start": selected.start,
            "end": selected.end,
            "tenant": tenant.number,
        }
        where = f"s.ts >= %(start)s AND s.ts < %(end)s{filters.sql}"
        if not defects.active("list_leak"):
            where = f"s.tenant_id = %(tenant)s AND {where}"
        with answering():
            async with (
                self._database.exporting(tenant.number, timeout_ms=FETCH_TIMEOUT_MS) as connection,
                connection.cursor(name=f"export_{self._source}") as cursor,
            ):
                await cursor.execute(select(self._source, where, descending=False).encode(), parameters)
                yield self._batches(cursor)

    async def _batches(self, cursor: AsyncServerCursor[TupleRow]) -> AsyncIterator[list[Line]]:
        while rows := await cursor.fetchmany(BATCH):
            yield [(row[0], line(self._source, row)) for row in rows]

    async def aggregate(
        self, tenant: Tenant, selected: Selected, buckets: Buckets, fields: Sequence[str]
    ) -> Aggregated:
        counting = aggregate.Counting(self._source, tenant.number, selected, buckets, fields)
        with answering():
            async with self._database.listing(tenant.number) as connection:
                return await aggregate.count(connection, counting)

    async def probe(self) -> None:
        """As the readiness of PostgreSQL itself: this store is no dependency of its own."""
        with answering():
            async with self._database.app(timeout_s=1.0) as connection:
                await connection.execute("SELECT 1 FROM tenants LIMIT 1")

    async def version(self) -> str | None:
        with answering():
            async with self._database.app(timeout_s=1.0) as connection:
                row = await (await connection.execute("SHOW server_version")).fetchone()
        return None if row is None else f"PostgreSQL {row[0]}"

    async def close(self) -> None:
        """The database's pools are closed by who opened them."""

    async def of_trace(
        self, tenant: Tenant, trace_id: str, limit: int, around: tuple[int, int] | None = None
    ) -> list[Item]:
        """Of logs (LogStore) and spans, in order of time."""
        del around  # there is an index
        where = "s.tenant_id = %(tenant)s AND s.trace_id = %(trace)s::uuid"
        if leak := self._source == "traces" and defects.active("trace_unfiltered"):
            where = "s.trace_id = %(trace)s::uuid"
        statement = select(self._source, where, descending=False, limit="%(limit)s")
        parameters = {"tenant": tenant.number, "trace": trace_id, "limit": limit}
        return [item(self._source, row) for row in await self.rows(tenant, statement, parameters, leak=leak)]

    async def rows(
        self, tenant: Tenant, statement: str, parameters: dict[str, Any], *, leak: bool = False
    ) -> list[TupleRow]:
        """What a statement of this package yields, in the tenant's transaction. leak: a defect lets it see all tenants'."""
        with answering():
            async with self._database.listing(tenant.number, unrestricted=leak) as connection:
                return await (await connection.execute(statement.encode(), parameters)).fetchall()
