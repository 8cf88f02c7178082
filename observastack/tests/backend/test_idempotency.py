"""Idempotency-Key on POSTs of the API: done once, answered as often as asked."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator

import orjson
import pytest
from fastapi import Request, Response
from redis.asyncio import ConnectionPool, Redis

from observastack.backend.auth.tokens import Claims
from observastack.backend.errors import ApiError
from observastack.backend.idempotency import Idempotency
from tests.servers import free_port

ALICE = Claims("alice", "alice", "", "acme", ("editor",), "jti", 0)


class Work:
    """Counts how often it is done."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.done, self.problem = 0, problem
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> Response:
        self.done += 1
        await self.may_end.wait()
        if self.problem is not None:
            raise self.problem
        return Response(orjson.dumps({"number": self.done, "password": "secret"}), 201)


@pytest.fixture
async def once(redis: str) -> AsyncIterator[Idempotency]:
    client = Redis.from_url(redis)
    yield Idempotency(client)
    await client.aclose()


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def request(body: bytes = b"{}", path: str = "/things") -> Request:
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "server": ("host", 80),
        "scheme": "http",
    }  # fmt: skip
    found = Request(scope)
    found._body = body
    return found


async def test_a_repeat_gets_the_first_answer_and_nothing_is_done_again(once: Idempotency, key: str) -> None:
    work = Work()
    first = await once.once(key, request(), ALICE, work)
    again = await once.once(key, request(), ALICE, work)
    assert work.done == 1
    assert (again.status_code, again.body) == (first.status_code, first.body) == (201, first.body)
    assert again.headers["idempotency-replayed"] == "true"


async def test_the_key_of_another_user_tenant_or_request_is_another_key(once: Idempotency, key: str) -> None:
    work = Work()
    for claims in (ALICE, dataclasses.replace(ALICE, subject="bob"), dataclasses.replace(ALICE, tenant="globex")):
        await once.once(key, request(), claims, work)
    await once.once(None, request(), ALICE, work)
    assert work.done == 4


@pytest.mark.parametrize("other", [request(b"[]"), request(path="/others")])
async def test_one_key_for_two_requests_is_refused(once: Idempotency, key: str, other: Request) -> None:
    await once.once(key, request(), ALICE, Work())
    with pytest.raises(ApiError) as refused:
        await once.once(key, other, ALICE, Work())
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")


async def test_of_two_at_once_one_works_and_the_other_is_told_to_wait(once: Idempotency, key: str) -> None:
    work = Work()
    work.may_end.clear()
    first = asyncio.create_task(once.once(key, request(), ALICE, work))
    while not work.done:
        await asyncio.sleep(0)
    with pytest.raises(ApiError) as refused:
        await once.once(key, request(), ALICE, work)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (409, "1")
    work.may_end.set()
    assert (await first).status_code == 201
    assert work.done == 1


async def test_an_error_leaves_the_key_free(once: Idempotency, key: str) -> None:
    with pytest.raises(ApiError):
        await once.once(key, request(), ALICE, Work(ApiError(503, "not now")))
    assert (await once.once(key, request(), ALICE, Work())).status_code == 201


async def test_a_secret_is_answered_once_and_not_kept(once: Idempotency, key: str, redis: str) -> None:
    first = await once.once(key, request(), ALICE, Work(), forget=("password",))
    again = await once.once(key, request(), ALICE, Work(), forget=("password",))
    assert orjson.loads(first.body)["password"] == "secret"
    assert orjson.loads(again.body) == {"number": 1, "password": None}


async def test_what_is_done_is_answered_although_the_answer_cannot_be_kept(redis: str, key: str) -> None:
    client = Redis.from_url(redis)

    async def work() -> Response:
        await client.aclose()
        client.connection_pool = ConnectionPool(host="127.0.0.1", port=free_port())
        return Response(b"{}", 201)

    answer = await Idempotency(client).once(key, request(), ALICE, work)
    assert answer.status_code == 201
    await client.aclose()
