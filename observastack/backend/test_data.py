"""Known data for tests: seeded through the store's own write path, found again and deleted by its run."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass
from typing import Any

import orjson

from observastack.backend.database import Connection, Database
from observastack.backend.errors import unavailable
from observastack.config import Config
from observastack.store.rows import ResourceRow, SeriesRow, Signal, log_row, sample_row, span_row, text_field
from observastack.store.write import SignalWriter, Unavailable, Write

RUN_KEY = "test_data.run"
SERVICES = ("checkout", "payment", "catalog")
_TABLES: dict[Signal, str] = {"logs": "logs", "traces": "spans", "metrics": "samples"}
_OF_RUN: dict[Signal, str] = {
    "logs": "resource_id = ANY(%(resources)s)",
    "traces": "resource_id = ANY(%(resources)s)",
    "metrics": "series_id IN (SELECT series_id FROM series WHERE tenant_id = %(tenant)s AND resource_id = ANY(%(resources)s))",
}


@dataclass(frozen=True)
class Seed:
    """What to write: `count` items of each signal, evenly spread over [start_ns, end_ns)."""

    run: str
    counts: dict[Signal, int]
    start_ns: int
    end_ns: int
    seed: int


class TestData:
    """Writes as the ingest role, deletes as the app role; both see one tenant at a time."""

    __test__ = False  # the name begins with "Test": pytest must not collect it

    def __init__(self, config: Config, database: Database) -> None:
        self._config, self._database = config, database

    async def seed(self, tenant: int, wanted: Seed) -> dict[str, int]:
        """Items written by signal. Raises ApiError 503."""
        return await asyncio.to_thread(self._write, tenant, wanted)

    async def delete(self, tenant: int, run: str) -> dict[str, int]:
        """Items deleted by signal."""
        deleted: dict[str, int] = {}
        async with self._database.app(timeout_s=60) as connection:
            resources = await _resources(connection, tenant, run)
            for signal, table in _TABLES.items():
                statement = f"DELETE FROM {table} WHERE tenant_id = %(tenant)s AND {_OF_RUN[signal]}"  # noqa: S608 - text of this module
                cursor = await connection.execute(statement.encode(), {"tenant": tenant, "resources": resources})
                deleted[signal] = cursor.rowcount
        return deleted

    async def summary(self, tenant: int) -> dict[str, Any]:
        """Items stored for the tenant by signal, and how many of them belong to which run."""
        async with self._database.app(timeout_s=60) as connection:
            await _enter(connection, tenant)
            total = {signal: await _count(connection, signal, "true", tenant, []) for signal in _TABLES}
            cursor = await connection.execute(
                "SELECT DISTINCT attrs ->> %s FROM resources WHERE tenant_id = %s AND attrs ? %s",
                (RUN_KEY, tenant, RUN_KEY),
            )
            runs: dict[str, dict[str, int]] = {}
            for (run,) in await cursor.fetchall():
                resources = await _resources(connection, tenant, run)
                counts: dict[str, int] = {
                    signal: await _count(connection, signal, _OF_RUN[signal], tenant, resources) for signal in _TABLES
                }
                if any(counts.values()):
                    runs[run] = counts
        return {"total": total, "runs": runs}

    def _write(self, tenant: int, wanted: Seed) -> dict[str, int]:
        writer = SignalWriter(self._config.database.connection("ingest"))
        try:
            writes = rows(tenant, wanted, writer)
            writer.write(writes)
        except Unavailable:
            raise unavailable("postgres") from None
        finally:
            writer.close()
        return {write.signal: len(write.rows) for write in writes}


def rows(tenant: int, wanted: Seed, writer: SignalWriter) -> list[Write]:
    """The writes of a seed: same seed and run, same items (ids of the store apart)."""
    dice = random.Random(f"{wanted.seed} {wanted.run} {tenant}")  # noqa: S311 - repeatable test data
    resources = {service: _resource(tenant, wanted.run, service) for service in SERVICES}
    writes = []
    for signal, count in wanted.counts.items():
        first = writer.item_ids(max(count, 1))
        write = Write(tenant, signal, [], {one.resource_id: one for one in resources.values()})
        for number in range(count):
            ts = wanted.start_ns + (wanted.end_ns - wanted.start_ns) * number // count
            resource = resources[SERVICES[number % len(SERVICES)]]
            write.rows.append(
                _row(
                    signal, ts=ts, item=first + number, number=number, resource=resource, dice=dice, series=write.series
                )
            )
        writer.used(count)
        writes.append(write)
    return writes


def _row(
    signal: Signal,
    *,
    ts: int,
    item: int,
    number: int,
    resource: ResourceRow,
    dice: random.Random,
    series: dict[int, SeriesRow],
) -> bytes:
    trace_id, span_id = dice.randbytes(16), dice.randbytes(8)
    if signal == "logs":
        severity, text = (17, "ERROR") if number % 10 == 9 else (9, "INFO")
        return log_row(
            ts=ts, item=item, resource=resource.resource_id, severity=severity, span_id=span_id, trace_id=trace_id,
            service=resource.service_field, severity_text=text_field(text),
            body=text_field(f"order {number} handled by {resource.service}"), attrs=orjson.dumps({"order": number}),
        )  # fmt: skip
    if signal == "traces":
        return span_row(
            ts=ts, item=item, resource=resource.resource_id, duration=dice.randrange(10**6, 10**9), span_id=span_id,
            parent_id=b"", trace_id=trace_id, kind=2, status=2 if number % 10 == 9 else 1, service=resource.service_field,
            name=text_field("GET /orders"), status_message=text_field(""), attrs=orjson.dumps({"order": number}),
            events=None, links=None,
        )  # fmt: skip
    name = "test_data_orders"
    key = _hashed(b"series", resource.resource_id.to_bytes(8, "big", signed=True))
    series[key] = SeriesRow(key, resource.resource_id, name, 2, True, 2, "1", "", resource.service, b"{}")
    return sample_row(ts, item, key, float(number), None)


def _resource(tenant: int, run: str, service: str) -> ResourceRow:
    attributes = orjson.dumps({"service.name": service, RUN_KEY: run}, option=orjson.OPT_SORT_KEYS)
    number = _hashed(tenant.to_bytes(4, "big"), attributes)
    return ResourceRow(tenant, number, service, attributes, text_field(service))


def _hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(b"\0".join(parts), digest_size=8).digest(), "big", signed=True)


async def _enter(connection: Connection, tenant: int) -> None:
    await connection.execute(
        "SELECT set_config('app.tenant_id', %s, true), set_config('statement_timeout', '30s', true)", (str(tenant),)
    )


async def _resources(connection: Connection, tenant: int, run: str) -> list[int]:
    await _enter(connection, tenant)
    cursor = await connection.execute(
        "SELECT resource_id FROM resources WHERE tenant_id = %s AND attrs ->> %s = %s", (tenant, RUN_KEY, run)
    )
    return [row[0] for row in await cursor.fetchall()]


async def _count(connection: Connection, signal: Signal, condition: str, tenant: int, resources: list[int]) -> int:
    statement = f"SELECT count(*) FROM {_TABLES[signal]} WHERE tenant_id = %(tenant)s AND {condition}"  # noqa: S608 - text of this module
    cursor = await connection.execute(statement.encode(), {"tenant": tenant, "resources": resources})
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
