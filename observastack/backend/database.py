"""Connections to PostgreSQL: pools for short statements, one transaction per request with the tenant set in it.

Row-level security is the second line behind every WHERE: a transaction sees only the tenant that `app.tenant_id`
names, and the setting ends with the transaction (`set_config(..., true)`), so that a pooled connection carries nothing
from one caller to the next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

from observastack import defects
from observastack.backend.wire import loads_json
from observastack.config import Config, Role

Connection = psycopg.AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]

EVERY_TENANT = "*"
ACQUIRE_TIMEOUT_S = 2.0
STATEMENT_TIMEOUT_MS = 5_000
APP_TIMEOUT_S = 3.0
# A statement that is given up: so long the driver may ask the server to end it, then the connection is closed. By
# itself the driver would ask a stopped server for 5 s, and its caller would wait for that.
GIVING_UP_S = 0.5
# Libpq gives up a silent server (stopped process, cut cable) after this long; a dead one refuses at once.
TCP_TIMEOUT_MS = 10_000


class Database:
    """The backend's two logins: `read` (signals, under row-level security) and `app` (users, tokens, audit log)."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._read = _pool(config, "read", size=10)
        self._app = _pool(config, "app", size=4)

    async def open(self) -> None:
        """Start the pools; does not wait for the server, so that the backend starts while PostgreSQL is down."""
        await self._read.open(wait=False)
        await self._app.open(wait=False)

    async def close(self) -> None:
        await self._read.close(timeout=2)
        await self._app.close(timeout=2)

    @contextlib.asynccontextmanager
    async def tenant(self, number: int, *, timeout_ms: int = STATEMENT_TIMEOUT_MS) -> AsyncIterator[Connection]:
        """A read-only transaction that sees one tenant. Raises psycopg.OperationalError or PoolTimeout when down."""
        async with _working(self._read) as connection, connection.transaction():
            await _restrict(connection, number, timeout_ms)
            yield connection

    @contextlib.asynccontextmanager
    async def listing(
        self, number: int, *, timeout_ms: int = STATEMENT_TIMEOUT_MS, unrestricted: bool = False
    ) -> AsyncIterator[Connection]:
        """The transaction of a page. unrestricted: for a defect that shows every tenant's rows."""
        if unrestricted or defects.active("list_leak"):
            async with self._unrestricted(timeout_ms) as connection:
                yield connection
            return
        async with self.tenant(number, timeout_ms=timeout_ms) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def exporting(self, number: int, *, timeout_ms: int) -> AsyncIterator[Connection]:
        """A transaction of its own on one snapshot, for as long as the caller reads."""
        if defects.active("list_leak"):
            async with self._unrestricted(timeout_ms) as connection:
                yield connection
            return
        async with await self.dedicated("read") as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await _restrict(connection, number, timeout_ms)
            yield connection

    @contextlib.asynccontextmanager
    async def _unrestricted(self, timeout_ms: int) -> AsyncIterator[Connection]:
        """Defect list_leak: a role that row-level security does not bind."""
        async with await self.dedicated("owner") as connection, connection.transaction():
            await connection.execute("SELECT set_config('statement_timeout',%s,true)", (str(timeout_ms),))
            yield connection

    @contextlib.asynccontextmanager
    async def app(self, *, timeout_s: float = APP_TIMEOUT_S, scope: str = EVERY_TENANT) -> AsyncIterator[Connection]:
        """A transaction on users, refresh tokens and the audit log. Raises TimeoutError when the server is silent.

        scope: the key of the one tenant whose users and audit entries it sees.
        """
        async with (
            asyncio.timeout(timeout_s + GIVING_UP_S),
            asyncio.timeout(timeout_s),
            _working(self._app) as connection,
            connection.transaction(),
        ):
            await connection.execute("SELECT set_config('app.scope',%s,true)", (scope,))
            yield connection

    @contextlib.asynccontextmanager
    async def acting(self, number: int, *, timeout_s: float = APP_TIMEOUT_S) -> AsyncIterator[Connection]:
        """A transaction of the app role that sees one tenant: alerts, silences. Raises as `app` does."""
        async with self.app(timeout_s=timeout_s) as connection:
            await connection.execute("SELECT set_config('app.tenant_id',%s,true)", (str(number),))
            yield connection

    async def dedicated(self, role: Role) -> Connection:
        """A connection of its own, for what lasts longer than a short statement. The caller closes it."""
        connection = await psycopg.AsyncConnection.connect(**_arguments(self._config, role), autocommit=True)
        await _configure(connection)
        return connection


@contextlib.asynccontextmanager
async def _working(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that answers. After a restart of the server every pooled one is dead: replace, do not fail."""
    for _ in range(pool.max_size + 1):
        connection = await pool.getconn()
        try:
            await pool.check_connection(connection)
            break
        except psycopg.OperationalError:
            await _give_back(pool, connection)  # the pool discards it
        except BaseException:  # a caller that gave up: what it had been lent must not be lost
            await _give_back(pool, connection)
            raise
    else:
        raise psycopg.OperationalError("no working connection")
    try:
        yield connection
    finally:
        await _give_back(pool, connection)


_returning: set[asyncio.Task[None]] = set()


async def _give_back(pool: Pool, connection: Connection) -> None:
    """To the pool, also when the caller is cancelled meanwhile: a connection that is lost here is lost for good."""
    task = asyncio.create_task(pool.putconn(connection))
    _returning.add(task)  # the loop holds tasks weakly
    task.add_done_callback(_returning.discard)
    await asyncio.shield(task)


async def _restrict(connection: Connection, number: int, timeout_ms: int) -> None:
    """The rest of the transaction sees one tenant; both settings end with it."""
    await connection.execute(
        "SELECT set_config('app.tenant_id',%s,true), set_config('statement_timeout',%s,true)",
        (str(number), str(timeout_ms)),
    )


async def _configure(connection: Connection) -> None:
    """jsonb columns pass through unparsed."""
    set_json_loads(loads_json, connection)


def _pool(config: Config, role: Role, *, size: int) -> Pool:
    return AsyncConnectionPool(
        kwargs={**_arguments(config, role), "autocommit": True},
        connection_class=psycopg.AsyncConnection,
        configure=_configure,
        min_size=1,
        max_size=size,
        timeout=ACQUIRE_TIMEOUT_S,
        max_waiting=200,
        # Give up a failed attempt at once: the next request makes the next one, so recovery is not held up by a back-off.
        reconnect_timeout=0,
        open=False,
        name=role,
    )


def _arguments(config: Config, role: Role) -> dict[str, Any]:
    return {**config.database.connection(role), "tcp_user_timeout": TCP_TIMEOUT_MS, "connect_timeout": 2}
