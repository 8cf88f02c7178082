"""The client of a store stays usable, whatever becomes of those who asked through it."""

from __future__ import annotations

import asyncio
import random

from observastack.backend.deadline import within
from observastack.backend.sources import SourceFailed
from observastack.backend.stores.remote.client import CONCURRENT, StoreClient
from observastack.tests.slow import serve_slowly


async def test_questions_that_are_given_up_at_any_moment_cost_no_connection() -> None:
    """Both the client's own time limit and the caller's may end one, at once: each lost connection is lost for good."""
    random.seed(7)
    server = await asyncio.start_server(serve_slowly, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = StoreClient(f"http://127.0.0.1:{port}", 2.0)

    async def ask() -> None:
        limit = random.uniform(0.001, 0.06)
        work = within(limit + random.uniform(-0.001, 0.001), client.get("/", {}, timeout_s=limit))
        try:
            async with asyncio.timeout(limit):
                await work
        except (TimeoutError, SourceFailed):
            pass

    try:
        for _ in range(40):
            await asyncio.gather(*(ask() for _ in range(3 * CONCURRENT)))
        await asyncio.sleep(0.2)
        replies = await asyncio.gather(*(client.get("/", {}, timeout_s=2.0) for _ in range(CONCURRENT)))
        assert [reply.body for reply in replies] == [b"ok" * 3] * CONCURRENT
    finally:
        await client.close()
        server.close()
