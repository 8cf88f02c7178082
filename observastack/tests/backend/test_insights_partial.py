"""What a store did not tell is not nought: insights say that they are partial, and compare only what is whole."""

from __future__ import annotations

from typing import Any, cast

import pytest
from redis.asyncio import Redis

from observastack.backend.alerts.listing import Listing
from observastack.backend.cache import Cache
from observastack.backend.insights.reading import Range
from observastack.backend.insights.service import Insights
from observastack.backend.sources import SourceFailed, Sources
from observastack.backend.stores.ports import Aggregated, Buckets, Found, Selected, Stores, Tenant, Wanted
from observastack.config import Prices

HOUR = 3600 * 10**9
OVER = Range(100 * HOUR, 101 * HOUR)
ITEM: dict[str, Any] = {"time_unix_nano": "1", "content": {"duration_ns": 1, "body": "x" * 1_000}}


class Store:
    """Counts ten items of a shop in any range. pages: whether items can be read; whole_from: counts of earlier ranges
    are incomplete."""

    implementation = "embedded"

    def __init__(self, *, pages: bool = True, whole_from: int = 0) -> None:
        self._pages, self._whole_from = pages, whole_from

    async def aggregate(self, _: Tenant, selected: Selected, __: Buckets, ___: Any) -> Aggregated:
        return Aggregated([{}], {"service": {"shop": 10}, "severity": {}}, selected.start >= self._whole_from)

    async def page(self, _: Tenant, __: Wanted) -> Found:
        if not self._pages:
            raise SourceFailed("went away")
        return Found([(1, 1, ITEM)], True, None)


async def cost(redis: str, store: Store) -> dict[str, Any]:
    client = Redis.from_url(redis)
    await client.flushdb()
    one: Any = store
    insights = Insights(
        Stores(one, one, one), Sources(), cache=Cache(client), alerts=cast(Listing, None), prices=Prices()
    )
    try:
        return await insights.cost(Tenant(1, "acme"), OVER)
    finally:
        await client.aclose()


@pytest.fixture
def own_redis(redis: str) -> str:
    """A database of its own in the server that everybody uses."""
    return f"{redis.rstrip('/')}/7"


async def test_costs_without_the_sizes_of_items_are_partial(own_redis: str) -> None:
    assert (await cost(own_redis, Store()))["partial"] is False
    assert (await cost(own_redis, Store(pages=False)))["partial"] is True


async def test_a_change_is_told_only_against_a_whole_range(own_redis: str) -> None:
    whole = await cost(own_redis, Store())
    assert whole["items"][0]["change_pct"] == 0.0
    unsure = await cost(own_redis, Store(whole_from=OVER.start))
    assert unsure["items"][0]["change_pct"] is None
    assert unsure["partial"] is False
