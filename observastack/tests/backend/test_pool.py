"""Connections that were lent come back, whatever becomes of those who asked for them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from observastack.backend.database import GIVING_UP_S, Database
from observastack.config import Config
from observastack.tests.platform import build_platform
from observastack.tests.postgres import Postgres
from tests.servers import postgres_server

SIZE = 4  # of the pool for users and audit log


async def _all_can_be_lent(database: Database) -> None:
    async with AsyncExitStack() as all_at_once:
        for _ in range(SIZE):
            connection = await all_at_once.enter_async_context(database.app())
            await connection.execute("SELECT 1")


async def test_a_caller_that_gives_up_while_its_connection_is_checked_gives_it_back(
    served_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load callers run into their time limit anywhere; one lost connection each, and the pool is empty for ever."""
    database = Database(served_config)
    await database.open()
    try:
        pool = database._app
        check, entered = pool.check_connection, asyncio.Event()

        async def slow(connection: object) -> None:
            entered.set()
            await asyncio.sleep(60)

        async def use() -> None:
            async with database.app():
                pass

        for _ in range(2 * SIZE):
            entered.clear()
            monkeypatch.setattr(pool, "check_connection", slow)
            asking = asyncio.create_task(use())
            await asyncio.wait_for(entered.wait(), 10)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        monkeypatch.setattr(pool, "check_connection", check)
        await _all_can_be_lent(database)
    finally:
        await database.close()


async def test_a_statement_is_given_up_in_time_when_the_server_is_stopped(tmp_path: Path) -> None:
    """The driver asks the server to end the statement and waits for that: seconds, if nobody ended the asking too."""
    with postgres_server() as url:
        database = Database(build_platform(tmp_path, url, "redis://127.0.0.1:1/0"))
        await database.open()
        try:
            async with database.app() as connection:
                await connection.execute("SELECT 1")
            server = Postgres(url)
            server.pause()
            try:
                began = time.monotonic()
                with pytest.raises(TimeoutError):
                    async with database.app(timeout_s=0.2):
                        pass
                waited = time.monotonic() - began
            finally:
                server.resume()
            # Alone the driver's own patience would make it 5 s more.
            assert waited < 0.2 + GIVING_UP_S + 2
            async with database.app() as connection:
                assert await (await connection.execute("SELECT 2")).fetchone() == (2,)
        finally:
            await database.close()


async def test_a_connection_comes_back_though_its_caller_is_cancelled_while_it_is_given_back(
    served_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(served_config)
    await database.open()
    try:
        pool = database._app
        put, returning, may_return = pool.putconn, asyncio.Event(), asyncio.Event()

        async def slow(connection: Any) -> None:
            returning.set()
            await may_return.wait()
            await put(connection)

        async def use() -> None:
            async with database.app():
                pass

        monkeypatch.setattr(pool, "putconn", slow)
        for _ in range(2 * SIZE):
            returning.clear()
            may_return.clear()
            using = asyncio.create_task(use())
            await asyncio.wait_for(returning.wait(), 10)
            using.cancel()
            with suppress(asyncio.CancelledError):
                await using
            may_return.set()
        monkeypatch.setattr(pool, "putconn", put)
        await _all_can_be_lent(database)
    finally:
        await database.close()
