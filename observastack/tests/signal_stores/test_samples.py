"""What every metric store must do, whichever it is: samples, PromQL, labels, and one tenant at a time in all of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from observastack.backend.promql.nodes import BadQuery, Impossible, Unsupported
from observastack.backend.search.fields import BadFilter
from observastack.backend.search.model import Filter
from observastack.backend.stores.ports import Buckets, MetricStore, Selected, Tenant
from observastack.tests.signal_stores.world import SECOND, World, seen, walk


def near(world: World, *filters: tuple[str, str, Any], text: str | None = None) -> Selected:
    """Ten minutes from the world's base on."""
    chosen = tuple(Filter(field=name, operator=operator, value=value) for name, operator, value in filters)
    return Selected(world.base - 60 * SECOND, world.base + 540 * SECOND, chosen, text)


@pytest.mark.parametrize("number", [0.1, -1e-300, 1.7976931348623157e308, 5e-324, 3.0, float("inf")])
async def test_a_value_comes_back_bit_by_bit(metric_world: World, metric_store: MetricStore, number: float) -> None:
    tenant = metric_world.tenant()
    metric_world.samples(tenant, "exact", [(metric_world.base + 123 * 10**6, number)], labels={"http.code": "200"})
    await seen(metric_store, tenant, near(metric_world), 1)
    (found,) = await walk(metric_store, tenant, near(metric_world))
    found = orjson.loads(orjson.dumps(found))
    assert found["content"]["value"] == ("+Inf" if number == float("inf") else number)
    assert found["time_unix_nano"] == str(metric_world.base + 123 * 10**6)
    assert (found["source"], found["service"], found["content"]["name"]) == ("metrics", "shop", "exact")


@pytest.mark.parametrize("descending", [True, False])
async def test_a_walk_sees_everything_once_in_order(
    metric_world: World, metric_store: MetricStore, descending: bool
) -> None:
    tenant, base = metric_world.tenant(), metric_world.base
    points = [(base + n // 3 * SECOND, float(n)) for n in range(0, 300, 3)]
    for pod in ("a", "b", "c"):
        metric_world.samples(tenant, "queue", points, labels={"pod": pod})
    await seen(metric_store, tenant, near(metric_world), 300)
    for limit in (7, 1000):
        found = await walk(metric_store, tenant, near(metric_world), limit=limit, descending=descending)
        assert len({one["id"] for one in found}) == len(found) == 300
        times = [int(one["time_unix_nano"]) for one in found]
        assert times == sorted(times, reverse=descending)
    async with metric_store.export(tenant, near(metric_world)) as batches:
        lines = [line async for batch in batches for line in batch]
    assert [ts for ts, _ in lines] == sorted(ts for ts, _ in points * 3)
    counted = await metric_store.aggregate(
        tenant,
        Selected(base, base + 100 * SECOND),
        Buckets(base, 25 * SECOND, 4),
        ["service", "attributes.pod", "severity"],
    )
    assert counted.counts == [{"samples": 75}] * 4
    assert counted.facets == {"service": {"shop": 300}, "attributes.pod": dict.fromkeys("abc", 100), "severity": {}}


async def test_metrics_that_differ_in_nothing_but_their_name_are_all_there(
    metric_world: World, metric_store: MetricStore
) -> None:
    """A function of PromQL drops the name, and Prometheus refuses what then is one series twice."""
    tenant, base = metric_world.tenant(), metric_world.base
    for name in ("memory.usage", "memory.utilization", 'odd "name"'):
        metric_world.samples(tenant, name, [(base, 1.0), (base + SECOND, 2.0)], labels={"state": "free"})
    await seen(metric_store, tenant, near(metric_world), 6)
    found = await walk(metric_store, tenant, near(metric_world))
    assert Counter(one["content"]["name"] for one in found) == {
        "memory.usage": 2, "memory.utilization": 2, 'odd "name"': 2,
    }  # fmt: skip


@pytest.mark.parametrize("begin", [0, 1, 1_234_567_891])
async def test_buckets_begin_and_end_to_the_millisecond(
    metric_world: World, metric_store: MetricStore, begin: int
) -> None:
    ms = 10**6
    tenant, start, step = metric_world.tenant(), metric_world.base + begin, 7_003 * ms
    first = -(-start // ms) * ms
    end = start + 4 * step + step // 2
    times = sorted({first + place * step + shift * ms for place in range(6) for shift in (-1, 0, 1)})
    metric_world.samples(tenant, "hits", [(ts, 1.0) for ts in times], labels={"pod": "a"})
    metric_world.samples(tenant, "hits", [(ts, 1.0) for ts in times[::2]], "web", labels={"pod": "b"})
    metric_world.samples(tenant, "hi $1 ts", [(ts, 1.0) for ts in times[:3]], "web", labels={"pod": "b"})
    await seen(metric_store, tenant, near(metric_world), len(times) + len(times[::2]) + 3)
    fields = ["service", "name", "attributes.pod"]
    counted = await metric_store.aggregate(tenant, Selected(start, end), Buckets(start, step, 5), fields)
    both = [ts for ts in (*times, *times[::2], *times[:3]) if start <= ts < end]
    expected = Counter((ts - start) // step for ts in both)
    assert [one.get("samples", 0) for one in counted.counts] == [expected[place] for place in range(5)]
    odd = len([ts for ts in times[:3] if start <= ts < end])
    web = len([ts for ts in times[::2] if start <= ts < end]) + odd
    services = {"shop": len(both) - web, "web": web}
    assert counted.facets == {
        "service": services,
        "name": {"hits": len(both) - odd, "hi $1 ts": odd},
        "attributes.pod": {"a": services["shop"], "b": web},
    }
    assert counted.complete


async def test_filters_mean_the_same_everywhere(metric_world: World, metric_store: MetricStore) -> None:
    tenant, base = metric_world.tenant(), metric_world.base
    for place, (name, service, code) in enumerate(
        (("up", "api", "200"), ("up", "web", "404"), ("load_1", "api", "x.y"))
    ):
        metric_world.samples(
            tenant, name, [(base + place * SECOND, float(place))], service, labels={"code": code}, zone="z"
        )
    await seen(metric_store, tenant, near(metric_world), 3)
    expected: list[tuple[str, str, Any, set[int]]] = [
        ("service", "equals", "api", {0, 2}),
        ("service", "not_equals", "api", {1}),
        ("name", "equals", "up", {0, 1}),
        ("name", "contains", "OAD_", {2}),
        ("name", "regex", "^up$", {0, 1}),
        ("value", "gt", 0, {1, 2}),
        ("value", "range", [0, 1], {0, 1}),
        ("attributes.code", "equals", "404", {1}),
        ("attributes.code", "contains", ".", {2}),
        ("attributes.code", "regex", "^[0-9]+$", {0, 1}),
        ("attributes.code", "exists", True, {0, 1, 2}),
        ("attributes.none", "exists", True, set()),
        ("resource.zone", "equals", "z", {0, 1, 2}),
        ("severity", "gt", 1, set()),
    ]
    for name, operator, value, places in expected:
        found = await walk(metric_store, tenant, near(metric_world, (name, operator, value)))
        assert {(int(one["time_unix_nano"]) - base) // SECOND for one in found} == places, (name, operator, value)
    assert len(await walk(metric_store, tenant, near(metric_world, text="LOAD"))) == 1
    with pytest.raises(BadFilter):
        metric_store.check(near(metric_world, ("colour", "equals", "red")))


@pytest.fixture
def measured(metric_world: World) -> Tenant:
    """A counter of two services and codes that grows by 2 or 5 a second, and histograms."""
    if metric_world.measured is not None:
        return metric_world.measured
    metric_world.measured = tenant = metric_world.tenant()
    base = metric_world.base
    for service, slope in (("cart", 2), ("mail", 5)):
        points = [(base + n * 15 * SECOND, float(n * 15 * slope)) for n in range(21)]
        for code in ("200", "500"):
            metric_world.samples(tenant, "requests_total", points, service, labels={"code": code}, counter=True)
    metric_world.histograms(tenant, base + 300 * SECOND, "cart")
    return tenant


QUERIES: list[tuple[str, list[float]]] = [
    ('requests_total{code="200"}', [600, 1500]),
    ("sum by (service) (rate(requests_total[1m]))", [4, 10]),
    ("sum(rate(requests_total[2m]))", [14]),
    ('sum(increase(requests_total{service="mail"}[1m]))', [600]),
    ("count(requests_total)", [4]),
    ("topk(1, requests_total)", [1500]),
    ("max(requests_total) - min(requests_total)", [900]),
    ("avg_over_time(requests_total{service='cart',code='200'}[50s])", [555]),
    ("histogram_quantile(0.5, latency_bucket)", [0.3]),
    ("latency_count", [50]),
    ("latency_sum", [17.5]),
    ('size_bucket{le="2"}', [3]),
    ('size_bucket{le="+Inf"} - ignoring(le) size_count', [0]),
    ("histogram_quantile(1, size_bucket)", [8]),
    ('requests_total{code="200"} / ignoring(code) requests_total{code="500"}', [1, 1]),
    ('requests_total{code=~"2.."} > 1000', [1500]),
    ("requests_total offset 1m", [480, 480, 1200, 1200]),
    ("sum(requests_total) * 2", [8400]),
    ("1 + 1", [2]),
    ("nothing_at_all", []),
]


@pytest.mark.parametrize(("query", "values"), QUERIES)
async def test_promql_gives_the_same_numbers_everywhere(
    metric_world: World, metric_store: MetricStore, measured: Tenant, query: str, values: list[float]
) -> None:
    data = await metric_store.instant(measured, query, metric_world.base + 300 * SECOND)
    if data["resultType"] == "scalar":
        assert [float(data["result"][1])] == values
        return
    found = sorted(float(one["value"][1]) for one in data["result"])
    # Prometheus 2 counts the sample at the very begin of a range, 3 and the embedded store do not: at 15 s steps the rates agree.
    assert found == pytest.approx(sorted(values), rel=0.02)
    assert all(one["metric"].get("tenant", measured.key) == measured.key for one in data["result"])


async def test_a_range_query(metric_world: World, metric_store: MetricStore, measured: Tenant) -> None:
    base = metric_world.base
    query = 'sum(requests_total{service="cart"})'
    data = await metric_store.range(
        measured, query, start=base + 60 * SECOND, end=base + 120 * SECOND, step=30 * SECOND
    )
    assert data["resultType"] == "matrix"
    (series,) = data["result"]
    assert [(at, float(value)) for at, value in series["values"]] == [
        (base // SECOND + after, after * 4.0) for after in (60, 90, 120)
    ]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("sum(", BadQuery), ("up) or (up", BadQuery), ("up{tenant=", BadQuery), ("rate(up)", BadQuery), ("((", BadQuery),
        ("x" * 2001, BadQuery), ("(" * 500 + "up" + ")" * 500, BadQuery), ('"text"', Unsupported),
        ('{a="b" or c="d"}', Unsupported),
        ("requests_total / ignoring(code, service, service_name) requests_total", Impossible),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered(
    metric_world: World, metric_store: MetricStore, measured: Tenant, query: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await metric_store.instant(measured, query, metric_world.base + 300 * SECOND)


ATTACKS = (
    "{key}", '{{tenant="{other}"}}', '{{tenant=~".*"}}', '{{tenant!="{mine}"}}', '{{__name__=~".+"}}', '{{tenant=~"{other}|{mine}"}}',
    'secret or secret{{tenant="{other}"}}', 'secret{{tenant="{other}"}} or secret', 'sum by (tenant) ({{__name__=~".+"}})',
    'max_over_time({{tenant="{other}"}}[5m])', "secret offset 1s or secret", 'label_replace(secret, "x", "$1", "tenant", "(.*)")',
    'count by (tenant) ({{__name__="secret"}})', "secret + on (x) group_left secret", '(secret) unless secret{{tenant="{mine}"}}',
    'secret{{x="}} or secret{{"}} or secret', "-secret", "topk(5, secret) or bottomk(5, secret)", "secret @ end()",
    "max_over_time(secret[5m:1m])", 'absent(secret{{tenant="{other}"}}) or secret',
)  # fmt: skip


async def test_no_query_reaches_another_tenants_series(metric_world: World, metric_store: MetricStore) -> None:
    mine, other = metric_world.tenant(), metric_world.tenant()
    at = metric_world.base + 10 * SECOND
    metric_world.samples(mine, "secret", [(metric_world.base, 1.0)], "mine")
    metric_world.samples(other, "secret", [(metric_world.base, 666.0)], "theirs", labels={"password": "hunter2"})
    metric_world.samples(other, "other_name", [(metric_world.base, 666.0)], "theirs")
    for tenant, count in ((mine, 1), (other, 2)):
        await seen(metric_store, tenant, near(metric_world), count)
    for attack in ATTACKS:
        query = attack.format(mine=mine.key, other=other.key, key="secret")
        try:
            data = await metric_store.instant(mine, query, at)
        except (BadQuery, Unsupported, Impossible):
            continue
        text = orjson.dumps(data).decode()
        # An absent() names what it does not find: the matcher that the caller wrote.
        assert "666" not in text and "theirs" not in text and "hunter2" not in text, (query, text)
    assert await metric_store.label_values(mine, "service") == ["mine"]
    assert await metric_store.label_values(mine, "tenant") == [mine.key]
    assert await metric_store.label_values(mine, "__name__") == ["secret"]
    assert await metric_store.label_values(mine, "password") == []
    assert await metric_store.label_values(mine, "no such label!") == []
    assert "password" not in await metric_store.label_names(mine)
    assert {"__name__", "service", "tenant"} <= set(await metric_store.label_names(mine))
    assert "password" in await metric_store.label_names(other)
    found = await walk(metric_store, mine, near(metric_world))
    assert Counter(one["content"]["value"] for one in found) == {1.0: 1}


async def test_the_server_is_named_and_answers(metric_world: World, metric_store: MetricStore) -> None:
    assert metric_store.implementation == metric_world.adapter
    await metric_store.probe()
    assert any(sign.isdigit() for sign in await metric_store.version() or "")
    assert {"rate", "histogram_quantile"} <= set(metric_store.functions)
    assert {"sum", "topk"} <= set(metric_store.aggregations)
