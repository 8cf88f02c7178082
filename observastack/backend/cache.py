"""Answers that cost much and may be a few seconds old, in Redis; one tenant's never answer another."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from observastack import defects

log = logging.getLogger("observastack.backend")

TTL_S = 30


class Cache:
    """A cache that fails is one that has nothing: the answer is computed."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def answer(
        self,
        tenant: int,
        name: str,
        question: Any,
        compute: Callable[[], Awaitable[dict[str, Any]]],
        *,
        ttl_s: int = TTL_S,
    ) -> dict[str, Any]:
        """The stored answer, else a new one. What is `partial` is not kept: the next attempt may get further."""
        key = _key(tenant, name, question)
        try:
            stored = await self._client.get(key)
        except RedisError as error:
            log.warning("cache: %s", error)
            return await compute()
        if stored is not None:
            found: dict[str, Any] = orjson.loads(stored)
            return found
        answer = await compute()
        if not answer.get("partial"):
            try:
                await self._client.set(key, orjson.dumps(answer), ex=ttl_s)
            except RedisError as error:
                log.warning("cache: %s", error)
        return answer


def _key(tenant: int, name: str, question: Any) -> str:
    digest = hashlib.sha256(orjson.dumps(question, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    owner = "any" if defects.active("cache_key_without_tenant") else str(tenant)
    return f"observastack:cache:{owner}:{name}:{digest}"
