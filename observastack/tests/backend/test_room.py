"""Room for streams: who leaves the door just now is in nobody's way."""

from __future__ import annotations

import asyncio
import time

import pytest

from observastack.backend.live.room import Displaced, Room
from observastack.config import Limits


async def test_somebody_comes_while_the_time_of_the_oldest_is_just_over() -> None:
    """Both ends in one turn of the event loop: the oldest has been given up and has not heard of it yet."""
    room = Room(Limits(stream_unauthenticated=1))

    async def oldest() -> None:
        async with room.silent(0.02):
            await asyncio.Event().wait()

    async def newcomer() -> str:
        await asyncio.sleep(0.01)
        async with room.silent(5):
            return "let in"

    waiting, coming = asyncio.create_task(oldest()), asyncio.create_task(newcomer())
    await asyncio.sleep(0)
    time.sleep(0.05)  # the loop is held up until both are due
    assert await coming == "let in"
    with pytest.raises((TimeoutError, Displaced)):
        await waiting
