"""What every log store must do, whichever it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from observastack.backend.search.fields import BadFilter
from observastack.backend.search.model import Filter
from observastack.backend.stores.ports import Buckets, LogStore, Selected
from observastack.tests.signal_stores.world import SECOND, World, seen, walk


def near(world: World, *filters: tuple[str, str, Any], text: str | None = None) -> Selected:
    """Ten minutes from the world's base on."""
    chosen = tuple(Filter(field=name, operator=operator, value=value) for name, operator, value in filters)
    return Selected(world.base - 60 * SECOND, world.base + 540 * SECOND, chosen, text)


async def test_a_record_comes_back_as_it_was_sent(log_world: World, log_store: LogStore) -> None:
    tenant, ts = log_world.tenant(), log_world.base + 123_456_789
    attributes = {
        "text": "ünï\"\\ \u2028`{}|", "int": 9_007_199_254_740_993, "float": 0.1 + 0.2, "true": True,
        "list": [1, "a", {"b": [], "c": None}], "nothing": None, "http.status": 200, "http_status": 201,
    }  # fmt: skip
    trace, span = "00112233445566778899aabbccddeeff", "ffeeddccbbaa0099"
    log_world.logs(
        tenant,
        [
            {
                "ts": ts, "body": "hällo\n", "severity": 13, "severity_text": "WARN", "attributes": attributes,
                "trace_id": trace, "span_id": span,
            },
            {"ts": ts + 1, "body": None, "severity": 0, "severity_text": ""},
            {"ts": ts + 2, "body": "", "severity": 24, "severity_text": "x"},
            {"ts": ts + 3, "body": {"a": [1, 2.5]}},
        ],
        host__name="h1",
    )  # fmt: skip
    await seen(log_store, tenant, near(log_world), 4)
    found = await walk(log_store, tenant, near(log_world), descending=False)
    assert all(one.pop("id") for one in found)
    as_sent = orjson.loads(orjson.dumps(found))
    resource = {"service.name": "shop", "host.name": "h1"}
    assert as_sent[0].pop("timestamp").endswith(".123456789Z")
    assert as_sent[0] == {
        "time_unix_nano": str(ts),
        "source": "logs",
        "service": "shop",
        "trace_id": trace,
        "content": {
            "body": "hällo\n", "severity_number": 13, "severity_text": "WARN", "attributes": attributes,
            "resource": resource, "span_id": span,
        },
    }  # fmt: skip
    assert [one["content"]["body"] for one in as_sent[1:]] == [None, "", '{"a":[1,2.5]}']
    assert [one["content"]["severity_text"] for one in as_sent[1:]] == [None, "x", "INFO"]
    assert [one["content"]["severity_number"] for one in as_sent[1:]] == [0, 24, 9]
    assert [one["trace_id"] for one in as_sent[1:]] == [None] * 3
    assert all(one["content"]["resource"] == resource for one in as_sent)


@pytest.mark.parametrize("descending", [True, False])
async def test_a_walk_sees_everything_once_in_order(log_world: World, log_store: LogStore, descending: bool) -> None:
    """Seven records at each time, 250 at one: pages end between records of the same nanosecond."""
    tenant, base = log_world.tenant(), log_world.base
    items: list[dict[str, Any]] = [
        {"ts": base + n // 7 * SECOND, "body": f"line {n}", "attributes": {"n": n}} for n in range(280)
    ]
    items += [{"ts": base + 20 * SECOND, "body": f"same {n}"} for n in range(250)]
    log_world.logs(tenant, items)
    await seen(log_store, tenant, near(log_world), 530)
    for limit in (7, 100, 1000):
        found = await walk(log_store, tenant, near(log_world), limit=limit, descending=descending)
        assert Counter(one["content"]["body"] for one in found) == Counter(one["body"] for one in items)
        times = [int(one["time_unix_nano"]) for one in found]
        assert times == sorted(times, reverse=descending)
    async with log_store.export(tenant, near(log_world)) as batches:
        lines = [line async for batch in batches for line in batch]
    assert [ts for ts, _ in lines] == sorted(one["ts"] for one in items)
    assert Counter(orjson.loads(line)["content"]["body"] for _, line in lines) == Counter(one["body"] for one in items)


async def test_records_that_differ_in_nothing_but_attributes_are_all_there(
    log_world: World, log_store: LogStore
) -> None:
    tenant = log_world.tenant()
    log_world.logs(tenant, [{"ts": log_world.base, "body": "same", "attributes": {"n": n}} for n in range(5)])
    await seen(log_store, tenant, near(log_world), 5)
    found = await walk(log_store, tenant, near(log_world), limit=2)
    assert sorted(orjson.loads(orjson.dumps(one))["content"]["attributes"]["n"] for one in found) == [0, 1, 2, 3, 4]


LINES: list[dict[str, Any]] = [
    {"body": "order 1", "severity": 5, "attributes": {"code": 200}},
    {"body": "100% done", "severity": 9, "attributes": {"code": 404}},
    {"body": "a_b", "severity": 18},
    {"body": "zwei äpfel", "severity": 9, "attributes": {"code": 404}},
    {"body": "axb", "severity": 13, "attributes": {"code": "404"}, "trace_id": "ab" * 16, "span_id": "f" * 16},
    {"body": "1000 done", "severity": 17, "attributes": {"path.name": "/v1/x"}, "trace_id": "cd" * 16},
    {"body": None, "severity": 0, "severity_text": "", "attributes": {"ok": True}},
]
FILTERS: list[tuple[str, str, Any, set[int]]] = [
    ("service", "equals", "api", {0, 1, 2}),
    ("service", "not_equals", "api", {3, 4, 5, 6}),
    ("service", "contains", "EB", {3, 4, 5, 6}),
    ("service", "regex", "^a", {0, 1, 2}),
    ("severity", "equals", 17, {5}),
    ("severity", "equals", 0, {6}),
    ("severity", "equals", "error", {2, 5}),
    ("severity", "gt", 12, {2, 4, 5}),
    ("severity", "gt", "info", {2, 4, 5}),
    ("severity", "lt", "warn", {0, 1, 3, 6}),
    ("severity", "range", [9, 13], {1, 3, 4}),
    ("severity", "range", [0, 5], {0, 6}),
    ("severity", "not_equals", "info", {0, 2, 4, 5, 6}),
    ("body", "contains", "100%", {1}),
    ("body", "contains", "a_b", {2}),
    ("body", "contains", "ÄPFEL", {3}),
    ("body", "contains", "DONE", {1, 5}),
    ("body", "regex", r"^order \d+$", {0}),
    ("body", "equals", "order 1", {0}),
    ("body", "equals", "order", set()),
    ("body", "exists", False, {6}),
    ("trace_id", "equals", "AB" * 16, {4}),
    ("trace_id", "exists", True, {4, 5}),
    ("trace_id", "exists", False, {0, 1, 2, 3, 6}),
    ("span_id", "equals", "f" * 16, {4}),
    ("attributes.code", "equals", 404, {1, 3}),
    ("attributes.code", "equals", "404", {1, 3, 4}),
    ("attributes.code", "not_equals", 404, {0, 2, 4, 5, 6}),
    ("attributes.code", "gt", 300, {1, 3}),
    ("attributes.code", "range", [200, 300], {0}),
    ("attributes.code", "exists", None, {0, 1, 3, 4}),
    ("attributes.ok", "equals", True, {6}),
    ("attributes.path.name", "contains", "/v1", {5}),
    ("attributes.path.name", "regex", "^/v[0-9]", {5}),
    ("resource.zone", "equals", "b", {3, 4, 5, 6}),
    ("resource.zone", "not_equals", "b", {0, 1, 2}),
    ("resource.zone", "exists", False, set()),
    ("name", "equals", "x", set()),
    ("name", "not_equals", "x", {0, 1, 2, 3, 4, 5, 6}),
    ("duration_ns", "gt", 1, set()),
]


async def test_filters_mean_the_same_everywhere(log_world: World, log_store: LogStore) -> None:
    tenant, base = log_world.tenant(), log_world.base
    for service, zone, some in (("api", "a", range(3)), ("web", "b", range(3, 7))):
        log_world.logs(tenant, [{**LINES[place], "ts": base + place} for place in some], service, zone=zone)
    await seen(log_store, tenant, near(log_world), 7)
    wrong = []
    for name, operator, value, expected in FILTERS:
        found = await walk(log_store, tenant, near(log_world, (name, operator, value)))
        places = {int(one["time_unix_nano"]) - base for one in found}
        if places != expected:
            wrong.append((name, operator, value, places, expected))
    assert not wrong
    both = near(log_world, ("service", "equals", "web"), ("service", "equals", "api"))
    assert await walk(log_store, tenant, both) == []
    assert {one["content"]["body"] for one in await walk(log_store, tenant, near(log_world, text="Done"))} == {
        "100% done",
        "1000 done",
    }


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("colour", "equals", "red"),
        ("attributes", "equals", "x"),
        ("service", "gt", 5),
        ("service", "equals", 5),
        ("severity", "contains", "e"),
        ("severity", "range", [1]),
        ("trace_id", "equals", "xyz"),
        ("trace_id", "contains", "ab"),
        ("span_id", "equals", "' OR 1=1"),
        ("attributes.x", "exists", "yes"),
        ("body", "contains", "\0"),
        ("body", "equals", None),
        ("body", "regex", "x" * 501),
    ],
)
async def test_a_filter_without_meaning_is_refused_before_the_store_is_asked(
    log_world: World, log_store: LogStore, name: str, operator: str, value: Any
) -> None:
    with pytest.raises(BadFilter):
        log_store.check(near(log_world, (name, operator, value)))


HOSTILE = (
    '" or service_name=~".+', "`} | json", "\\", '\\"', "{service_name=~`.+`}", "$(id)", "' OR '1'='1", "a\nb", "%", "_",
    ".*", "(?i)", "[", "|", '|= "x"', "# comment", "\u2028", "\u202eabc", "😀", "\\u0041", "\t\x7f\x01",
)  # fmt: skip


async def test_hostile_texts_are_texts(log_world: World, log_store: LogStore) -> None:
    """Whatever a text looks like to a query language: it finds the record that has it, and no other."""
    tenant = log_world.tenant()
    items = [{"ts": log_world.base + n, "body": f"<{text}>"} for n, text in enumerate(HOSTILE)]
    items.append({"ts": log_world.base + 1000, "body": "harmless"})
    log_world.logs(tenant, items, 'a "quoted" `service`')
    await seen(log_store, tenant, near(log_world), len(items))
    for text in HOSTILE:
        for selected in (
            near(log_world, text=f"<{text}>"),
            near(log_world, ("body", "contains", f"<{text}>")),
            near(log_world, ("body", "equals", f"<{text}>")),
        ):
            found = await walk(log_store, tenant, selected)
            assert [one["content"]["body"] for one in found] == [f"<{text}>"], text
    service = near(log_world, ("service", "equals", 'a "quoted" `service`'))
    assert len(await walk(log_store, tenant, service)) == len(items)
    assert await walk(log_store, tenant, near(log_world, ("service", "equals", 'x"} or {service_name=~".+'))) == []


async def test_a_tenant_sees_its_own(log_world: World, log_store: LogStore) -> None:
    mine, theirs = log_world.tenant(), log_world.tenant()
    trace = "7e" * 16
    for tenant in (mine, theirs):
        log_world.logs(tenant, [{"ts": log_world.base, "body": f"of {tenant.key}", "trace_id": trace}])
    for tenant in (mine, theirs):
        await seen(log_store, tenant, near(log_world), 1)
        (found,) = await walk(log_store, tenant, near(log_world))
        assert found["content"]["body"] == f"of {tenant.key}"
        (found,) = await log_store.of_trace(tenant, trace, 10)
        assert found["content"]["body"] == f"of {tenant.key}"
    counted = await log_store.aggregate(
        mine, near(log_world), Buckets(log_world.base - 60 * SECOND, 600 * SECOND, 1), []
    )
    assert counted.counts == [{"info": 1}]


async def test_records_of_a_trace_in_order(log_world: World, log_store: LogStore) -> None:
    tenant, trace = log_world.tenant(), "fd" * 16
    log_world.logs(tenant, [{"ts": log_world.base + n, "body": str(n), "trace_id": trace} for n in (3, 1, 2)])
    log_world.logs(tenant, [{"ts": log_world.base, "body": "other", "trace_id": "fe" * 16}])
    await seen(log_store, tenant, near(log_world), 4)
    assert [one["content"]["body"] for one in await log_store.of_trace(tenant, trace, 10)] == ["1", "2", "3"]
    assert [one["content"]["body"] for one in await log_store.of_trace(tenant, trace, 2)] == ["1", "2"]
    assert await log_store.of_trace(tenant, "00" * 15 + "01", 10) == []


async def test_counts_are_those_of_the_records(log_world: World, log_store: LogStore) -> None:
    tenant, base = log_world.tenant(), log_world.base
    items: list[dict[str, Any]] = [
        {
            "ts": base + n * SECOND,
            "body": f"n {n % 3}",
            "severity": (9, 17, 0, 4, 24)[n % 5],
            "attributes": {"k": n % 2},
        }
        for n in range(240)
    ]
    log_world.logs(tenant, items[:160], "a", zone="x")
    log_world.logs(tenant, items[160:], "b")
    await seen(log_store, tenant, near(log_world), 240)
    names = {9: "info", 17: "error", 0: "unspecified", 4: "trace", 24: "fatal"}
    buckets = Buckets(base, 60 * SECOND, 4)
    for text, fields in (
        (None, ["service", "severity"]),
        ("n 1", ["service", "attributes.k", "resource.zone", "name"]),
    ):
        chosen = [one for one in items if text is None or one["body"] == text]
        selected = Selected(base, base + 240 * SECOND, (), text)
        counted = await log_store.aggregate(tenant, selected, buckets, fields)
        assert counted.complete
        assert [dict(Counter(counts)) for counts in counted.counts] == [
            dict(Counter(names[one["severity"]] for one in chosen if (one["ts"] - base) // (60 * SECOND) == place))
            for place in range(4)
        ]
        services = Counter("a" if one["ts"] < base + 160 * SECOND else "b" for one in chosen)
        assert counted.facets["service"] == services
        if text is None:
            assert counted.facets["severity"] == Counter(names[one["severity"]] for one in chosen)
        else:
            assert counted.facets["attributes.k"] == Counter(str(one["attributes"]["k"]) for one in chosen)
            assert counted.facets["resource.zone"] == {"x": services["a"]}
            assert counted.facets["name"] == {}
    with pytest.raises(BadFilter):
        await log_store.aggregate(tenant, near(log_world), buckets, ["colour"])


@pytest.mark.parametrize("begin", [0, 1, 999_999, 1_234_567_891])
async def test_buckets_begin_and_end_to_the_nanosecond(log_world: World, log_store: LogStore, begin: int) -> None:
    """Records at each side of every edge, and an end in the middle of a millisecond within a bucket."""
    tenant, start, step = log_world.tenant(), log_world.base + begin, 7_003 * 10**6
    edges = [start + place * step for place in range(6)]
    end = edges[5] - step // 2 - 123_457
    times = sorted({edge + shift for edge in edges for shift in (-1, 0, 1)} | {end - 1, end, end + 1, end - 10**6})
    log_world.logs(tenant, [{"ts": ts, "body": str(ts), "severity": (9, 17)[ts % 2]} for ts in times])
    await seen(log_store, tenant, near(log_world), len(times))
    counted = await log_store.aggregate(tenant, Selected(start, end), Buckets(start, step, 5), ["severity"])
    expected: list[Counter[str]] = [Counter() for _ in range(5)]
    for ts in times:
        if start <= ts < end:
            expected[(ts - start) // step][("info", "error")[ts % 2]] += 1
    assert [Counter(one) for one in counted.counts] == expected
    assert counted.facets["severity"] == sum(expected, Counter())
    assert counted.complete


async def test_the_server_is_named_and_answers(log_world: World, log_store: LogStore) -> None:
    assert log_store.implementation == log_world.adapter
    await log_store.probe()
    assert await log_store.version()
