"""A time limit that holds even when what it ends does not end at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_ending: set[asyncio.Task[Any]] = set()


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. Raises TimeoutError after that time and leaves the work to clean up by itself.

    asyncio.timeout() waits for the cancelled work. A database driver asks the server to cancel a statement and waits
    for that, seconds long, when the server is stopped or unreachable: just when the caller needs an answer.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if not done:
        _abandon(task)
        raise TimeoutError
    return task.result()


class Budget:
    """The time that several pieces of work may take together."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; negative when it is used up."""
        return self._end - time.monotonic()

    async def hold(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a piece of work. Raises TimeoutError, as `within`, when the time is over before."""
        return await within(max(self.left, 0.0), work)


def _abandon(task: asyncio.Task[Any]) -> None:
    _ending.add(task)  # the loop itself holds tasks only weakly
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _ending.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, so that nothing complains about an error that nobody waits for
