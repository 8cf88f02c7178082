"""The write path: several requests in one transaction, idempotency keys in the same transaction, COPY, COMMIT.

A SignalWriter owns one connection and belongs to one thread. It connects when it is first used and again after the
connection was lost, so that a gateway outlives its database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import psycopg
from psycopg import errors

from observastack.store.rows import (
    COLUMNS,
    COPY_HEADER,
    COPY_TRAILER,
    DAY_NS,
    TABLES,
    ResourceRow,
    SeriesRow,
    Signal,
)  # fmt: skip

BLOCK = 1 << 20
"""Item ids that one value of the sequence stands for."""

KNOWN_S = 2.0
"""Seconds for which what the database says about a tenant is taken as still true."""
SPAN_NS = 900 * 10**9
"""An announcement covers at most so much time: its reader scans a tenant's items of that time, not of weeks."""

_COPY: dict[Signal, bytes] = {
    signal: f"COPY {TABLES[signal]} ({', '.join(columns)}) FROM STDIN (FORMAT binary)".encode()
    for signal, columns in COLUMNS.items()
}
_REFUSED = (errors.DataError, errors.IntegrityError, errors.ProgramLimitExceeded)
"""What the server says when the data itself is at fault."""
_FIND_TENANT = "SELECT id, status FROM tenants WHERE key = %s"
_TENANT = "SELECT set_config('app.tenant_id', %s, true)"
_INSERT_KEY = "INSERT INTO idempotency(created, key, body_hash, result) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
_FIND_KEY = "SELECT body_hash, result FROM idempotency WHERE tenant_id = %s AND key = %s"
_INSERT_RESOURCE = "INSERT INTO resources(resource_id, service, attrs, first_seen) VALUES (%s, %s, %s::jsonb, %s) ON CONFLICT DO NOTHING"
_ANNOUNCE = (
    "INSERT INTO arrivals(signal, first_ts, last_ts, first_id, last_id, items) "
    "SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[])"
)
_INSERT_SERIES = (
    "INSERT INTO series(series_id, resource_id, name, type, monotonic, temporality, unit, description, service, labels) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """active: it may write."""

    number: int
    active: bool


class RowsRefused(Exception):
    """The database refuses the data of this transaction; nothing of it is stored."""


class Unavailable(Exception):
    """The database could not be asked. `unknown`: the commit was under way, the rows may be stored."""

    def __init__(self, reason: str, *, unknown: bool = False) -> None:
        super().__init__(reason)
        self.unknown = unknown


@dataclass(slots=True)
class Write:
    """One request to be stored. After `SignalWriter.write`, `outcome` says what became of it.

    key, digest: the idempotency key and the hash of the request; result: what a repeat is to be answered with.
    `repeated`: the key was known with the same digest, `result` is now the first one; `conflict`: with another digest.
    """

    tenant: int
    signal: Signal
    rows: list[bytes]
    resources: dict[int, ResourceRow] = field(default_factory=dict)
    series: dict[int, SeriesRow] = field(default_factory=dict)
    key: str | None = None
    digest: bytes = b""
    result: bytes = b""
    outcome: Literal["stored", "repeated", "conflict"] | None = None


class SignalWriter:
    """Writes as role obs_ingest: the tenant of a row is that of the transaction, whatever the row says."""

    def __init__(self, connection: dict[str, Any]) -> None:
        self._arguments = connection
        self._connection: psycopg.Connection | None = None
        self._partitions: set[tuple[str, int]] = set()
        self._tenants: dict[str, tuple[Tenant, float]] = {}
        self._block_left = 0
        self._next_id = 0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def tenant(self, key: str) -> Tenant | None:
        """None for an unknown tenant. A suspension is seen after KNOWN_S at the latest. Raises Unavailable.

        While the database cannot be asked, what was known last holds: a write to another store need not wait for it.
        """
        known, asked = self._tenants.get(key, (None, 0.0))
        if known is not None and time.monotonic() - asked < KNOWN_S:
            return known
        try:
            row = self._once_more(lambda connection: connection.execute(_FIND_TENANT, (key,)).fetchone())
        except Unavailable:
            if known is None:
                raise
            return known
        if row is None:
            self._tenants.pop(key, None)
            return None
        self._tenants[key] = (Tenant(int(row[0]), row[1] == "active"), time.monotonic())
        return self._tenants[key][0]

    def item_ids(self, most: int) -> int:
        """The first of `most` unused item ids; `used` tells how many were taken. Raises Unavailable."""
        if self._block_left < most:
            row = self._once_more(lambda connection: connection.execute("SELECT nextval('item_blocks')").fetchone())
            self._next_id, self._block_left = int(row[0]) * BLOCK, BLOCK
        return self._next_id

    def used(self, count: int) -> None:
        self._next_id += count
        self._block_left -= count

    def write(self, writes: Sequence[Write]) -> None:
        """Store all or nothing, durable on return. Raises RowsRefused, Unavailable.

        A connection that turns out to be dead before anything was committed is replaced once, silently.
        """
        try:
            self._once_more(lambda connection: self._transaction(connection, writes))
        except _REFUSED as refused:
            self._partitions.clear()  # "no partition found" is such an error too: somebody dropped one
            raise RowsRefused(str(refused).splitlines()[0]) from refused

    def _once_more(self, work: Any) -> Any:
        """Run work(connection); a second time on a fresh connection when it failed before its commit.

        A server that was restarted, a deadlock, a partition that two writers made at once: the second time it works.
        """
        for last in (False, True):
            try:
                connection = self._connect()
            except psycopg.Error as error:
                raise Unavailable(_reason(error)) from error
            try:
                return work(connection)
            except _REFUSED:
                raise
            except psycopg.Error as error:
                self._discard()
                if last:
                    raise Unavailable(_reason(error)) from error
        raise AssertionError("unreachable")

    def _connect(self) -> psycopg.Connection:
        """The connection; a new one when there is none that lives."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._partitions.clear()
        connection = psycopg.connect(**self._arguments, autocommit=True)
        # Acknowledged means on disk, whatever the server's default is.
        connection.execute("SET synchronous_commit = on")
        connection.execute("SET statement_timeout = '30s'")
        self._connection = connection
        return connection

    def _discard(self) -> None:
        try:
            self.close()
        except psycopg.Error:
            self._connection = None

    def _transaction(self, connection: psycopg.Connection, writes: Sequence[Write]) -> None:
        self._ensure_partitions(connection, writes)
        committing = False
        try:
            with connection.transaction():
                stored = self._claim_keys(connection, writes)
                self._insert_dictionaries(connection, stored)
                self._copy(connection, stored)
                committing = True
        except psycopg.Error as error:
            if committing and (connection.closed or isinstance(error, psycopg.OperationalError)):
                self._discard()
                raise Unavailable(f"lost during the commit: {error}", unknown=True) from error
            raise

    def _ensure_partitions(self, connection: psycopg.Connection, writes: Sequence[Write]) -> None:
        needed = {
            (TABLES[write.signal], int.from_bytes(row[6:14], "big") // DAY_NS)
            for write in writes
            for row in _edges(write.rows)
        }
        for partition in sorted(needed - self._partitions):
            connection.execute("SELECT ensure_partition(%s, %s::int)", partition)
            self._partitions.add(partition)

    def _claim_keys(self, connection: psycopg.Connection, writes: Sequence[Write]) -> list[Write]:
        """The writes whose rows are to be stored. Keys in one order: two groups never wait for each other in a circle.

        A simultaneous sender of the same key waits here for the transaction of the first.
        """
        now = time.time_ns()
        tenant = None
        stored = [write for write in writes if write.key is None]
        for write in stored:
            write.outcome = "stored"
        for write in sorted(
            (write for write in writes if write.key is not None), key=lambda each: (each.tenant, each.key)
        ):
            if tenant != write.tenant:
                tenant = write.tenant
                connection.execute(_TENANT, (str(tenant),))
            if connection.execute(_INSERT_KEY, (now, write.key, write.digest, write.result)).rowcount:
                write.outcome = "stored"
                stored.append(write)
                continue
            found = connection.execute(_FIND_KEY, (tenant, write.key)).fetchone()
            if found is None:
                raise errors.SerializationFailure("the idempotency key expired just now")
            if bytes(found[0]) == write.digest:
                write.outcome, write.result = "repeated", bytes(found[1])
            else:
                write.outcome = "conflict"
        return stored

    def _insert_dictionaries(self, connection: psycopg.Connection, writes: Sequence[Write]) -> None:
        """Resources, then series, of the whole group in one order: the same circle would be possible here."""
        now = time.time_ns()
        resources: dict[int, dict[int, ResourceRow]] = {}
        series: dict[int, dict[int, SeriesRow]] = {}
        for write in writes:
            if write.resources:
                resources.setdefault(write.tenant, {}).update(write.resources)
            if write.series:
                series.setdefault(write.tenant, {}).update(write.series)
        with connection.cursor() as cursor:
            for tenant, rows in sorted(resources.items()):
                cursor.execute(_TENANT, (str(tenant),))
                cursor.executemany(
                    _INSERT_RESOURCE,
                    [(number, row.service, row.attrs.decode(), now) for number, row in sorted(rows.items())],
                )
            for tenant, known in sorted(series.items()):
                cursor.execute(_TENANT, (str(tenant),))
                cursor.executemany(
                    _INSERT_SERIES,
                    [
                        (
                            number, row.resource_id, row.name, row.type, row.monotonic, row.temporality, row.unit,
                            row.description, row.service, row.labels.decode(),
                        )
                        for number, row in sorted(known.items())
                    ],
                )  # fmt: skip

    def _copy(self, connection: psycopg.Connection, writes: Sequence[Write]) -> None:
        """One COPY per tenant and signal: rows of a tenant lie together on disk. Their arrival is announced with them."""
        groups: dict[tuple[int, Signal], list[list[bytes]]] = {}
        for write in writes:
            if write.rows:
                groups.setdefault((write.tenant, write.signal), []).append(write.rows)
        with connection.cursor() as cursor:
            for (tenant, signal), parts in sorted(groups.items()):
                cursor.execute(_TENANT, (str(tenant),))
                with cursor.copy(_COPY[signal]) as copy:
                    copy.write(b"".join((COPY_HEADER, *chain.from_iterable(parts), COPY_TRAILER)))
                arrived = [extent for part in parts for extent in extents(part)]
                cursor.execute(_ANNOUNCE, (signal, *map(list, zip(*arrived, strict=True))))


def extents(rows: list[bytes]) -> list[tuple[int, int, int, int, int]]:
    """Where a reader finds these rows again: (first ts, last ts, first id, last id, count), each within SPAN_NS.

    The ids of a writer are its own, so between the first and the last id lies no row of another transaction.
    """
    first, last = _number(min(rows, key=_time)[6:14]), _number(max(rows, key=_time)[6:14])
    if last - first > SPAN_NS:
        parts: dict[int, list[bytes]] = {}
        for row in rows:
            parts.setdefault(_number(row[6:14]) // SPAN_NS, []).append(row)
        return [extent for part in parts.values() for extent in extents(part)]
    return [(first, last, _number(min(rows, key=_item)[18:26]), _number(max(rows, key=_item)[18:26]), len(rows))]


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big", signed=True)


def _reason(error: psycopg.Error) -> str:
    return f"{type(error).__name__}: {str(error).strip()}"


def _edges(rows: list[bytes]) -> list[bytes]:
    """One row of each day that the rows fall on; only first and last when they are at most one day apart."""
    if not rows:
        return []
    first, last = min(rows, key=_time), max(rows, key=_time)
    if int.from_bytes(last[6:14], "big") // DAY_NS - int.from_bytes(first[6:14], "big") // DAY_NS < 2:
        return [first, last]
    return list({int.from_bytes(row[6:14], "big") // DAY_NS: row for row in rows}.values())


def _time(row: bytes) -> bytes:
    return row[6:14]


def _item(row: bytes) -> bytes:
    return row[18:26]
