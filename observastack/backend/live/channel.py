"""One tenant's stream: a single poller, whatever the number of clients, that hands each batch to all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import psycopg
from psycopg_pool import PoolTimeout

from observastack.backend.deadline import within
from observastack.backend.live import messages
from observastack.backend.live.feed import Batch, Event, Feed
from observastack.backend.live.pages import POLL_S as PAGES_S
from observastack.backend.live.pages import Pages, Tail
from observastack.backend.live.position import Place, Position
from observastack.backend.live.subscriber import Subscriber
from observastack.backend.live.wish import Kind, Wish
from observastack.backend.sources import SourceFailed, SourceName
from observastack.backend.stores.ports import Tenant

log = logging.getLogger("observastack.backend")

POLL_S = 0.25
AWAY_S = 1.0
READ_S = 5.0
DOWN = (psycopg.Error, PoolTimeout, TimeoutError, OSError, SourceFailed)


class Channel:
    """Lives while it has subscribers. place: everything before it was handed to them."""

    def __init__(self, tenant: Tenant, feed: Feed, pages: Pages) -> None:
        self.tenant, self._feed, self._pages = tenant.number, feed, pages
        self._scope = tenant
        self._tails: dict[SourceName, Tail] = {}
        self._page_at = 0.0
        self.subscribers: set[Subscriber] = set()
        self.joining = 0
        self.place: Place | None = None
        # A client must not join while a batch is under way that was read without knowing what it wants.
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def join(self, subscriber: Subscriber, reached: Place | None = None) -> Position:
        """From now on the subscriber gets everything beyond the position that this gives back. Raises DOWN.

        reached: what lies before it the subscriber has already. A channel that has not come so far yet goes there first,
        or it would hand the same out a second time.
        """
        self.joining += 1
        try:
            async with self._reading:
                if self.place is None:
                    self.place = await within(READ_S, self._feed.now(self.tenant))
                    self._task = asyncio.create_task(self._run())
                while reached is not None and self.place < reached:
                    await self._advance()
                for source in self._pages.paged:
                    if source in subscriber.wish.kinds and source not in self._tails:
                        self._tails[source] = await self._pages.tail(self._scope, source)
                self.subscribers.add(subscriber)
                return self.position
        finally:
            self.joining -= 1

    @property
    def deserted(self) -> bool:
        return not self.subscribers and not self.joining

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def position(self) -> Position:
        assert self.place is not None  # opened
        return Position(self.place, {source: tail.edge for source, tail in self._tails.items()})

    async def _run(self) -> None:
        told = False
        while True:
            try:
                complete = await self._poll()
                told = False
            except DOWN as error:
                complete = True
                log.warning("stream: the store does not answer: %s", type(error).__name__)
                if not told:
                    for subscriber in self.subscribers:
                        subscriber.say(
                            messages.control(
                                "error",
                                code="unavailable",
                                message="the store does not answer; the stream goes on when it does",
                            )
                        )
                told = True
                await asyncio.sleep(AWAY_S)
            except Exception:
                complete = True
                log.exception("stream: a batch could not be read")
                await asyncio.sleep(AWAY_S)
            if complete:
                await asyncio.sleep(POLL_S)

    async def _poll(self) -> bool:
        """Hand out what is new. Whether that was all."""
        async with self._reading:
            complete = await self._advance()
            if self._tails and time.monotonic() >= self._page_at:
                self._page_at = time.monotonic() + PAGES_S
                await self._read_pages(self._kinds)
        return complete

    @property
    def _kinds(self) -> set[Kind]:
        return {kind for subscriber in self.subscribers for kind in subscriber.wish.kinds}

    async def _advance(self) -> bool:
        """Hand out what is new in the platform's own database; whoever calls it holds the lock. Whether that was all."""
        assert self.place is not None
        batch = await within(READ_S, self._feed.since(self.tenant, self.place, self._kinds))
        self.place = batch.end
        if batch.events or batch.dropped:
            self._hand_out(batch)
        return batch.complete

    async def _read_pages(self, kinds: set[Kind]) -> None:
        """The stores of other servers, each by itself: one that is away does not hold up the others for long."""
        failed: SourceFailed | None = None
        for source, tail in list(self._tails.items()):
            if source not in kinds:  # whoever wants it next begins then
                del self._tails[source]
                continue
            try:
                rows, missed = await self._pages.new(self._scope, tail)
            except SourceFailed as failure:
                failed = failure
                continue
            events = []
            for ts, tie, item in rows:
                tail.edge = max(tail.edge, (ts, tie))
                events.append(Event(source, self.position.place, item, self.position.pages))
            if events or missed:
                self._hand_out(Batch(events, self.position.place, True, {source: missed} if missed else {}))
        if failed is not None:
            raise failed

    def _hand_out(self, batch: Batch) -> None:
        made: dict[Wish, list[messages.News]] = {}
        for subscriber in self.subscribers:
            if (found := made.get(subscriber.wish)) is None:
                found = messages.news(subscriber.wish, self.tenant, batch.events, batch.dropped, self.position)
                made[subscriber.wish] = found
            for news in found:
                subscriber.push(news)
