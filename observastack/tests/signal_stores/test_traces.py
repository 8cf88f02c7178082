"""What every trace store must do, whichever it is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from observastack.backend.search.fields import BadFilter
from observastack.backend.search.model import Filter
from observastack.backend.stores.ports import Buckets, Selected, Summary, TraceStore
from observastack.tests.signal_stores.world import SECOND, World, seen, walk


def near(world: World, *filters: tuple[str, str, Any], text: str | None = None) -> Selected:
    """Ten minutes from the world's base on."""
    chosen = tuple(Filter(field=name, operator=operator, value=value) for name, operator, value in filters)
    return Selected(world.base - 60 * SECOND, world.base + 540 * SECOND, chosen, text)


async def test_a_span_comes_back_as_it_was_sent(trace_world: World, trace_store: TraceStore) -> None:
    tenant, ts = trace_world.tenant(), trace_world.base + 123_456_789
    attributes = {
        "text": "ünï\"\\ \u2028", "int": 9_007_199_254_740_993, "float": 0.1 + 0.2, "big": 1e22, "true": True,
        "list": [1, "a", {"b": []}], "nothing": None,
    }  # fmt: skip
    trace = "00" + "3f" * 15  # a leading zero, which Tempo's search leaves out
    trace_world.spans(
        tenant,
        [
            {
                "ts": ts, "trace_id": trace, "span_id": "ffeeddccbbaa0099", "parent_id": "01" * 8, "duration": 1_234_567,
                "kind": 3, "status": 2, "message": "bröken", "name": "GET /ä", "attributes": attributes,
                "events": [(ts + 5, "exception", {"code": 7})], "links": [("ab" * 16, "cd" * 8, {"why": "retry"})],
            },
            {"ts": ts - 1, "trace_id": trace, "span_id": "01" * 8, "kind": 0, "duration": 0},
        ],
        host__name="h1",
    )  # fmt: skip
    await seen(trace_store, tenant, near(trace_world), 2)
    found = orjson.loads(orjson.dumps(await trace_store.spans(tenant, trace, 10)))
    assert [one["content"]["span_id"] for one in found] == ["01" * 8, "ffeeddccbbaa0099"]
    span = found[1]
    assert span.pop("id")
    assert span.pop("timestamp").endswith(".123456789Z")
    assert span == {
        "time_unix_nano": str(ts),
        "source": "traces",
        "service": "shop",
        "trace_id": trace,
        "content": {
            "name": "GET /ä", "span_id": "ffeeddccbbaa0099", "parent_span_id": "01" * 8, "kind": 3, "status_code": 2,
            "status_message": "bröken", "duration_ns": 1_234_567, "attributes": attributes,
            "events": [{"time_unix_nano": str(ts + 5), "name": "exception", "attributes": {"code": 7}}],
            "links": [{"trace_id": "ab" * 16, "span_id": "cd" * 8, "attributes": {"why": "retry"}}],
            "resource": {"service.name": "shop", "host.name": "h1"},
        },
    }  # fmt: skip
    root = found[0]["content"]
    assert (root["parent_span_id"], root["kind"], root["status_code"], root["status_message"]) == (None, 0, 0, None)
    assert (root["events"], root["links"], root["duration_ns"]) == ([], [], 0)
    assert [one["id"] for one in await walk(trace_store, tenant, near(trace_world), descending=False)] == [
        one["id"] for one in await trace_store.spans(tenant, trace, 10)
    ]


@pytest.mark.parametrize("descending", [True, False])
async def test_a_walk_sees_everything_once_in_order(
    trace_world: World, trace_store: TraceStore, descending: bool
) -> None:
    """Spans of 60 traces, several at the same time, some traces minutes long."""
    tenant, base = trace_world.tenant(), trace_world.base
    items = [
        {
            "ts": base + (n // 5 + (120 if n % 4 == 3 else 0)) * SECOND, "trace_id": f"{n // 4 + 1:032x}",
            "span_id": f"{n + 1:016x}", "status": 2 if n % 10 == 0 else 0, "attributes": {"k": n % 2},
        }
        for n in range(240)
    ]  # fmt: skip
    trace_world.spans(tenant, items)
    await seen(trace_store, tenant, near(trace_world), 240)
    for limit in (61, 1000):
        found = await walk(trace_store, tenant, near(trace_world), limit=limit, descending=descending)
        spans = [one["content"]["span_id"] for one in found]
        assert sorted(spans) == sorted(str(one["span_id"]) for one in items)
        times = [int(one["time_unix_nano"]) for one in found]
        assert times == sorted(times, reverse=descending)
    async with trace_store.export(tenant, near(trace_world)) as batches:
        lines = [line async for batch in batches for line in batch]
    assert [ts for ts, _ in lines] == sorted(int(str(one["ts"])) for one in items)
    counted = await trace_store.aggregate(
        tenant, near(trace_world), Buckets(base - 60 * SECOND, 600 * SECOND, 1), ["service", "attributes.k", "severity"]
    )
    assert counted.counts == [{"spans": 216, "error spans": 24}]
    assert counted.facets == {"service": {"shop": 240}, "attributes.k": {"0": 120, "1": 120}, "severity": {}}
    assert counted.complete


async def test_filters_mean_the_same_everywhere(trace_world: World, trace_store: TraceStore) -> None:
    tenant, base = trace_world.tenant(), trace_world.base
    spans: list[dict[str, Any]] = [
        {"name": "GET /a b", "duration": 5, "attributes": {"code": 200}},
        {"name": 'POST "x"', "duration": 50, "status": 2, "kind": 3},
        {"name": "get", "duration": 500, "attributes": {"code": "200"}},
    ]
    for place, one in enumerate(spans):
        ids = {"ts": base + place, "trace_id": f"{place // 2 + 1:032x}", "span_id": f"{place + 1:016x}"}
        trace_world.spans(tenant, [{**ids, **one}], 'a "quoted" one' if place < 2 else "web", zone="ab"[place // 2])
    await seen(trace_store, tenant, near(trace_world), 3)
    expected: list[tuple[str, str, Any, set[int]]] = [
        ("service", "equals", 'a "quoted" one', {0, 1}),
        ("service", "equals", "web", {2}),
        ("service", "equals", 'x" name="get', set()),
        ("service", "not_equals", "web", {0, 1}),
        ("name", "equals", "GET /a b", {0}),
        ("name", "equals", 'POST "x"', {1}),
        ("name", "equals", "GET", set()),
        ("name", "contains", "GET", {0, 2}),
        ("name", "regex", "^(GET|POST) ", {0, 1}),
        ("status", "equals", 2, {1}),
        ("status", "not_equals", 2, {0, 2}),
        ("kind", "equals", 3, {1}),
        ("duration_ns", "gt", 5, {1, 2}),
        ("duration_ns", "range", [5, 50], {0, 1}),
        ("trace_id", "equals", f"{1:032x}", {0, 1}),
        ("span_id", "equals", f"{3:016X}", {2}),
        ("attributes.code", "equals", 200, {0}),
        ("attributes.code", "equals", "200", {0, 2}),
        ("attributes.code", "exists", False, {1}),
        ("resource.zone", "equals", "b", {2}),
        ("body", "contains", "x", set()),
    ]
    for name, operator, value, places in expected:
        found = await walk(trace_store, tenant, near(trace_world, (name, operator, value)))
        assert {int(one["time_unix_nano"]) - base for one in found} == places, (name, operator, value)
    assert len(await walk(trace_store, tenant, near(trace_world, text="post"))) == 1
    for bad in (("colour", "equals", "red"), ("duration_ns", "contains", "5"), ("trace_id", "equals", "x")):
        with pytest.raises(BadFilter):
            trace_store.check(near(trace_world, bad))


async def test_a_tenant_sees_its_own_spans_even_of_a_shared_trace(trace_world: World, trace_store: TraceStore) -> None:
    mine, other, third = trace_world.tenant(), trace_world.tenant(), trace_world.tenant()
    trace, base = "7e" * 16, trace_world.base
    trace_world.spans(mine, [{"ts": base, "trace_id": trace, "span_id": "01" * 8, "name": "mine"}])
    trace_world.spans(other, [{"ts": base, "trace_id": trace, "span_id": "02" * 8, "name": "theirs"}])
    for tenant, name in ((mine, "mine"), (other, "theirs")):
        await seen(trace_store, tenant, near(trace_world), 1)
        assert [one["content"]["name"] for one in await trace_store.spans(tenant, trace, 10)] == [name]
        assert [one["content"]["name"] for one in await walk(trace_store, tenant, near(trace_world))] == [name]
        assert (await trace_store.summaries(tenant, [trace]))[trace].name == name
    assert await trace_store.spans(third, trace, 10) == []
    assert await trace_store.summaries(third, [trace, "ab" * 16]) == {}
    assert await walk(trace_store, third, near(trace_world)) == []


async def test_a_trace_summed_up(trace_world: World, trace_store: TraceStore) -> None:
    tenant, base, trace = trace_world.tenant(), trace_world.base, "fe" * 16
    trace_world.spans(
        tenant,
        [
            {
                "ts": base + 5,
                "trace_id": trace,
                "span_id": "02" * 8,
                "parent_id": "01" * 8,
                "duration": 100,
                "status": 2,
            },
            {"ts": base, "trace_id": trace, "span_id": "01" * 8, "name": "root", "duration": 50},
        ],
    )
    await seen(trace_store, tenant, near(trace_world), 2)
    assert await trace_store.summaries(tenant, [trace]) == {trace: Summary("shop", "root", base, 105, 2, 1)}
    assert len(await trace_store.spans(tenant, trace, 1)) == 1


async def test_the_server_is_named_and_answers(trace_world: World, trace_store: TraceStore) -> None:
    assert trace_store.implementation == trace_world.adapter
    await trace_store.probe()
    assert await trace_store.version() or trace_world.adapter == "tempo"  # 1.5 does not say
