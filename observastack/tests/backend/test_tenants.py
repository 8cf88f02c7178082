"""What a process knows of its tenants."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

from observastack.backend.database import Connection, Database
from observastack.backend.tenants import Tenants
from observastack.config import Config
from observastack.tests.backend.serving import Store


class Held(Database):
    """What was read is kept back for a while."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.go, self.has_read = asyncio.Event(), asyncio.Event()
        self.go.set()

    @contextlib.asynccontextmanager
    async def app(self, **arguments: Any) -> AsyncIterator[Connection]:
        async with super().app(**arguments) as connection:
            yield connection
        self.has_read.set()
        await self.go.wait()


async def test_who_asks_after_a_change_is_not_told_what_was_read_before_it(served_config: Config, store: Store) -> None:
    key = f"t-{uuid.uuid4().hex[:12]}"
    store.sql("INSERT INTO tenants(key, name) VALUES (%s, 'Soon suspended')", key)
    database = Held(served_config)
    await database.open()
    try:
        tenants = Tenants(database)
        before = await tenants.find(key)
        assert before is not None and before.active
        tenants.forget()
        database.go.clear()
        database.has_read.clear()
        reading = asyncio.create_task(tenants.find(key))
        await asyncio.wait_for(database.has_read.wait(), 10)
        store.sql("UPDATE tenants SET status = 'suspended' WHERE key = %s", key)
        tenants.forget()
        later = asyncio.create_task(tenants.find(key))
        await asyncio.sleep(0)
        database.go.set()
        found = await later
        assert found is not None and not found.active
        await reading
        again = await tenants.find(key)
        assert again is not None and not again.active
    finally:
        await database.close()
