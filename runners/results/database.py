"""The results database as a connection: made once, brought up to date, its errors in words.

SQLite: WAL, every write transaction BEGIN IMMEDIATE (a deferred one that reads first fails at once with "database is
locked", whatever the timeout). A new file is built aside and linked into place, so racing creators make one.
PostgreSQL: made and migrated under an advisory lock.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2.extras import execute_values
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import StaticPool

from runners.lib.errors import NotReady, TestbedError, UsageError
from runners.results import ddl
from runners.results.models import HEAD

_ADVISORY_LOCK = 0x7E57BED
_REBUILD = "move the file away and run 'testbed results reindex': the event files hold everything"


class DatabaseBusy(TestbedError):
    """The database cannot be written just now; nothing was written. Trying again later is right."""


class DatabaseGone(DatabaseBusy):
    """It cannot be reached at all: server down, disk full, file not accessible."""


class DatabaseDamaged(TestbedError):
    """The file is no database, or its tables are not ours."""


class TwoIngesters(TestbedError):
    """Somebody else ingested events of this run, or they are ingested already. Nothing was written."""


def open_engine(url: str, *, busy_timeout_s: float = 30.0, create: bool = True) -> Engine:
    """Connect, create the tables if there are none, migrate older ones.

    busy_timeout_s: how long a write waits for another writer. Raises UsageError (URL), NotReady (newer schema, or
    nothing there and `create` false), DatabaseBusy, DatabaseGone, DatabaseDamaged.
    """
    parsed = _parse(url)
    engine = _sqlite(parsed, busy_timeout_s, create) if _is_sqlite(parsed) else _postgresql(parsed, busy_timeout_s)
    try:
        with translated(parsed):
            _make_current(engine, parsed)
    except BaseException:
        engine.dispose()
        raise
    return engine


def describe(url: str | URL) -> str:
    """The URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(
            "the database URL cannot be read",
            remedy="write sqlite:////path/results.db or postgresql+psycopg2://user@host/database",
        ) from None
    if parsed.get_backend_name() not in ddl.DIALECTS:
        raise UsageError(
            f"databases of kind '{parsed.get_backend_name()}' are not supported", remedy="use sqlite or postgresql"
        )
    return parsed if _is_sqlite(parsed) else parsed.set(drivername="postgresql+psycopg2")


# ------------------------------------------------------------------ SQLite


def _sqlite(url: URL, busy_timeout_s: float, create: bool) -> Engine:
    arguments: dict[str, Any] = {"timeout": busy_timeout_s, "check_same_thread": False}
    if url.database in (None, "", ":memory:"):
        engine = create_engine(url, connect_args=arguments, poolclass=StaticPool)
    else:
        path = Path(str(url.database))
        if not path.exists():
            if not create:
                raise NotReady(f"no results yet: {path} does not exist", remedy="run a campaign, or name --db")
            with translated(url):
                _create_file(path)
        engine = create_engine(url, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # no BEGIN by the driver: ours says which kind
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _create_file(path: Path) -> None:
    """A complete database in WAL mode, linked into place; of several creators one wins and the others use its file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(aside, isolation_level=None)
        try:
            connection.executescript("BEGIN;" + ddl.path("sqlite").read_text(encoding="utf-8") + "COMMIT;")
            connection.execute("PRAGMA journal_mode = WAL")  # stays in the file's header
        finally:
            connection.close()  # the last to close: the write-ahead log is merged and removed
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


# ------------------------------------------------------------------ PostgreSQL


def _postgresql(url: URL, busy_timeout_s: float) -> Engine:
    arguments = {
        "connect_timeout": 5,
        "application_name": "testbed",
        "options": f"-c lock_timeout={max(1, round(busy_timeout_s * 1000))} -c timezone=UTC",
    }
    return create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_size=2)


# ------------------------------------------------------------------ schema


def _make_current(engine: Engine, url: URL) -> None:
    found = _version(engine)
    if found == HEAD:
        return
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        found = _version_in(connection)  # again: somebody may have been faster
        if found is None:
            if _tables(connection):
                raise DatabaseDamaged(
                    f"{describe(url)} holds tables that are not of the testbed",
                    remedy="choose an empty database with --db",
                )
            _run_script(connection, ddl.path(engine.dialect.name).read_text(encoding="utf-8"))
        elif found != HEAD:
            _migrate(connection, found, url)


def _migrate(connection: Connection, found: str, url: URL) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = ddl.alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found not in known:
        raise NotReady(
            f"{describe(url)} was written by a newer testbed (schema {found}, this one knows {HEAD})",
            remedy="update the testbed, or choose another database with --db",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection, connection.begin():
        return _version_in(connection)


def _version_in(connection: Connection) -> str | None:
    if "alembic_version" not in _tables(connection):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def _tables(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return {str(row[0]) for row in connection.exec_driver_sql(query)}


def _run_script(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        body = "\n".join(line for line in statement.splitlines() if not line.startswith("--")).strip()
        if body:
            connection.exec_driver_sql(body.rstrip(";"))


# ------------------------------------------------------------------ writing


def bulk(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], end: str = ""
) -> None:
    """INSERT many rows in the driver's fastest portable way. end: an ON CONFLICT clause. Names come from the models."""
    if not rows:
        return
    cursor = connection.connection.cursor()
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608  (identifiers, not data)
    try:
        if connection.dialect.name == "postgresql":
            execute_values(cursor, f"{head} %s {end}", rows, page_size=1000)
        else:
            cursor.executemany(f"{head} ({', '.join('?' * len(columns))}) {end}", rows)
    finally:
        cursor.close()


# ------------------------------------------------------------------ errors

_BUSY = (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected, psycopg2.errors.SerializationFailure,
         psycopg2.errors.QueryCanceled)  # fmt: skip
_FOREIGN = (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn, psycopg2.errors.InsufficientPrivilege)


@contextlib.contextmanager
def translated(url: str | URL) -> Iterator[None]:
    """Errors of both drivers as those of this module."""
    try:
        yield
    except DBAPIError as error:
        raise _translate(error.orig or error, url) from error
    except (sqlite3.Error, psycopg2.Error) as error:
        raise _translate(error, url) from error
    except OSError as error:
        raise DatabaseGone(
            f"{describe(url)}: {error.strerror}", remedy="make the folder writable or name --db"
        ) from error


def _translate(error: BaseException, url: str | URL) -> TestbedError:
    where, message = describe(url), " ".join(str(error).split())
    if isinstance(error, sqlite3.IntegrityError | psycopg2.IntegrityError):
        return TwoIngesters(
            f"{where}: rows of this run exist already ({message})", remedy="run 'testbed results reindex'"
        )
    if isinstance(error, sqlite3.Error):
        if "locked" in message or "busy" in message:
            return DatabaseBusy(f"{where} is locked by another process", remedy="try again in a moment")
        if "full" in message or "unable to open" in message or "readonly" in message or "disk I/O" in message:
            return DatabaseGone(f"{where}: {message}", remedy="make room or check the file's permissions")
        return DatabaseDamaged(f"{where} is not a usable results database: {message}", remedy=_REBUILD)
    if isinstance(error, _BUSY):
        return DatabaseBusy(f"{where} is locked by another session", remedy="try again in a moment")
    if isinstance(error, _FOREIGN):
        return DatabaseDamaged(f"{where} does not hold the testbed's tables: {message}", remedy="check --db")
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return DatabaseGone(f"{where} cannot be reached: {message}", remedy="check that the server runs, and --db")
    return DatabaseDamaged(f"{where}: {message}")
