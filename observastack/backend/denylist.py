"""Ended sessions, in Redis until their last access token has expired."""

from __future__ import annotations

from collections.abc import Collection

from redis.asyncio import Redis
from redis.exceptions import RedisError

from observastack import defects


class Denylist:
    """Holds token ids, families of tokens and sessions of an identity provider. Raises redis.exceptions.RedisError when Redis does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def add(self, identifier: str, ttl_s: int) -> None:
        await self._client.set(_key(identifier), b"1", ex=max(ttl_s, 1))

    async def contains(self, *identifiers: str) -> bool:
        try:
            return bool(await self._client.exists(*map(_key, identifiers)))
        except RedisError:
            if defects.active("denylist_fail_open"):
                return False
            raise

    async def among(self, sessions: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (token id, family) have ended; one round trip for all."""
        asked = list(sessions)
        async with self._client.pipeline(transaction=False) as pipeline:
            for session in asked:
                pipeline.exists(*map(_key, session))
            answers = await pipeline.execute()
        return {session for session, ended in zip(asked, answers, strict=True) if ended}


def _key(identifier: str) -> str:
    return f"observastack:deny:{identifier}"
