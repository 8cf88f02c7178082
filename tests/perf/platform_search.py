"""The platform's reads over ten million stored items: what an index can answer, and what only a budget ends.

All cases are large: `python -m tests.perf 'search_*'` fills a PostgreSQL of its own once (minutes), then measures.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import hashlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from observastack.backend.database import Database
from observastack.backend.promql.compile import compile_query
from observastack.backend.search.model import Filter, sources_of
from observastack.backend.sources import SourceName
from observastack.backend.stores.embedded.filters import conditions
from observastack.backend.stores.embedded.metrics import EmbeddedMetrics
from observastack.backend.stores.embedded.rows import select
from observastack.backend.stores.embedded.signal import EmbeddedSignal
from observastack.backend.stores.embedded.traces import EmbeddedTraces
from observastack.backend.stores.ports import Selected, Stores, Tenant, Wanted
from observastack.config import Config
from observastack.store.migrate import migrate
from observastack.tests.backend.serving import Backend, backend
from observastack.tests.platform import build_platform
from tests.perf.harness import Absent, Round, case
from tests.servers import postgres_server, redis_server

SECOND, DAY = 10**9, 86_400 * 10**9
USERS = 10
NEEDLE = "needle-7f3a"
SERIES = 1_000
_SIGNALS = ("logs", "spans", "samples")

# n counts the rows of a table; every third is of the same tenant, times are even over the day.
_LOGS = """
INSERT INTO logs(tenant_id, ts, id, resource_id, severity, span_id, trace_id, service, severity_text, body, attrs)
SELECT 1 + n % 3, {first} + n * {step}, n, n % 20, (ARRAY[9,9,9,9,9,9,5,5,13,17])[1 + n % 10], n, md5((n / 8)::text)::uuid,
  'service-' || n % 20, 'INFO', CASE WHEN n % 100003 = 0 THEN '{needle} ' ELSE '' END || 'order ' || n || ' handled in ' || n % 977 || ' ms',
  jsonb_build_object('http.status_code', 200 + n % 5, 'order', n)
FROM generate_series({low}::bigint, {high}::bigint) AS n"""
_SPANS = """
INSERT INTO spans(tenant_id, ts, id, resource_id, duration, span_id, trace_id, kind, status, service, name, attrs)
SELECT 1 + n / 8 % 3, {first} + n * {step}, n, n % 20, 1000000 + n % 977, n, md5((n / 8)::text)::uuid, 2, CASE WHEN n % 50 = 0 THEN 2 ELSE 1 END,
  'service-' || n % 20, 'GET /orders/' || n % 31, jsonb_build_object('order', n)
FROM generate_series({low}::bigint, {high}::bigint) AS n"""
_SAMPLES = """
INSERT INTO samples(tenant_id, ts, id, series_id, value)
SELECT 1 + n % 3, {first} + n * {step}, n, n / 3 % {series}, n FROM generate_series({low}::bigint, {high}::bigint) AS n"""
_TABLES = {
    "logs": (_LOGS, 50),
    "spans": (_SPANS, 30),
    "samples": (_SAMPLES, 20),
}  # statement, share of all rows in percent


@dataclass
class Filled:
    """A day of items: [first, last) in ns, `rows` of them in all three tables and of three tenants."""

    config: Config
    running: Backend
    first: int
    last: int
    rows: int
    tenant: Tenant

    def day(self, *filters: Filter, text: str | None = None) -> Selected:
        return Selected(self.first, self.last, filters, text)


_rooms = ExitStack()
atexit.register(_rooms.close)


@functools.cache
def filled(quick: bool) -> Filled:
    """Made once for all cases. Raises Absent."""
    rows = 200_000 if quick else 10_000_000
    try:
        postgres = _rooms.enter_context(postgres_server())
        redis = _rooms.enter_context(redis_server())
    except FileNotFoundError as reason:
        raise Absent(str(reason)) from None
    folder = Path(_rooms.enter_context(tempfile.TemporaryDirectory()))
    config = build_platform(folder, postgres, redis)
    last = time.time_ns() // SECOND * SECOND
    with psycopg.connect(**config.database.connection("owner"), autocommit=True) as connection:
        _fill(connection, last - DAY, last, rows)
        tenant = connection.execute("SELECT id, key FROM tenants ORDER BY id LIMIT 1").fetchone()
    assert tenant is not None
    migrate(config)  # the indexes again: built at once they cost a third
    with psycopg.connect(**config.database.connection("owner"), autocommit=True) as connection:
        for table in _SIGNALS:
            connection.execute(f"VACUUM ANALYZE {table}".encode())
    running = _rooms.enter_context(backend(config, folder))
    return Filled(config, running, last - DAY, last, rows, Tenant(int(tenant[0]), str(tenant[1])))


def _fill(connection: psycopg.Connection[Any], first: int, last: int, rows: int) -> None:
    connection.execute("SET synchronous_commit = off")
    names = connection.execute(
        "SELECT indexname FROM pg_indexes WHERE tablename = ANY(%s) AND schemaname = 'public'", (list(_SIGNALS),)
    ).fetchall()
    for (name,) in names:
        connection.execute(f"DROP INDEX {name}".encode())
    for table in _SIGNALS:
        for day in range(first // DAY, last // DAY + 1):
            connection.execute("SELECT ensure_partition(%s, %s)", (table, day))
    connection.execute(
        "INSERT INTO resources(tenant_id, resource_id, service, attrs, first_seen) SELECT t, r, 'service-' || r,"
        " jsonb_build_object('service.name', 'service-' || r), 0 FROM generate_series(1, 3) AS t, generate_series(0, 19) AS r"
    )
    connection.execute(
        "INSERT INTO series(tenant_id, series_id, resource_id, name, type, monotonic, temporality, unit, description, service,"
        " labels) SELECT t, s, s %% 20, 'metric_' || s / 100, 1, false, 0, '', '', 'service-' || s %% 20,"
        " jsonb_build_object('pod', 'pod-' || s) FROM generate_series(1, 3) AS t, generate_series(0, %s) AS s",
        (SERIES - 1,),
    )
    for statement, share in _TABLES.values():
        count = rows * share // 100
        step = (last - first) // count
        for low in range(0, count, 1_000_000):
            high = min(low + 1_000_000, count) - 1
            text = statement.format(first=first, step=step, low=low, high=high, needle=NEEDLE, series=SERIES)
            connection.execute(text.encode())


Measured = Callable[[Stores, Filled], Awaitable[int]]


def _against_point_read(quick: bool, read: Measured) -> Iterator[Round]:
    """Median of each read and of a point read by its index, in the same tenant's transaction of the same pool."""
    data = filled(quick)

    async def rounds() -> list[Round]:
        database = Database(data.config)
        await database.open()
        stores = Stores(
            EmbeddedSignal("logs", database), EmbeddedMetrics("metrics", database), EmbeddedTraces("traces", database)
        )
        try:
            return [
                Round(
                    await _milliseconds(lambda: read(stores, data)),
                    await _milliseconds(lambda number=number: _point(database, data, number)),  # type: ignore[misc]
                )
                for number in range(3 if quick else 7)
            ]
        finally:
            await database.close()

    yield from asyncio.run(rounds())


async def _milliseconds(work: Callable[[], Awaitable[int]]) -> float:
    times = []
    for _ in range(15):
        started = time.perf_counter()
        found = await work()
        times.append(time.perf_counter() - started)
        assert found, "nothing was found: the case measures nothing"
    return sorted(times)[len(times) // 2] * 1000


async def _point(database: Database, data: Filled, number: int) -> int:
    ordinal = (number * 7919) % (data.rows // 200) * 3  # of the first tenant
    step = DAY // (data.rows // 2)
    async with database.tenant(data.tenant.number) as connection:
        cursor = await connection.execute(
            "SELECT * FROM logs WHERE tenant_id = %s AND ts = %s AND id = %s",
            (data.tenant.number, data.first + ordinal * step, ordinal),
        )
        return len(await cursor.fetchall())


@case("search_last_50", unit="ms", against="indexed point read", at_most=20, large=True)
def search_last_50(quick: bool) -> Iterator[Round]:
    async def read(stores: Stores, data: Filled) -> int:
        return len((await stores.logs.page(data.tenant, Wanted(data.day(), None, True, 50))).rows)

    yield from _against_point_read(quick, read)


@case("search_cursor_10k_deep", unit="ms", against="indexed point read", at_most=20, large=True)
def search_cursor_10k_deep(quick: bool) -> Iterator[Round]:
    async def read(stores: Stores, data: Filled) -> int:
        deep = data.last - 10_000 * 3 * (DAY // (data.rows // 2))
        return len((await stores.logs.page(data.tenant, Wanted(data.day(), (deep, 0), True, 50))).rows)

    yield from _against_point_read(quick, read)


@case("search_trace_by_id", unit="ms", against="indexed point read", at_most=20, large=True)
def search_trace_by_id(quick: bool) -> Iterator[Round]:
    trace = hashlib.md5(b"30000" if not quick else b"3000").hexdigest()

    async def read(stores: Stores, data: Filled) -> int:
        return len(await stores.traces.spans(data.tenant, trace, 1_000))

    yield from _against_point_read(quick, read)


@case("search_100_series_1h", unit="ms", against="indexed point read", at_most=20, large=True)
def search_100_series_1h(quick: bool) -> Iterator[Round]:
    """The samples alone, as the evaluation of a query gets them."""

    async def read(stores: Stores, data: Filled) -> int:
        assert isinstance(stores.metrics, EmbeddedMetrics)
        at = data.last - 3_600 * SECOND
        (series,) = (await stores.metrics.load(data.tenant, compile_query("metric_3[1h]"), at, at)).values()
        assert len(series) == 100, len(series)
        return sum(len(one.times) for one in series)

    yield from _against_point_read(quick, read)


# What users ask, and whether an index alone answers it: then it must touch few rows, else it must end at its budget.
_QUESTIONS: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"type": "logs"}, True),
    ({"type": "all"}, True),
    ({"type": "logs", "filters": [{"field": "service", "operator": "equals", "value": "service-3"}]}, True),
    ({"type": "traces", "filters": [{"field": "service", "operator": "equals", "value": "service-4"}]}, True),
    ({"type": "logs", "filters": [{"field": "trace_id", "operator": "equals", "value": "TRACE"}]}, True),
    ({"type": "logs", "filters": [{"field": "severity", "operator": "gt", "value": "info"}]}, False),
    ({"type": "logs", "free_text": "handled"}, False),
    ({"type": "logs", "free_text": NEEDLE}, False),
    ({"type": "logs", "free_text": "is nowhere"}, False),
    ({"type": "logs", "filters": [{"field": "attributes.order", "operator": "equals", "value": 77}]}, False),
    ({"type": "logs", "filters": [{"field": "body", "operator": "regex", "value": "in 97[0-9] ms$"}]}, False),
    ({"type": "traces", "filters": [{"field": "duration_ns", "operator": "gt", "value": 10**12}]}, False),
    ({"type": "metrics", "filters": [{"field": "value", "operator": "lt", "value": -1}]}, False),
)
PATIENCE_S = 5.0
"""A source's own time limit: what takes longer has ignored its budget."""


@case("search_10_users", unit="broken promises", at_most=0, large=True)
def search_10_users(quick: bool) -> Iterator[Round]:
    """Ten users at once, each through all questions: not 200, later than the limit, or cut short without saying so."""
    data = filled(quick)
    data.running.token("acme-viewer")
    for _ in range(2 if quick else 5):
        broken: list[str] = []
        users = [threading.Thread(target=_ask_all, args=(data, user, broken)) for user in range(USERS)]
        for user in users:
            user.start()
        for user in users:
            user.join()
        for one in dict.fromkeys(broken):
            print(f"  {one}", file=sys.stderr)
        yield Round(float(len(broken)))


def _ask_all(data: Filled, user: int, broken: list[str]) -> None:
    trace = hashlib.md5(str(30 * user).encode()).hexdigest()
    headers = {"Authorization": f"Bearer {data.running.token('acme-viewer')}"}
    window = {"from": str(data.first), "to": str(data.last)}
    with httpx.Client(base_url=str(data.running.client.base_url), headers=headers, timeout=30) as client:
        for place in range(len(_QUESTIONS)):
            question, indexed = _QUESTIONS[(place + user) % len(_QUESTIONS)]
            body = json.loads(json.dumps({**question, "time_range": window, "limit": 50}).replace("TRACE", trace))
            started = time.perf_counter()
            answer = client.post("/api/v1/search", json=body)
            took = time.perf_counter() - started
            page = answer.json()
            if answer.status_code != 200:
                broken.append(f"{question}: {answer.status_code}")
            elif took > PATIENCE_S:
                broken.append(f"{question}: {took:.1f} s")
            elif page["partial"] is not (len(page["items"]) < 50 and page["next_cursor"] is not None):
                broken.append(f"{question}: partial is {page['partial']} with {len(page['items'])} items")
            elif indexed and page["partial"]:
                broken.append(f"{question}: an index should have answered")


@case("search_walk_of_rare_text", unit="items missing or repeated", at_most=0, large=True)
def search_walk_of_rare_text(quick: bool) -> Iterator[Round]:
    """Pages that end at their budget, cursor after cursor: together they are the full result."""
    data = filled(quick)
    body: dict[str, Any] = {
        "type": "logs", "free_text": NEEDLE, "limit": 10, "time_range": {"from": str(data.first), "to": str(data.last)},
    }  # fmt: skip
    found: list[str] = []
    while True:
        page = data.running.post("acme-viewer", "/search", body).json()
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        body["cursor"] = page["next_cursor"]
    with psycopg.connect(**data.config.database.connection("owner")) as connection:
        rows = connection.execute(
            "SELECT id FROM logs WHERE tenant_id = %s AND body LIKE %s", (data.tenant.number, f"%{NEEDLE}%")
        ).fetchall()
    stored = {str(row[0]) for row in rows}
    assert stored, "nothing was found: the case measures nothing"
    yield Round(float(len(stored.symmetric_difference(found)) + len(found) - len(set(found))))


@case("search_rows_touched", unit="rows for a page of 50", at_most=500, large=True)
def search_rows_touched(quick: bool) -> Iterator[Round]:
    """The most rows that a plan reads from tables, over the questions that an index answers (EXPLAIN ANALYZE)."""
    data = filled(quick)
    with psycopg.connect(**data.config.database.connection("read")) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", (str(data.tenant.number),))
        touched = {
            f"{name} {question.get('filters', '')}": _rows_touched(connection, data, name, question.get("filters", []))
            for question, indexed in _QUESTIONS
            if indexed
            for name in sources_of(question["type"])
        }
    for plan, rows in touched.items():
        print(f"  {rows:,.0f} rows: {plan}", file=sys.stderr)
    yield Round(max(touched.values()))


def _rows_touched(
    connection: psycopg.Connection[Any], data: Filled, name: SourceName, filters: list[dict[str, Any]]
) -> float:
    trace = hashlib.md5(b"30").hexdigest()
    chosen = [
        Filter.model_validate({**one, "value": trace if one["value"] == "TRACE" else one["value"]}) for one in filters
    ]
    wanted = conditions(name, chosen, None)
    where = f"s.tenant_id = %(tenant)s AND s.ts >= %(start)s AND s.ts < %(end)s{wanted.sql}"
    parameters = {**wanted.parameters, "tenant": data.tenant.number, "start": data.first, "end": data.last, "limit": 50}
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {select(name, where, descending=True, limit='%(limit)s')}"
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return sum(_touched(row[0][0]["Plan"]))


def _touched(plan: dict[str, Any]) -> Iterator[float]:
    """Rows that each scan of a table has read: those it gave and those it threw away, over all its loops.

    Steps above only pass on what was read: one that goes through twenty rows in memory for each row of a page reads none.
    """
    if "Relation Name" in plan:
        thrown = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield (plan["Actual Rows"] + thrown) * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from _touched(inner)
