"""Rows into tables. Dimension rows go first and in order of id, so that two campaigns cannot deadlock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from runners.results.database import bulk
from runners.results.rows import COUNTERS, FAULT_COLUMNS, Rows

_METRIC = ("execution_id", "series_id", "n", "errors", "total", "min", "mean", "p50", "p95", "p99", "max", "histogram")
_CHUNK = ("execution_id", "series_id", "number", "t0", "t1", "n", "data")


def write(connection: Connection, rows: Rows) -> None:
    """Write all; raises the driver's IntegrityError when a row that must be new is there already."""
    bulk(connection, "tests", ("id", "suite", "name"), _sorted(rows.tests), "ON CONFLICT (id) DO NOTHING")
    bulk(
        connection, "metric_series", ("id", "name", "labels", "unit", "kind"), _sorted(rows.series),
        "ON CONFLICT (id) DO NOTHING",
    )  # fmt: skip
    _executions(connection, rows)
    bulk(
        connection, "test_results",
        ("execution_id", "test_id", "attempt", "outcome", "finished_at", "duration_ms", "message"), rows.results,
    )  # fmt: skip
    bulk(connection, "test_metrics", _METRIC, rows.metrics, _replace(_METRIC, 2))
    bulk(connection, "metric_chunks", _CHUNK, rows.new_chunks)
    bulk(connection, "metric_chunks", _CHUNK, rows.grown_chunks, _replace(_CHUNK, 3))
    bulk(
        connection, "findings", ("execution_id", "number", "found_at", "rule", "severity", "message", "document"),
        rows.findings,
    )  # fmt: skip
    columns: tuple[str, ...] = ("execution_id", "path", "sha256", "kind")
    bulk(connection, "artifacts", columns, _sorted(rows.artifacts), _replace(columns, 2))
    columns = ("execution_id", "kind", "campaign_id", "document")
    bulk(connection, "ledgers", columns, _sorted(rows.ledgers), _replace(columns, 2))
    _faults(connection, rows)
    _environments(connection, rows)


def _sorted(table: dict[Any, tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [table[key] for key in sorted(table)]


def _replace(columns: tuple[str, ...], keys: int) -> str:
    """The last writer wins."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[keys:])
    return f"ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {changes}"


def _executions(connection: Connection, rows: Rows) -> None:
    """Set columns, add to counters. Rows with the same columns go in one statement."""
    by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for run in sorted(rows.executions):
        values = rows.executions[run]
        by_columns.setdefault(("id", *values), []).append((run, *values.values()))
    for columns, many in by_columns.items():
        bulk(connection, "test_executions", columns, many, _replace(columns, 1))
    added = ", ".join(f"{name} = test_executions.{name} + excluded.{name}" for name in COUNTERS)
    many = [(run, *(rows.counters[run][name] for name in COUNTERS)) for run in sorted(rows.counters)]
    bulk(connection, "test_executions", ("id", *COUNTERS), many, f"ON CONFLICT (id) DO UPDATE SET {added}")


def _faults(connection: Connection, rows: Rows) -> None:
    """As `merged_fault`, in SQL: what is known stays, the earlier of two reverts counts."""
    earlier = "excluded.reverted_at < faults.reverted_at"
    changes = {name: f"COALESCE(faults.{name}, excluded.{name})" for name in FAULT_COLUMNS}
    for name in ("reverted_at", "reverted_by"):
        changes[name] = f"CASE WHEN {earlier} THEN excluded.{name} ELSE {changes[name]} END"
    end = ", ".join(f"{name} = {change}" for name, change in changes.items())
    many = [(*key, *(rows.faults[key].get(name) for name in FAULT_COLUMNS)) for key in sorted(rows.faults)]
    bulk(
        connection, "faults", ("campaign_id", "id", *FAULT_COLUMNS), many,
        f"ON CONFLICT (campaign_id, id) DO UPDATE SET {end}",
    )  # fmt: skip


def _environments(connection: Connection, rows: Rows) -> None:
    first, last = "environments.first_used_at", "environments.last_used_at"
    bulk(
        connection, "environments", ("name", "first_used_at", "last_used_at"),
        [(name, *rows.environments[name]) for name in sorted(rows.environments)],
        "ON CONFLICT (name) DO UPDATE SET "
        f"first_used_at = CASE WHEN excluded.first_used_at < {first} THEN excluded.first_used_at ELSE {first} END, "
        f"last_used_at = CASE WHEN excluded.last_used_at > {last} THEN excluded.last_used_at ELSE {last} END",
    )  # fmt: skip
