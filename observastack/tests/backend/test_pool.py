"""Connections that were lent come back, whatever becomes of those who asked for them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from observastack.backend.database import Database
from observastack.config import Config

SIZE = 4  # of the pool for users and audit log


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
        async with AsyncExitStack() as all_at_once:
            for _ in range(SIZE):
                connection = await all_at_once.enter_async_context(database.app())
                await connection.execute("SELECT 1")
    finally:
        await database.close()
