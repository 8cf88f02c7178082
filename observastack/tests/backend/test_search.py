"""Pages of search: what a filter means, and that a walk through the pages sees everything once, in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observastack.backend.search.engine import merge
from observastack.backend.stores.ports import LEAST_ID, Found
from observastack.tests.backend.serving import SECOND, Backend, Store

HOUR = 3600 * SECOND


def window(at: int, length: int = HOUR) -> dict[str, str]:
    return {"from": str(at), "to": str(at + length)}


def walk(served: Backend, body: dict[str, Any], username: str = "acme-viewer") -> tuple[list[dict[str, Any]], int]:
    """All items of all pages, and how many pages."""
    items: list[dict[str, Any]] = []
    cursor, pages = None, 0
    while True:
        answer = served.post(username, "/search", {**body, "cursor": cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        pages += 1
        assert pages < 1000
        cursor = page["next_cursor"]
        if cursor is None:
            return items, pages


@pytest.fixture
def mixed(store: Store, era: int) -> int:
    """300 logs, 200 spans, 100 samples; many at the very same nanosecond."""
    store.logs("acme", [{"ts": era + n // 7 * SECOND, "body": f"line {n}", "attributes": {"n": n}} for n in range(300)])
    store.spans(
        "acme",
        [
            {"ts": era + n // 5 * SECOND, "trace_id": f"{n // 4 + 1:032x}", "span_id": f"{n + 1:016x}"}
            for n in range(200)
        ],
    )
    store.samples("acme", "queue", [(era + n // 3 * SECOND, float(n)) for n in range(100)])
    return era


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize(("kind", "total"), [("logs", 300), ("traces", 200), ("metrics", 100), ("all", 600)])
@pytest.mark.parametrize("limit", [7, 1000])
def test_a_walk_sees_everything_once_in_order(
    served: Backend, mixed: int, *, kind: str, total: int, order: str, limit: int
) -> None:
    items, _ = walk(served, {"type": kind, "time_range": window(mixed), "limit": limit, "sort_order": order})
    keys = [(one["source"], one["id"]) for one in items]
    assert len(keys) == len(set(keys)) == total
    times = [int(one["time_unix_nano"]) for one in items]
    assert times == sorted(times, reverse=order == "desc")


def test_a_walk_with_an_unindexed_filter_equals_the_full_result(served: Backend, mixed: int) -> None:
    body = {
        "type": "all",
        "time_range": window(mixed - 40 * HOUR, 41 * HOUR),
        "filters": [{"field": "attributes.n", "operator": "lt", "value": 100}],
    }
    small, pages = walk(served, {**body, "limit": 9})
    large, _ = walk(served, {**body, "limit": 1000})
    assert pages > 10
    assert [one["content"]["body"] for one in small] == [one["content"]["body"] for one in large]
    mine = {f"line {n}" for n in range(100)}
    assert mine <= {one["content"]["body"] for one in small}


def test_an_item_comes_back_as_it_was_written(served: Backend, store: Store, era: int) -> None:
    attributes = {
        "text": "ünï\"\\ \u2028", "int": 9_007_199_254_740_993, "float": 0.1 + 0.2, "big": 1e15, "true": True,
        "list": [1, "a", {"b": []}], "nothing": None,
    }  # fmt: skip
    ts, trace, span = era + 123_456_789, "00112233445566778899aabbccddeeff", "ffeeddccbbaa0099"
    log = {"ts": ts, "body": "hällo\n", "severity": 13, "severity_text": "WARN", "attributes": attributes}
    store.logs("acme", [{**log, "trace_id": trace, "span_id": span}], host__name="h1")
    (found,) = walk(served, {"type": "logs", "time_range": window(era)})[0]
    assert found.pop("id")
    assert found.pop("timestamp").endswith(".123456789Z")
    assert found == {
        "time_unix_nano": str(ts),
        "source": "logs",
        "service": "shop",
        "trace_id": trace,
        "content": {
            "body": "hällo\n",
            "severity_number": 13,
            "severity_text": "WARN",
            "attributes": attributes,
            "resource": {"service.name": "shop", "host.name": "h1"},
            "span_id": span,
        },
    }


@pytest.mark.parametrize("value", [0.1, -1e-300, 1.7976931348623157e308, 5e-324, 3.0])
def test_a_sample_value_comes_back_bit_by_bit(served: Backend, store: Store, era: int, value: float) -> None:
    store.samples("acme", "exact", [(era, value)])
    (found,) = walk(served, {"type": "metrics", "time_range": window(era)})[0]
    assert found["content"]["value"] == value


FILTERS: list[tuple[str, Any, Any, set[int]]] = [
    ("service", "equals", "api", {0, 1, 2}),
    ("service", "not_equals", "api", {3, 4, 5}),
    ("service", "contains", "EB", {3, 4, 5}),
    ("service", "regex", "^a", {0, 1, 2}),
    ("severity", "equals", 17, {5}),
    ("severity", "equals", "error", {2, 5}),
    ("severity", "gt", 12, {2, 4, 5}),
    ("severity", "lt", "warn", {0, 1, 3}),
    ("severity", "range", [9, 13], {1, 3, 4}),
    ("body", "contains", "100%", {1}),
    ("body", "contains", "a_b", {2}),
    ("body", "contains", "ÄPFEL", {3}),
    ("body", "regex", r"^order \d+$", {0}),
    ("body", "equals", "order 1", {0}),
    ("trace_id", "equals", "AB" * 16, {4}),
    ("trace_id", "exists", True, {4, 5}),
    ("trace_id", "exists", False, {0, 1, 2, 3}),
    ("span_id", "equals", "f" * 16, {4}),
    ("attributes.code", "equals", 404, {1, 3}),
    ("attributes.code", "equals", "404", {1, 3, 4}),
    ("attributes.code", "not_equals", 404, {0, 2, 4, 5}),
    ("attributes.code", "gt", 300, {1, 3}),
    ("attributes.code", "range", [200, 300], {0}),
    ("attributes.code", "exists", None, {0, 1, 3, 4}),
    ("attributes.path.name", "contains", "/v1", {5}),
    ("resource.zone", "equals", "b", {3, 4, 5}),
    ("resource.zone", "not_equals", "b", {0, 1, 2}),
    ("resource.zone", "exists", False, set()),
    ("name", "equals", "x", set()),
]


@pytest.fixture(scope="module")
def filtered(store: Store) -> int:
    at = 1_794_000_000 * SECOND
    lines: list[dict[str, Any]] = [
        {"body": "order 1", "severity": 5, "attributes": {"code": 200}},
        {"body": "100% done", "severity": 9, "attributes": {"code": 404}},
        {"body": "a_b", "severity": 18},
        {"body": "zwei äpfel", "severity": 9, "attributes": {"code": 404}},
        {"body": "axb", "severity": 13, "attributes": {"code": "404"}, "trace_id": "ab" * 16, "span_id": "f" * 16},
        {"body": "1000 done", "severity": 17, "attributes": {"path.name": "/v1/x"}, "trace_id": "cd" * 16},
    ]
    for place, one in enumerate(lines):
        service, zone = ("api", "a") if place < 3 else ("web", "b")
        store.logs("initech", [{**one, "ts": at + place}], service, zone=zone)
    return at


@pytest.mark.parametrize(("field", "operator", "value", "expected"), FILTERS)
def test_filter(served: Backend, filtered: int, *, field: str, operator: str, value: Any, expected: set[int]) -> None:
    body = {
        "type": "logs",
        "time_range": window(filtered),
        "filters": [{"field": field, "operator": operator, "value": value}],
    }
    items, _ = walk(served, body, "initech-viewer")
    assert {int(one["time_unix_nano"]) - filtered for one in items} == expected


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("colour", "equals", "red"),
        ("attributes", "equals", "x"),
        ("service", "gt", 5),
        ("service", "equals", 5),
        ("severity", "contains", "e"),
        ("severity", "gt", "much"),
        ("severity", "range", [1]),
        ("trace_id", "equals", "xyz"),
        ("trace_id", "contains", "ab"),
        ("span_id", "equals", "' OR 1=1"),
        ("attributes.x", "exists", "yes"),
        ("body", "regex", "("),
        ("body", "contains", "\0"),
        ("body", "equals", None),
        ("service", "like", "x"),
    ],
)
def test_a_filter_without_meaning_is_422(served: Backend, field: str, operator: str, value: Any) -> None:
    body = {"type": "all", "filters": [{"field": field, "operator": operator, "value": value}]}
    answer = served.post("acme-viewer", "/search", body)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()["error"]) == {"code", "message", "request_id", "details"}


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "5"},
        {"type": "alerts"},
        {"sort_order": "up"},
        {"time_range": {"from": "2026-01-01T00:00:00Z"}},
        {"time_range": {"from": "yesterday", "to": "2"}},
        {"time_range": {"from": "5", "to": "4"}},
        {"time_range": {"from": "2026-01-01T00:00:00", "to": "2026-01-01T00:00:01Z"}},
        {"time_range": {"from": "1", "to": "9" * 30}},
        {"filters": "service=x"},
        {"filters": [{"field": "service"}]},
        {"cursor": "nonsense"},
        {"free_text": 5},
        {"unknown": 1},
        [],
        "x",
    ],
)
def test_a_body_of_another_form_is_422(served: Backend, body: Any) -> None:
    answer = served.post("acme-viewer", "/search", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "raw", ["", "{", "\xff", '{"a":' * 10_000, '{"free_text":"\\ud800"}', '{"free_text":"\\u0000"}', "NaN"]
)
def test_a_body_that_is_no_json_is_refused(served: Backend, raw: str) -> None:
    headers = {"Authorization": f"Bearer {served.token('acme-viewer')}", "Content-Type": "application/json"}
    answer = served.client.post("/api/v1/search", content=raw.encode("latin-1"), headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert "error" in answer.json()


def test_times_may_be_rfc3339_with_any_offset(served: Backend, store: Store, era: int) -> None:
    from observastack.backend.wire import rfc3339

    store.logs("acme", [{"ts": era + 1, "body": "here"}])
    exact = {"from": rfc3339(era + 1), "to": rfc3339(era + 2)}
    assert len(walk(served, {"time_range": exact})[0]) == 1
    outside = {"from": rfc3339(era), "to": rfc3339(era + 1)}  # the end is not inside
    assert walk(served, {"time_range": outside})[0] == []


def test_a_cursor_belongs_to_its_query(served: Backend, mixed: int) -> None:
    body = {"type": "logs", "time_range": window(mixed), "limit": 5}
    cursor = served.post("acme-viewer", "/search", body).json()["next_cursor"]
    for change in ({"type": "traces"}, {"free_text": "x"}, {"sort_order": "asc"}):
        assert served.post("acme-viewer", "/search", {**body, **change, "cursor": cursor}).status_code == 422
    assert served.post("acme-viewer", "/logs/query", {"cursor": cursor, "limit": 5}).status_code == 200


def test_stats_and_facets_describe_the_page(served: Backend, mixed: int) -> None:
    page = served.post("acme-viewer", "/search", {"time_range": window(mixed), "limit": 100}).json()
    assert page["stats"]["matched"] == len(page["items"]) == 100
    assert sum(source["count"] for source in page["stats"]["sources"].values()) == 100
    assert {source["status"] for source in page["stats"]["sources"].values()} == {"ok"}
    assert sum(page["facets"]["source"].values()) == 100
    assert page["facets"]["service"] == {"shop": 100}
    assert page["partial"] is False


def test_a_failing_source_makes_the_page_partial_and_says_so(served: Backend, mixed: int) -> None:
    fault = {"source": "traces", "error_rate": 1.0, "ttl_s": 30}
    assert served.post("platform-admin", "/test-data/faults", fault).status_code == 200
    try:
        page = served.post("acme-viewer", "/search", {"time_range": window(mixed), "limit": 1000}).json()
        only = served.post("acme-viewer", "/search", {"type": "traces", "time_range": window(mixed)})
        exported = served.post("acme-analyst", "/search/export", {"type": "traces"})
    finally:
        served.post("platform-admin", "/test-data/faults", {"source": "traces"})
    assert page["partial"] is True
    status = page["stats"]["sources"]["traces"]
    assert status.pop("latency_ms") < 1000
    assert status == {"status": "error", "count": 0, "reason": "injected error", "implementation": "embedded"}
    assert {one["source"] for one in page["items"]} == {"logs", "metrics"}
    assert only.status_code == exported.status_code == 503
    rest = served.post(
        "acme-viewer", "/search", {"time_range": window(mixed), "limit": 1000, "cursor": page["next_cursor"]}
    )
    assert len([one for one in rest.json()["items"] if one["source"] == "traces"]) == 200


def test_trace_search_sums_up_each_trace(served: Backend, store: Store, era: int) -> None:
    trace = "fe" * 16
    store.spans(
        "acme",
        [
            {
                "ts": era + 5,
                "trace_id": trace,
                "span_id": "02" * 8,
                "parent_id": "01" * 8,
                "duration": 100,
                "status": 2,
            },
            {"ts": era, "trace_id": trace, "span_id": "01" * 8, "name": "root", "duration": 50},
        ],
    )
    answer = served.post("acme-viewer", "/traces/search", {"time_range": window(era)}).json()
    (found,) = answer["items"]
    found.pop("timestamp")
    assert found == {
        "trace_id": trace, "time_unix_nano": str(era), "service": "shop", "name": "root", "duration_ns": 105,
        "spans": 2, "errors": 1,
    }  # fmt: skip


def test_logs_of_a_trace(served: Backend, store: Store, era: int) -> None:
    trace = "fd" * 16
    store.spans("acme", [{"ts": era, "trace_id": trace, "span_id": "01" * 8}])
    assert served.get("acme-viewer", f"/traces/{trace}/logs").json() == {"items": [], "partial": False}
    store.logs(
        "acme", [{"ts": era + 2, "body": "b", "trace_id": trace}, {"ts": era + 1, "body": "a", "trace_id": trace}]
    )
    found = served.get("acme-viewer", f"/traces/{trace.upper()}/logs").json()["items"]
    assert [one["content"]["body"] for one in found] == ["a", "b"]


rows = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=12, unique=True)


@given(
    data=st.data(),
    sources=st.dictionaries(st.sampled_from(["logs", "traces", "metrics"]), rows, min_size=1),
    limit=st.integers(1, 6),
    descending=st.booleans(),
)
def test_merging_pages_loses_nothing_and_keeps_the_order(
    data: st.DataObject, sources: dict[Any, list[tuple[int, int]]], limit: int, descending: bool
) -> None:
    """Sources that stop early at arbitrary points (budget used up): the walk still sees all, in order."""
    ordered = {name: sorted(found, reverse=descending) for name, found in sources.items()}
    sign = -1 if descending else 1
    positions: dict[Any, Any] = dict.fromkeys(ordered)
    seen: list[tuple[int, int, str]] = []
    for _ in range(200):
        answers: dict[Any, Found | None] = {}
        for name, position in positions.items():
            left = [
                row for row in ordered[name]
                if position is None or (row < position if descending else row > position)
            ]  # fmt: skip
            stop = data.draw(st.one_of(st.none(), st.integers(0, 20)))
            frontier = None
            if stop is not None:
                begun = stop if position is None else (min(stop, position[0]) if descending else max(stop, position[0]))
                # Searched down to `begun` itself, or up to but not including it; always at least one step further.
                frontier = (begun - 1 if descending else begun + 1, LEAST_ID)
                left = [row for row in left if (row > frontier if descending else row < frontier)]
            if len(left) >= limit:
                left = left[:limit]
                answers[name] = Found([(*row, {}) for row in left], False, left[-1])
            else:
                answers[name] = Found([(*row, {}) for row in left], frontier is None, frontier)
        taken, positions = merge(answers, positions, limit, descending)
        assert len(taken) <= limit
        seen += [(row[0], row[1], name) for name, row in taken]
        if not positions:
            break
    assert len(seen) == len(set(seen)) == sum(map(len, sources.values()))
    assert [sign * ts for ts, _, _ in seen] == sorted(sign * ts for ts, _, _ in seen)
