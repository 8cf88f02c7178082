"""No answer holds anything of another tenant; row-level security holds even where a WHERE was forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from observastack.backend.database import Database
from observastack.config import Config
from observastack.tests.backend.serving import SECOND, Backend, Store

TRACE = {"acme": "ac" * 16, "globex": "61" * 16}
SHARED = "5a" * 16


@pytest.fixture(scope="module")
def both(store: Store) -> int:
    """The same kinds of items for two tenants, at the same times; every text of globex says so."""
    at = 1_795_000_000 * SECOND
    for tenant in ("acme", "globex"):
        mark, trace = f"secret of {tenant}", TRACE[tenant]
        store.logs(
            tenant,
            [{"ts": at + n, "body": mark, "attributes": {"mark": mark}, "trace_id": trace} for n in range(20)],
            f"{tenant}-shop",
            owner=mark,
        )
        store.spans(
            tenant,
            [
                {
                    "ts": at + n,
                    "name": mark,
                    "attributes": {"mark": mark},
                    "trace_id": id_,
                    "span_id": f"{n + base:016x}",
                }
                for base, id_ in ((1, trace), (100, SHARED))
                for n in range(5)
            ],
            f"{tenant}-shop",
            owner=mark,
        )
        store.samples(
            tenant, "orders", [(at + n * SECOND, 1.0) for n in range(20)], f"{tenant}-shop", labels={"mark": mark}
        )
        store.samples(tenant, f"{tenant}_only", [(at, 1.0)], f"{tenant}-shop")
    return at


def _window(at: int) -> dict[str, str]:
    return {"from": str(at), "to": str(at + 60 * SECOND)}


def _foreign(text: str) -> bool:
    return "globex" in text or TRACE["globex"] in text


READS: dict[str, Any] = {
    "search": lambda at: ("POST", "/search", {"time_range": _window(at), "limit": 1000}),
    "search for a foreign service": lambda at: (
        "POST", "/search", {"time_range": _window(at), "filters": [{"field": "service", "operator": "contains", "value": "shop"}]},
    ),
    "search by not": lambda at: (
        "POST", "/search", {"time_range": _window(at), "filters": [{"field": "service", "operator": "not_equals", "value": "x"}]},
    ),
    "search by resource": lambda at: (
        "POST", "/search", {"time_range": _window(at), "filters": [{"field": "resource.owner", "operator": "contains", "value": "of"}]},
    ),
    "free text": lambda at: ("POST", "/search", {"time_range": _window(at), "free_text": "secret"}),
    "export": lambda at: ("POST", "/search/export", {"time_range": _window(at)}),
    "logs": lambda at: ("POST", "/logs/query", {"time_range": _window(at)}),
    "traces": lambda at: ("POST", "/traces/search", {"time_range": _window(at)}),
    "shared trace": lambda _: ("GET", f"/traces/{SHARED}", None),
    "instant": lambda at: ("POST", "/metrics/query", {"query": '{__name__=~".+"}', "time": at / SECOND + 30}),
    "range": lambda at: (
        "POST", "/metrics/query_range", {"query": "orders", "start": at / SECOND, "end": at / SECOND + 30, "step": 5},
    ),
    "label values": lambda _: ("GET", "/metrics/labels/mark/values", None),
    "metric names": lambda _: ("GET", "/metrics/labels/__name__/values", None),
}  # fmt: skip


@pytest.mark.parametrize("operation", READS)
def test_a_read_shows_only_the_own_tenant(served: Backend, both: int, operation: str) -> None:
    method, path, body = READS[operation](both)
    answer = served.call("acme-tenant_admin", method, path, json=body)
    assert answer.status_code == 200, answer.text
    assert "acme" in answer.text
    assert not _foreign(answer.text)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/search", {"filters": [{"field": "service", "operator": "equals", "value": "globex-shop"}]}),
        ("/search", {"filters": [{"field": "trace_id", "operator": "equals", "value": TRACE["globex"]}]}),
        ("/search", {"filters": [{"field": "attributes.mark", "operator": "equals", "value": "secret of globex"}]}),
        ("/search", {"free_text": "secret of globex"}),
        ("/logs/query", {"filters": [{"field": "resource.owner", "operator": "regex", "value": "globex"}]}),
        ("/traces/search", {"filters": [{"field": "trace_id", "operator": "equals", "value": TRACE["globex"]}]}),
    ],
)
def test_asking_for_what_is_foreign_finds_nothing(served: Backend, both: int, path: str, body: dict[str, Any]) -> None:
    body = {**body, "time_range": _window(both)}
    assert served.post("globex-viewer", path, body).json()["items"]
    found = served.post("acme-viewer", path, body)
    assert (found.status_code, found.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    "query", ['orders{tenant="globex"}', "globex_only", 'orders{service="globex-shop"}', 'orders{mark=~".*globex"}']
)
def test_a_selector_cannot_reach_another_tenant(served: Backend, both: int, query: str) -> None:
    at = both / SECOND + 30
    assert served.post("globex-viewer", "/metrics/query", {"query": query, "time": at}).json()["data"]["result"]
    assert served.post("acme-viewer", "/metrics/query", {"query": query, "time": at}).json()["data"]["result"] == []


@pytest.mark.parametrize("suffix", ["", "/logs"])
def test_a_foreign_trace_is_as_missing_as_one_that_does_not_exist(served: Backend, both: int, suffix: str) -> None:
    own = served.get("globex-viewer", f"/traces/{TRACE['globex']}{suffix}")
    foreign = served.get("acme-viewer", f"/traces/{TRACE['globex']}{suffix}")
    missing = served.get("acme-viewer", f"/traces/{'9' * 32}{suffix}")
    assert own.status_code == 200
    assert foreign.status_code == missing.status_code == 404
    bodies = [answer.json()["error"] for answer in (foreign, missing)]
    for body in bodies:
        body.pop("request_id")
    assert bodies[0] == bodies[1]
    ignored = {"x-request-id", "date"}
    headers = [{k: v for k, v in answer.headers.items() if k not in ignored} for answer in (foreign, missing)]
    assert headers[0] == headers[1]


def test_a_shared_trace_id_is_filtered_span_by_span(served: Backend, both: int) -> None:
    for tenant in ("acme", "globex"):
        spans = served.get(f"{tenant}-viewer", f"/traces/{SHARED}").json()["spans"]
        assert len(spans) == 5
        assert {span["service"] for span in spans} == {f"{tenant}-shop"}


@pytest.mark.parametrize("header", ["X-Scope-OrgID", "X-Tenant-ID", "X-Tenant"])
def test_a_tenant_header_changes_nothing(served: Backend, both: int, header: str) -> None:
    headers = {"Authorization": f"Bearer {served.token('acme-viewer')}", header: "globex"}
    answer = served.client.post("/api/v1/search", json={"time_range": _window(both)}, headers=headers)
    assert answer.status_code == 200
    assert "acme" in answer.text
    assert not _foreign(answer.text)


@pytest.mark.parametrize("key", ["tenant", "tenant_id"])
def test_a_tenant_in_the_body_is_refused(served: Backend, key: str) -> None:
    for path in ("/search", "/search/export", "/logs/query", "/traces/search"):
        assert served.post("acme-tenant_admin", path, {key: "globex"}).status_code == 422


def test_a_cursor_of_another_tenant_is_refused(served: Backend, both: int) -> None:
    body = {"type": "logs", "time_range": _window(both), "limit": 5}
    cursor = served.post("globex-viewer", "/search", body).json()["next_cursor"]
    assert cursor
    assert served.post("acme-viewer", "/search", {**body, "cursor": cursor}).status_code == 422


FORGOTTEN = [
    "SELECT count(*), count(DISTINCT tenant_id) FROM logs",
    "SELECT count(*), count(DISTINCT tenant_id) FROM spans",
    "SELECT count(*), count(DISTINCT tenant_id) FROM samples",
    "SELECT count(*), count(DISTINCT tenant_id) FROM series",
    "SELECT count(*), count(DISTINCT tenant_id) FROM resources",
    "SELECT count(*), count(DISTINCT l.tenant_id) FROM logs l JOIN spans s ON s.ts = l.ts",
    "SELECT count(*), count(DISTINCT tenant_id) FROM logs WHERE body LIKE '' OR true",
]


@pytest.mark.parametrize("statement", FORGOTTEN)
def test_a_forgotten_where_still_shows_one_tenant(
    served_config: Config, both: int, store: Store, statement: str
) -> None:
    async def ask() -> Any:
        database = Database(served_config)
        await database.open()
        try:
            async with database.tenant(store.number("acme")) as connection:
                return await (await connection.execute(statement.encode())).fetchone()
        finally:
            await database.close()

    seen, tenants = asyncio.run(ask())
    assert seen > 0
    assert tenants == 1
    assert store.sql(statement)[0][1] > 1  # as superuser: the rows of the others are there


def test_the_tenant_of_a_transaction_does_not_outlive_it(served_config: Config, both: int, store: Store) -> None:
    async def ask() -> None:
        database = Database(served_config)
        await database.open()
        try:
            async with database.tenant(store.number("acme")) as connection:
                await connection.execute("SELECT count(*) FROM logs")
            with pytest.raises(psycopg.Error):  # fails closed: no setting, no rows
                async with database._read.connection() as connection:
                    await connection.execute("SELECT count(*) FROM logs")
        finally:
            await database.close()

    asyncio.run(ask())
