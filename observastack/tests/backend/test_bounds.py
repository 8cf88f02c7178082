"""What grows by what a client or a tenant's data asks for has an end."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, cast

from observastack.backend.auth.tokens import Claims
from observastack.backend.database import Database
from observastack.backend.live.subscriber import MAX_CONTROLS, Subscriber
from observastack.backend.live.wish import Wish
from observastack.backend.search.history import History, Past
from observastack.backend.stores.ports import Row, Selected, Tenant
from observastack.backend.stores.tempo.store import TempoStore, _SpanReader
from observastack.config import Config
from observastack.tests.backend.serving import Store


async def test_the_history_answers_while_searches_go_on_being_made(served_config: Config, store: Store) -> None:
    database = Database(served_config)
    await database.open()
    history, user, tenant = History(database), uuid.uuid4(), store.number("initech")

    async def search() -> None:
        while True:
            history.add(Past(tenant, user, {"free_text": "x"}, 1, 1.0))
            await asyncio.sleep(0)

    searching = asyncio.create_task(search())
    try:
        began = time.monotonic()
        found = await asyncio.wait_for(history.of(tenant, user, 5, None), 10)
        assert time.monotonic() - began < 5
        assert found["items"]
    finally:
        searching.cancel()
        await history.close()
        await database.close()


def test_answers_to_a_client_that_takes_none_do_not_pile_up() -> None:
    wish = Wish(kinds=frozenset({"logs"}))
    subscriber = Subscriber(1, Claims("s", "u", "", "acme", (), "jti", 0), wish)
    for _ in range(10 * MAX_CONTROLS):
        subscriber.say('{"type":"pong"}')
    taken = 0
    while subscriber.take() is not None:
        taken += 1
    assert taken == MAX_CONTROLS


class Traces:
    """A Tempo with one trace of its own in every second."""

    async def search(self, _: Tenant, __: Selected, span: tuple[int, int], **___: Any) -> list[str]:
        return [str(second) for second in range(*span)]

    async def trace(self, _: Tenant, trace_id: str, __: float) -> list[Row]:
        return [(int(trace_id) * 10**9, 1, {})]


async def test_a_long_export_holds_the_traces_of_one_part() -> None:
    reader = _SpanReader(cast(TempoStore, Traces()), Tenant(1, "acme"), Selected(0, 10**12))
    for second in range(0, 500, 10):
        begin, end = second * 10**9, (second + 10) * 10**9
        part = await reader(begin, end, descending=False, wanted=100, timeout_s=1)
        assert len(part.rows) == 10
        assert len(reader._fetched) <= 10
