"""Retention: whole day partitions, what tenants keep for a shorter time, and expired idempotency keys."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql

from observastack.config import Config
from observastack.errors import PlatformError
from observastack.store.rows import DAY_NS, TABLES

KEY_DAYS = 2
"""An idempotency key is kept so long: far beyond any client's retries."""
_ATTEMPTS = 5


@dataclass(frozen=True)
class Pruned:
    """items: of tenants whose own retention is shorter than that of the platform."""

    partitions: tuple[str, ...]
    keys: int
    items: int = 0


def prune(config: Config, keep_days: int, now: int | None = None, lock_timeout_ms: int = 2000) -> Pruned:
    """Drop what is older than keep_days whole days. now: ns since 1970. Raises PlatformError."""
    now = time.time_ns() if now is None else now
    oldest = now // DAY_NS - keep_days
    dropped = []
    try:
        with psycopg.connect(**config.database.connection("owner"), autocommit=True) as connection:
            # DROP waits for every open write and makes all later ones wait behind it: rather give up and try again.
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{lock_timeout_ms}ms",))
            for parent in TABLES.values():
                leaves = connection.execute(
                    "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = %s::regclass",
                    (parent,),
                ).fetchall()
                for (leaf,) in sorted(leaves):
                    if int(leaf.rsplit("_p", 1)[1]) < oldest:
                        _drop(connection, leaf)
                        dropped.append(leaf)
            items = _trim(connection, now)
            keys = connection.execute("DELETE FROM idempotency WHERE created < %s", (now - KEY_DAYS * DAY_NS,)).rowcount
    except psycopg.Error as error:
        where = f"PostgreSQL at {config.database.host}:{config.database.port}"
        raise PlatformError(f"{where}: {str(error).strip()}", remedy="try again when fewer writes are open") from error
    return Pruned(tuple(dropped), keys, items)


def _drop(connection: psycopg.Connection, leaf: str) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(leaf)))
            return
        except errors.LockNotAvailable:
            if attempt == _ATTEMPTS - 1:
                raise


def _trim(connection: psycopg.Connection, now: int) -> int:
    """Delete what tenants keep for a shorter time. A day's partition belongs to all of them, so these are rows."""
    items = 0
    tenants = connection.execute("SELECT id, retention_days FROM tenants WHERE retention_days IS NOT NULL").fetchall()
    for tenant, days in tenants:
        for table in TABLES.values():
            statement = sql.SQL("DELETE FROM {} WHERE tenant_id = %s AND ts < %s").format(sql.Identifier(table))
            items += connection.execute(statement, (tenant, now - days * DAY_NS)).rowcount
    return items
