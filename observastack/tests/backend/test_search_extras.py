"""Search as a stream, counts over time, what belongs together, and the own history."""

from __future__ import annotations

import json
from typing import Any

import pytest

from observastack.tests.backend.serving import SECOND, Backend, Store

TRACE = "5c" * 16


def window(era: int, seconds: int = 3600) -> dict[str, str]:
    return {"from": str(era), "to": str(era + seconds * SECOND)}


def events(served: Backend, username: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
    answer = served.post(username, "/search/stream", body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.strip().split("\n\n"):
        kind, data = block.split("\n", 1)
        found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def counts(served: Backend, username: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = served.post(username, "/search/aggregate", body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def correlated(served: Backend, username: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = served.post(username, "/search/correlate", body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


# stream


def test_a_stream_sends_each_source_then_its_items_then_the_end(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era + n, "body": f"line {n}"} for n in range(5)])
    store.samples("acme", "streamed", [(era, 1.0), (era + SECOND, 2.0)])
    found = events(served, "acme-viewer", {"time_range": window(era)})
    assert [kind for kind, _ in found][-1] == "end"
    sources = {data["name"]: data for kind, data in found if kind == "source"}
    assert {name: (one["status"], one["count"]) for name, one in sources.items()} == {
        "logs": ("ok", 5), "metrics": ("ok", 2), "traces": ("ok", 0),
    }  # fmt: skip
    assert sources["logs"]["implementation"] == "embedded"
    items = {data["source"]: data["items"] for kind, data in found if kind == "items"}
    assert [one["content"]["body"] for one in items["logs"]] == [f"line {n}" for n in (4, 3, 2, 1, 0)]
    end = found[-1][1]
    assert end["stats"]["matched"] == 7
    assert end["partial"] is False
    assert end["next_cursor"] is None


def test_the_cursor_of_a_stream_goes_on_without_loss_or_repetition(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era + n, "body": str(n)} for n in range(25)])
    store.samples("acme", "walked", [(era + n, float(n)) for n in range(13)])
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        body = {"time_range": window(era), "limit": 10, **({"cursor": cursor} if cursor else {})}
        found = events(served, "acme-viewer", body)
        seen += [f"{one['source']}:{one['id']}" for kind, data in found if kind == "items" for one in data["items"]]
        cursor = found[-1][1]["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 38


def test_a_fast_source_is_sent_while_a_slow_one_is_still_asked(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era, "body": "fast"}])
    fault = {"source": "traces", "latency_ms": 700, "ttl_s": 20}
    assert served.post("platform-admin", "/test-data/faults", fault).status_code == 200
    try:
        found = events(served, "acme-viewer", {"time_range": window(era)})
        assert [data["name"] for kind, data in found if kind == "source"][-1] == "traces"
    finally:
        served.post("platform-admin", "/test-data/faults", {**fault, "latency_ms": 0})


def test_a_stream_says_which_source_failed_and_errs_when_all_did(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era, "body": "there"}])
    fault = {"source": "traces", "error_rate": 1.0, "ttl_s": 20}
    assert served.post("platform-admin", "/test-data/faults", fault).status_code == 200
    try:
        found = events(served, "acme-viewer", {"time_range": window(era)})
        assert {data["name"]: data["status"] for kind, data in found if kind == "source"}["traces"] == "error"
        assert found[-1][1]["partial"] is True
        failed = events(served, "acme-viewer", {"type": "traces", "time_range": window(era)})
        assert [kind for kind, _ in failed] == ["source", "error"]
        assert failed[-1][1]["error"]["code"] == "unavailable"
        assert failed[-1][1]["error"]["request_id"]
    finally:
        served.post("platform-admin", "/test-data/faults", {**fault, "error_rate": 0.0})


def test_a_stream_is_refused_before_it_begins(served: Backend) -> None:
    bad = {"filters": [{"field": "nonsense", "operator": "equals", "value": 1}]}
    assert served.post("acme-viewer", "/search/stream", bad).status_code == 422
    assert served.post("acme-viewer", "/search/stream", {"cursor": "AAAA"}).status_code == 422
    assert served.post(None, "/search/stream", {}).status_code == 401
    assert served.post("platform-admin", "/search/stream", {}).json()["error"]["code"] == "tenant_required"


# aggregate


def test_counts_over_time_add_up_to_what_was_stored(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era + n * 60 * SECOND, "severity": 17 if n % 3 == 0 else 9} for n in range(60)])
    store.spans(
        "acme",
        [{"ts": era, "trace_id": TRACE, "span_id": f"{n:016x}", "status": n % 2 * 2} for n in range(1, 5)],
        "cart",
    )
    store.samples("acme", "counted", [(era + n, 1.0) for n in range(10)])
    found = counts(served, "acme-viewer", {"time_range": window(era), "buckets": 60})
    assert found["total"] == 60 + 4 + 10
    assert found["step_ns"] == 60 * SECOND
    assert len(found["buckets"]) == 60
    assert found["buckets"][0]["counts"] == {"error": 1, "spans": 2, "error spans": 2, "samples": 10}
    assert found["buckets"][1]["counts"] == {"info": 1}
    assert found["facets"]["source"] == {"logs": 60, "traces": 4, "metrics": 10}
    assert found["facets"]["severity"] == {"info": 40, "error": 20}
    assert found["facets"]["service"] == {"shop": 70, "cart": 4}
    assert found["partial"] is False
    assert {name: (one["status"], one["count"]) for name, one in found["sources"].items()} == {
        "logs": ("ok", 60), "traces": ("ok", 4), "metrics": ("ok", 10),
    }  # fmt: skip
    assert set(found["keys"]) >= {key for one in found["buckets"] for key in one["counts"]}


def test_counts_follow_filters_and_free_text_and_asked_fields(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era + n, "body": f"order {n % 2}", "attributes": {"k": f"v{n % 3}"}} for n in range(12)])
    body = {"type": "logs", "time_range": window(era), "free_text": "order 1", "fields": ["attributes.k"]}
    found = counts(served, "acme-viewer", body)
    assert found["total"] == 6
    assert found["facets"]["attributes.k"] == {"v0": 2, "v1": 2, "v2": 2}
    for bad in ({"fields": ["nonsense"]}, {"buckets": 0}, {"buckets": 121}, {"fields": ["service"] * 6}):
        assert served.post("acme-viewer", "/search/aggregate", bad).status_code == 422


def test_counts_are_the_own_tenants_and_so_is_the_cache(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era + n} for n in range(3)])
    store.logs("globex", [{"ts": era + n} for n in range(8)])
    body = {"type": "logs", "time_range": window(era)}
    for _ in range(2):
        assert counts(served, "acme-viewer", body)["total"] == 3
        assert counts(served, "globex-viewer", body)["total"] == 8


def test_counts_say_which_source_failed(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era}])
    fault = {"source": "metrics", "error_rate": 1.0, "ttl_s": 20}
    assert served.post("platform-admin", "/test-data/faults", fault).status_code == 200
    try:
        found = counts(served, "acme-viewer", {"time_range": window(era)})
        assert found["sources"]["metrics"]["status"] == "error"
        assert (found["total"], found["partial"]) == (1, True)
        body = {"type": "metrics", "time_range": window(era)}
        assert served.post("acme-viewer", "/search/aggregate", body).status_code == 503
    finally:
        served.post("platform-admin", "/test-data/faults", {**fault, "error_rate": 0.0})


# correlate


def test_a_trace_id_proves_what_belongs_together(served: Backend, store: Store, era: int) -> None:
    trace = f"{era:032x}"
    store.spans("acme", [{"ts": era + n, "trace_id": trace, "span_id": f"{n + 1:016x}"} for n in range(2)], "front")
    store.logs("acme", [{"ts": era + 5, "trace_id": trace, "body": "with it"}], "back")
    store.logs("acme", [{"ts": era + 6, "body": "without it"}], "back")
    found = correlated(served, "acme-viewer", {"trace_id": trace.upper()})
    assert [one["source"] for one in found["items"]] == ["traces", "traces", "logs"]
    assert {one["trace_id"] for one in found["items"]} == {trace}
    assert {link["kind"] for link in found["links"]} == {"trace_id"}
    assert len(found["links"]) == 2
    assert found["partial"] is False
    keys = {f"{one['source']}:{one['id']}" for one in found["items"]}
    assert {end for link in found["links"] for end in (link["from"], link["to"])} == keys


def test_service_and_time_suggest_what_belongs_together(served: Backend, store: Store, era: int) -> None:
    store.logs("acme", [{"ts": era + n * 60 * SECOND, "body": str(n)} for n in range(20)], "slow")
    store.logs("acme", [{"ts": era + 10 * 60 * SECOND, "body": "other"}], "quick")
    body = {"service": "slow", "timestamp": str(era + 10 * 60 * SECOND), "window_s": 130}
    found = correlated(served, "acme-viewer", body)
    assert found["items"][0]["content"]["body"] == "10"
    assert {one["content"]["body"] for one in found["items"]} == {"8", "9", "10", "11", "12"}
    assert {link["kind"] for link in found["links"]} == {"service_window"}
    few = correlated(served, "acme-viewer", {**body, "limit": 3})
    assert {one["content"]["body"] for one in few["items"]} == {"9", "10", "11"}
    assert few["partial"] is True


def test_links_begin_at_the_item_that_was_asked_about(served: Backend, store: Store, era: int) -> None:
    trace = f"{era + 1:032x}"
    store.spans("acme", [{"ts": era, "trace_id": trace, "span_id": "01" * 8}])
    store.logs("acme", [{"ts": era + 1, "trace_id": trace}])
    (item,) = served.post("acme-viewer", "/search", {"type": "logs", "time_range": window(era)}).json()["items"]
    found = correlated(served, "acme-viewer", {"trace_id": trace, "source": "logs", "item_id": item["id"]})
    (link,) = found["links"]
    assert link["from"] == f"logs:{item['id']}"
    assert link["to"].startswith("traces:")


def test_correlation_sees_the_own_tenant_only(served: Backend, store: Store, era: int) -> None:
    trace = f"{era + 2:032x}"
    for tenant in ("acme", "globex"):
        store.spans(tenant, [{"ts": era, "trace_id": trace, "span_id": "01" * 8}], f"{tenant}-shop")
        store.logs(tenant, [{"ts": era, "trace_id": trace}], f"{tenant}-shop")
    found = correlated(served, "acme-viewer", {"trace_id": trace})
    assert {one["service"] for one in found["items"]} == {"acme-shop"}
    nothing = correlated(served, "acme-viewer", {"service": "globex-shop", "timestamp": str(era)})
    assert nothing["items"] == nothing["links"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "x"},
        {"timestamp": "1"},
        {"trace_id": "xyz"},
        {"trace_id": TRACE, "window_s": 3601},
        {"limit": 0},
    ],
)
def test_correlation_needs_something_to_go_by(served: Backend, body: dict[str, Any]) -> None:
    assert served.post("acme-viewer", "/search/correlate", body).status_code == 422


# history


def test_the_history_is_ones_own_and_can_be_forgotten(served: Backend, store: Store, era: int) -> None:
    store.logs("globex", [{"ts": era, "body": "needle"}])
    for username in ("globex-viewer", "globex-analyst"):
        assert served.call(username, "DELETE", "/search/history").status_code == 204
    body = {"free_text": "needle", "type": "logs", "time_range": window(era)}
    assert served.post("globex-viewer", "/search", body).status_code == 200
    events(served, "globex-viewer", {**body, "free_text": "nothing like it"})
    newest, oldest = served.get("globex-viewer", "/search/history").json()["items"]
    assert oldest["query"] == body
    assert (oldest["matched"], newest["matched"]) == (1, 0)
    assert newest["query"]["free_text"] == "nothing like it"
    assert served.get("globex-analyst", "/search/history").json()["items"] == []
    foreign = served.get("acme-viewer", "/search/history").json()["items"]
    assert all(one["query"].get("free_text") != "needle" for one in foreign)
    assert served.call("globex-analyst", "DELETE", "/search/history").status_code == 204
    assert len(served.get("globex-viewer", "/search/history").json()["items"]) == 2
    assert served.call("globex-viewer", "DELETE", "/search/history").status_code == 204
    assert served.get("globex-viewer", "/search/history").json() == {"items": [], "next_cursor": None}


def test_the_history_holds_a_walk_once_and_comes_in_pages(served: Backend, store: Store, era: int) -> None:
    served.call("initech-viewer", "DELETE", "/search/history")
    store.logs("initech", [{"ts": era + n} for n in range(4)])
    body: dict[str, Any] = {"type": "logs", "time_range": window(era), "limit": 2}
    page = served.post("initech-viewer", "/search", body).json()
    served.post("initech-viewer", "/search", {**body, "cursor": page["next_cursor"]})
    for n in range(4):
        served.post("initech-viewer", "/search", {"free_text": f"number {n}"})
    first = served.get("initech-viewer", "/search/history?limit=3").json()
    second = served.get("initech-viewer", f"/search/history?limit=3&cursor={first['next_cursor']}").json()
    texts = [one["query"].get("free_text") for one in (*first["items"], *second["items"])]
    assert texts == ["number 3", "number 2", "number 1", "number 0", None]
    assert second["next_cursor"] is None
