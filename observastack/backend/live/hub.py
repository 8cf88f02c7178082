"""All streams of this process: channels by tenant, the room for them, and what is looked after once a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import redis.exceptions

from observastack import defects
from observastack.backend.denylist import Denylist
from observastack.backend.live import messages
from observastack.backend.live.channel import DOWN, Channel
from observastack.backend.live.feed import Feed
from observastack.backend.live.pages import Pages
from observastack.backend.live.position import Place, Position, encode
from observastack.backend.live.room import Room
from observastack.backend.live.subscriber import Subscriber
from observastack.backend.tenants import Tenants

log = logging.getLogger("observastack.backend")

TICK_S = 1.0
HEARTBEAT_S = 15.0
WARN_S = 30
RECHECK_S = 5.0
UNVERIFIED_S = 30.0
"""A session that cannot be checked for so long is not let go on."""
CATCHING_UP = 4


class Hub:
    def __init__(self, feed: Feed, pages: Pages, denylist: Denylist, tenants: Tenants, *, room: Room) -> None:
        self.feed, self.pages, self.room = feed, pages, room
        self._denylist, self._tenants = denylist, tenants
        self._channels: dict[int, Channel] = {}
        self._verified_at = time.monotonic()
        self._rechecked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.turns = asyncio.Semaphore(CATCHING_UP)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        tasks = [self._task] if self._task is not None else []
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for channel in self._channels.values():
            await channel.close()

    async def join(self, subscriber: Subscriber, reached: Place | None = None) -> Position:
        """As Channel.join."""
        channel = self._channels.get(subscriber.tenant)
        if channel is None:
            channel = self._channels[subscriber.tenant] = Channel(subscriber.scope, self.feed, self.pages)
        subscriber.beat_at = time.monotonic() + HEARTBEAT_S
        try:
            return await channel.join(subscriber, reached)
        finally:
            await self._end_deserted(channel)

    async def leave(self, subscriber: Subscriber) -> None:
        """Also one that never joined."""
        if (channel := self._channels.get(subscriber.tenant)) is not None:
            channel.subscribers.discard(subscriber)
            await self._end_deserted(channel)

    async def _end_deserted(self, channel: Channel) -> None:
        if channel.deserted and self._channels.get(channel.tenant) is channel:
            del self._channels[channel.tenant]
            await channel.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._look_after()
                if time.monotonic() - self._rechecked_at >= RECHECK_S:
                    self._rechecked_at = time.monotonic()
                    await self._recheck()
            except Exception:
                log.exception("stream: clients could not be looked after")

    def _look_after(self) -> None:
        """Heartbeats, and sessions that end."""
        now, clock = time.monotonic(), time.time()
        for channel in self._channels.values():
            beat = None
            for subscriber in channel.subscribers:
                left = subscriber.claims.expires - clock
                if left <= 0 and not defects.active("stream_no_expiry"):
                    subscriber.end(4401, "the token has expired")
                elif left <= WARN_S and not subscriber.warned:
                    subscriber.warned = True
                    subscriber.say(messages.control("expiring", in_s=max(int(left), 0)))
                if now >= subscriber.beat_at and subscriber.idle and channel.place is not None:
                    subscriber.beat_at = now + HEARTBEAT_S
                    beat = beat or messages.heartbeat(encode(channel.position, channel.tenant))
                    subscriber.say(beat)

    async def _recheck(self) -> None:
        """Sessions that were ended, tenants that were suspended since."""
        if defects.active("stream_denylist_ignored"):
            return
        subscribers = [one for channel in self._channels.values() for one in channel.subscribers]
        sessions = {(one.claims.jti, one.claims.family) for one in subscribers}
        try:
            ended = await self._denylist.among(sessions)
            self._verified_at = time.monotonic()
        except redis.exceptions.RedisError:
            ended = sessions if time.monotonic() - self._verified_at > UNVERIFIED_S else set()
        for subscriber in subscribers:
            if (subscriber.claims.jti, subscriber.claims.family) in ended:
                subscriber.end(4401, "the session has ended")
        for tenant in {one.claims.tenant for one in subscribers if one.claims.tenant is not None}:
            with contextlib.suppress(*DOWN):
                home = await self._tenants.find(tenant)
                if home is None or not home.active:
                    for subscriber in subscribers:
                        if subscriber.claims.tenant == tenant:
                            subscriber.end(4403, "the tenant is suspended")
