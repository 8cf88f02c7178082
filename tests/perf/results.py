"""Ingest of metric points against rows, on both databases; and what it costs to turn events into rows."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from runners.events import Event
from runners.lib.ids import new_run_id
from runners.results.mapping import Reducer
from runners.results.store import Batch, Store, open_store
from tests.perf.harness import Absent, Round, case, cpu_of
from tests.servers import postgres_server

SERIES = 20
_TABLE = "CREATE TABLE rows_{n} (execution_id VARCHAR(36), series_id BIGINT, t {real}, v {real}, PRIMARY KEY (execution_id, series_id, t))"


def _events(points: int, *, each: int, seed: int) -> list[Event]:
    """`points` values over SERIES series, in lines of `each` points a series, as a runner batches them."""
    rng = random.Random(seed)
    events: list[Event] = []
    at, left = 1_790_000_000.0, points
    while left > 0:
        many = []
        for series in range(SERIES):
            t = [round(at + step / each, 6) for step in range(each)]
            many.append({"series": f"m{series}{{tenant=acme}}", "t": t, "v": [rng.uniform(0, 100) for _ in t]})
        events.append({"type": "metric.points", "ts": at, "seq": len(events), "many": many})
        at, left = at + 1, left - SERIES * each
    return events


def _rows(events: list[Event], run: str) -> list[tuple[Any, ...]]:
    return [
        (run, int(item["series"][1:].split("{")[0]), t, v)
        for event in events
        for item in event["many"]
        for t, v in zip(item["t"], item["v"], strict=True)
    ]


def _ingest(store: Store, events: list[Event], lines: int) -> float:
    """Points a second through the whole of `Store.apply`, some lines a transaction."""
    run = new_run_id()
    parts = [events[at : at + lines] for at in range(0, len(events), lines)]
    points = sum(len(item["t"]) for event in events for item in event["many"])
    started = time.perf_counter()
    for number, part in enumerate(parts):
        store.apply([Batch(run, run, Path("/nonexistent"), part, number, number + 1)])
    return points / (time.perf_counter() - started)


def _compare(store: Store, connection: Any, insert: str, *, theirs: int, quick: bool) -> Iterator[Round]:
    """100 lines a transaction, as a coordinator that catches up takes them; all rows in one transaction.

    theirs: the rows are that many times fewer than the points, where inserting them takes long.
    """
    own = 20_000 if quick else 200_000
    for number in range(3 if quick else 7):
        events = _events(own, each=20, seed=number)
        rate = _ingest(store, events, lines=100)
        rows = _rows(_events(own // theirs, each=20, seed=number), new_run_id())
        started = time.perf_counter()
        cursor = connection.cursor()
        cursor.executemany(insert, rows)
        connection.commit()
        yield Round(rate, len(rows) / (time.perf_counter() - started))


@case("point_ingest_sqlite", unit="points/s", against="executemany of rows", at_least=2.5)
def point_ingest_sqlite(quick: bool) -> Iterator[Round]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/results.db")
        connection = sqlite3.connect(f"{folder}/rows.db")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_TABLE.format(n=0, real="REAL"))
        try:
            yield from _compare(store, connection, "INSERT INTO rows_0 VALUES (?, ?, ?, ?)", theirs=1, quick=quick)
        finally:
            connection.close()
            store.close()


@case("point_ingest_postgresql", unit="points/s", against="executemany of rows", at_least=20)
def point_ingest_postgresql(quick: bool) -> Iterator[Round]:
    try:
        with postgres_server() as url:
            store = open_store(url)
            connection = psycopg2.connect(url)
            connection.cursor().execute(_TABLE.format(n=0, real="DOUBLE PRECISION"))
            connection.commit()
            try:
                yield from _compare(
                    store, connection, "INSERT INTO rows_0 VALUES (%s, %s, %s, %s)", theirs=10, quick=quick
                )
            finally:
                connection.close()
                store.close()
    except FileNotFoundError as error:
        raise Absent(str(error)) from None


@case("event_mapping", unit="ms CPU a line", against="json.loads of the line")
def event_mapping(quick: bool) -> Iterator[Round]:
    """A load stage's second-by-second lines (histograms of 12 series, 4 gauges) to rows, once a second."""
    from runners.lib.histogram import Histogram

    rng = random.Random(1)
    lines = []
    for second in range(60 if quick else 600):
        many: list[dict[str, Any]] = []
        for series in range(12):
            histogram = Histogram()
            for _ in range(10):
                histogram.record(rng.lognormvariate(-3, 0.5))
            many.append({"series": f"op{series}{{tenant=acme}}", "t": [float(second)], "v": [histogram.to_json()]})
        many += [{"series": f"g{n}", "t": [float(second)], "v": [rng.random()]} for n in range(4)]
        lines.append(json.dumps({"type": "metric.points", "ts": float(second), "seq": second, "many": many}))
    for _ in range(3 if quick else 7):
        events: list[Event] = []
        parsing = cpu_of(lambda events=events: events.extend(map(json.loads, lines)))  # type: ignore[misc]
        reducer = Reducer("run", "campaign", "load")
        mapping = cpu_of(lambda reducer=reducer, events=events: [reducer.reduce([event]) for event in events])  # type: ignore[misc]
        yield Round(1000 * mapping / len(lines), 1000 * parsing / len(lines))
