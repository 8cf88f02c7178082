"""Whether the platform can serve: a real question to each dependency, with a short time limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import psycopg
import redis.exceptions
from redis.asyncio import Redis

from observastack.backend.database import Connection, Database
from observastack.backend.deadline import within
from observastack.backend.sources import SourceFailed
from observastack.backend.stores.ports import SignalStore, Stores
from observastack.identity.keys import RemoteKeys

PROBE_TIMEOUT_S = 1.0
_QUESTION = "SELECT 1 FROM tenants LIMIT 1"


@dataclass(frozen=True)
class Status:
    """reason: why it is not ready, without internals."""

    name: str
    ready: bool
    latency_ms: float
    reason: str | None = None


class Health:
    """Probes with connections of its own: a pool that is busy is not a server that is down."""

    def __init__(self, database: Database, redis: Redis, stores: Stores, keys: RemoteKeys | None = None) -> None:
        self._database, self._redis, self._stores, self._keys = database, redis, stores, keys
        self._connection: Connection | None = None
        self.last: dict[str, bool] = {}

    async def check(self) -> list[Status]:
        """One status per dependency, in a fixed order; takes at most the probe's time limit."""
        probes = [_timed("postgres", self._postgres), _timed("redis", self._ping)]
        # The embedded stores are PostgreSQL, which is asked already.
        probes += [_store(store) for store in self._stores if store.implementation != "embedded"]
        if self._keys is not None:
            probes.append(_identity(self._keys))
        found = list(await asyncio.gather(*probes))
        self.last = {status.name: status.ready for status in found}
        return found

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _postgres(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is None:
                connection = await self._database.dedicated("read")
            try:
                await connection.execute(_QUESTION)
            except psycopg.OperationalError:  # this connection died with a server that may be back
                await connection.close()
                connection = await self._database.dedicated("read")
                await connection.execute(_QUESTION)
        except BaseException:
            if connection is not None:
                await connection.close()
            raise
        if self._connection is None:
            self._connection = connection
        else:  # another probe was faster
            await connection.close()

    async def _ping(self) -> None:
        await self._redis.ping()


async def _identity(keys: RemoteKeys) -> Status:
    """With keys the platform serves whether or not the provider answers; without any it can let nobody in."""
    started = time.perf_counter()
    if not keys.known:
        await asyncio.wait({asyncio.wrap_future(keys.refresh())}, timeout=PROBE_TIMEOUT_S)
    took = round((time.perf_counter() - started) * 1000, 3)
    return Status("identity_provider", keys.known, took, None if keys.known else keys.reason)


async def _store(store: SignalStore) -> Status:
    return await _timed(store.implementation, store.probe)


async def _timed(name: str, probe: Callable[[], Coroutine[Any, Any, None]]) -> Status:
    started, reason = time.perf_counter(), None
    try:
        await within(PROBE_TIMEOUT_S, probe())
    except TimeoutError:
        reason = f"no answer within {PROBE_TIMEOUT_S:g} s"
    except SourceFailed as failure:
        reason = failure.reason
    except (psycopg.Error, redis.exceptions.RedisError, OSError):
        reason = "not reachable"
    return Status(name, reason is None, round((time.perf_counter() - started) * 1000, 3), reason)
