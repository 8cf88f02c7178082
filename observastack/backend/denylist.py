"""Ended sessions, in Redis until their last access token has expired."""

from __future__ import annotations

from redis.asyncio import Redis


class Denylist:
    """Holds token ids and families of tokens. Raises redis.exceptions.RedisError when Redis does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def add(self, identifier: str, ttl_s: int) -> None:
        await self._client.set(_key(identifier), b"1", ex=max(ttl_s, 1))

    async def contains(self, *identifiers: str) -> bool:
        return bool(await self._client.exists(*map(_key, identifiers)))


def _key(identifier: str) -> str:
    return f"observastack:deny:{identifier}"
