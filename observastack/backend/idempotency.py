"""Idempotency-Key on the API's own POSTs: a retry after a lost answer is answered, not done again.

Kept in Redis per tenant and user. A claim is made before the work and holds its result afterwards, so that of two
simultaneous senders one works and the other is told to wait. A process that is killed between its commit and the
keeping of its answer leaves a claim that lapses after LEASE_S; a retry after that is done again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import Header, Request, Response
from redis.asyncio import Redis
from redis.exceptions import RedisError

from observastack import defects
from observastack.backend.auth.tokens import Claims
from observastack.backend.errors import ApiError

log = logging.getLogger("observastack.backend")

KEPT_S = 86_400
LEASE_S = 60

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A repeat with the same key and body within 24 h gets the first answer",
    ),
]
"""The header as a parameter of a route."""


class Idempotency:
    """Raises redis.exceptions.RedisError when Redis does not answer, before anything is done."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def once(
        self,
        key: str | None,
        request: Request,
        claims: Claims,
        work: Callable[[], Awaitable[Response]],
        *,
        forget: tuple[str, ...] = (),
    ) -> Response:
        """The answer of the work, or of its first time. forget: top-level keys (secrets) that a repeat gets as null.

        Only an answer is kept: an error leaves the key free. Raises ApiError 422 when the key came with another request
        before, 409 while that one is still being answered.
        """
        if key is None or defects.active("idempotency_key_ignored"):
            return await work()
        place = _place(claims, key)
        digest = await _digest(request)
        claim = orjson.dumps({"digest": digest})
        while not await self._client.set(place, claim, nx=True, ex=LEASE_S):
            if (known := await self._client.get(place)) is not None:  # else: it lapsed just now, and may be claimed
                return _repeated(orjson.loads(known), digest)
        try:
            answer = await work()
        except Exception:
            await self._client.delete(place)
            raise
        kept = {"digest": digest, "status": answer.status_code, "body": _kept(bytes(answer.body), forget)}
        try:
            await self._client.set(place, orjson.dumps(kept), ex=KEPT_S)
        except RedisError as error:  # it is done: to say otherwise would have it done again
            log.warning("idempotency: an answer was not kept: %s", type(error).__name__)
        return answer


def _repeated(known: dict[str, Any], digest: str) -> Response:
    if known["digest"] != digest:
        raise ApiError(422, "the Idempotency-Key came with another request before", code="idempotency_key_reused")
    if "status" not in known:
        raise ApiError(
            409, "the first request with this Idempotency-Key is not answered yet", headers={"Retry-After": "1"}
        )
    headers = {"Idempotency-Replayed": "true"}
    return Response(known["body"], known["status"], headers=headers, media_type="application/json")


def _place(claims: Claims, key: str) -> str:
    """Hashed: what a client chose must neither collide with other keys nor be long."""
    owner = f"{claims.tenant or ''}\0{claims.subject}\0{key}"
    return f"observastack:idempotency:{hashlib.blake2b(owner.encode(), digest_size=16).hexdigest()}"


async def _digest(request: Request) -> str:
    target = f"{request.method} {request.url.path}?{request.url.query}\0".encode()
    return hashlib.blake2b(target + await request.body(), digest_size=16).hexdigest()


def _kept(body: bytes, forget: tuple[str, ...]) -> str:
    if not forget:
        return body.decode()
    document = orjson.loads(body)
    return orjson.dumps({name: None if name in forget else value for name, value in document.items()}).decode()
