"""The database itself keeps tenants apart: what each role can and cannot do, whatever the code above it asks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from observastack.config import Config, Role
from observastack.store.rows import DAY_NS
from observastack.tests.platform import build_platform

NOW = time.time_ns()
DAY = NOW // DAY_NS


@pytest.fixture(scope="module")
def populated(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Config:
    """Two log records, spans and samples for each tenant; tenant n has number n. No test commits a change."""
    platform_config = build_platform(tmp_path_factory.mktemp("platform"), postgres)
    with connect(platform_config, "ingest") as connection:
        for table in ("logs", "spans", "samples"):
            connection.execute("SELECT ensure_partition(%s, %s::int)", (table, DAY))
        for tenant in (1, 2, 3):
            act_for(connection, tenant)
            for number in (1, 2):
                connection.execute(
                    "INSERT INTO logs(ts, id, resource_id, severity, service, body, attrs) VALUES (%s, %s, 1, 9, 's', %s, '{}')",
                    (NOW + number, number, f"tenant {tenant}"),
                )
                connection.execute(
                    "INSERT INTO spans(ts, id, resource_id, duration, span_id, trace_id, kind, status, service, name, attrs) "
                    "VALUES (%s, %s, 1, 5, 7, %s, 1, 0, 's', 'n', '{}')",
                    (NOW, number, "00000000-0000-0000-0000-00000000000a"),
                )
                connection.execute("INSERT INTO samples(ts, id, series_id, value) VALUES (%s, %s, 5, 1)", (NOW, number))
    return platform_config


def connect(config: Config, role: Role) -> psycopg.Connection:
    return psycopg.connect(**config.database.connection(role))


def act_for(connection: psycopg.Connection, tenant: int) -> None:
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))


@pytest.fixture
def read(populated: Config) -> Iterator[psycopg.Connection]:
    with connect(populated, "read") as connection:
        yield connection


@pytest.fixture
def ingest(populated: Config) -> Iterator[psycopg.Connection]:
    with connect(populated, "ingest") as connection:
        yield connection


@pytest.mark.parametrize("table", ["logs", "spans", "samples"])
@pytest.mark.parametrize("where", ["", " WHERE true OR tenant_id = 1", " WHERE tenant_id IN (1, 2, 3)"])
def test_a_reader_sees_its_tenant_only(read: psycopg.Connection, table: str, where: str) -> None:
    for tenant in (1, 2, 3):
        act_for(read, tenant)
        rows = read.execute(f"SELECT tenant_id FROM {table}{where}".encode()).fetchall()
        assert rows == [(tenant,)] * 2


def test_a_reader_that_asks_for_another_tenant_gets_nothing(read: psycopg.Connection) -> None:
    act_for(read, 1)
    assert read.execute("SELECT count(*) FROM logs WHERE tenant_id = 2").fetchone() == (0,)
    # An error that only another tenant's row would raise is no channel either.
    assert read.execute("SELECT count(*) FROM logs WHERE 1 / (tenant_id - 2) < 5").fetchone() == (2,)
    joined = read.execute("SELECT DISTINCT l.tenant_id FROM logs l JOIN spans s ON s.resource_id = l.resource_id")
    assert joined.fetchall() == [(1,)]


def test_a_reader_without_a_tenant_gets_an_error_also_in_a_used_session(read: psycopg.Connection) -> None:
    with pytest.raises(errors.UndefinedObject):
        read.execute("SELECT count(*) FROM logs")
    read.rollback()
    act_for(read, 1)
    read.commit()
    with pytest.raises(errors.InvalidTextRepresentation):
        read.execute("SELECT count(*) FROM logs")


def test_a_reader_cannot_reach_a_partition_or_change_anything(read: psycopg.Connection) -> None:
    for statement in (
        f"SELECT count(*) FROM logs_p{DAY}",
        "DELETE FROM logs",
        "UPDATE logs SET body = ''",
        "INSERT INTO logs(ts, id, resource_id, severity, service, attrs) VALUES (1, 1, 1, 1, '', '{}')",
        "SELECT * FROM users",
        "SELECT * FROM idempotency",
        "SELECT ensure_partition('logs', 1)",
        "CREATE TABLE public.mine()",
    ):
        act_for(read, 1)
        with pytest.raises(errors.InsufficientPrivilege):
            read.execute(statement.encode())
        read.rollback()


def test_the_ingest_role_may_not_name_a_tenant(ingest: psycopg.Connection) -> None:
    act_for(ingest, 1)
    with pytest.raises(errors.InsufficientPrivilege):
        ingest.execute(
            "INSERT INTO logs(tenant_id, ts, id, resource_id, severity, service, attrs) VALUES (2, %s, 1, 1, 9, 's', '{}')",
            (NOW,),
        )
    ingest.rollback()
    act_for(ingest, 1)
    with (
        pytest.raises(errors.InsufficientPrivilege),
        ingest.cursor().copy("COPY samples(tenant_id, ts, id, series_id, value) FROM STDIN") as copy,
    ):
        copy.write(f"2\t{NOW}\t1\t1\t1\n")


def test_the_ingest_role_reads_and_changes_no_signal(ingest: psycopg.Connection) -> None:
    for statement in (
        "SELECT count(*) FROM logs", "SELECT body FROM logs", "SELECT * FROM series", "DELETE FROM logs",
        "UPDATE logs SET tenant_id = 1", f"SELECT * FROM logs_p{DAY}", "TRUNCATE logs", "SELECT * FROM users",
        "UPDATE idempotency SET key = ''", "DELETE FROM idempotency",
    ):  # fmt: skip
        act_for(ingest, 1)
        with pytest.raises(errors.InsufficientPrivilege):
            ingest.execute(statement.encode())
        ingest.rollback()


def test_the_ingest_role_writes_nothing_without_a_tenant(ingest: psycopg.Connection) -> None:
    with pytest.raises(errors.UndefinedObject):
        ingest.execute("INSERT INTO samples(ts, id, series_id, value) VALUES (%s, 1, 1, 1)", (NOW,))


def test_the_backend_s_role_cannot_rewrite_the_audit_log(populated: Config) -> None:
    with connect(populated, "app") as app:
        for statement in ("UPDATE audit_log SET success = false", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            app.execute("SELECT set_config('app.scope', '*', true)")
            app.execute("INSERT INTO audit_log(action, success) VALUES ('login', true)")
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute(statement.encode())
            app.rollback()


def test_test_data_can_be_deleted_for_one_tenant_only(populated: Config) -> None:
    with connect(populated, "app") as app:
        act_for(app, 1)
        assert app.execute("DELETE FROM logs WHERE tenant_id IN (1, 2)").rowcount == 2
        act_for(app, 2)
        assert app.execute("SELECT count(*) FROM logs").fetchone() == (2,)
        app.rollback()


def test_the_search_history_belongs_to_a_tenant(populated: Config) -> None:
    with connect(populated, "app") as app:
        act_for(app, 1)
        app.execute("INSERT INTO search_history(user_id, query) VALUES (gen_random_uuid(), '{}')")
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute("INSERT INTO search_history(tenant_id, user_id, query) VALUES (2, gen_random_uuid(), '{}')")
        app.rollback()
        act_for(app, 2)
        assert app.execute("SELECT count(*) FROM search_history").fetchone() == (0,)


def test_partitions_are_made_for_signal_tables_only_and_once(ingest: psycopg.Connection) -> None:
    for _ in range(2):
        ingest.execute("SELECT ensure_partition('spans', 12345)")
    ingest.commit()
    with pytest.raises(errors.InvalidParameterValue):
        ingest.execute("SELECT ensure_partition('users', 1)")


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("time", "SELECT ts, id FROM logs WHERE tenant_id = 1 AND ts < 99 AND (ts, id) < (99, 5) ORDER BY ts DESC, id DESC LIMIT 50"),
        ("service", "SELECT ts FROM logs WHERE tenant_id = 1 AND service = 'x' AND ts > 5 ORDER BY ts DESC, id DESC LIMIT 50"),
        ("trace_id", "SELECT ts FROM spans WHERE trace_id = '00000000-0000-0000-0000-00000000000a'"),
        ("series", "SELECT ts, value FROM samples WHERE tenant_id = 1 AND series_id = 5 AND ts BETWEEN 1 AND 9"),
    ],
)  # fmt: skip
def test_row_level_security_leaves_the_indexes_usable(read: psycopg.Connection, index: str, query: str) -> None:
    act_for(read, 1)
    read.execute("SET LOCAL enable_seqscan = off")
    first, last = DAY * DAY_NS, (DAY + 1) * DAY_NS
    query = query.replace("ts < 99", f"ts < {last}").replace("(99, 5)", f"({last}, 5)")
    query = query.replace("ts > 5", f"ts > {first}").replace("BETWEEN 1 AND 9", f"BETWEEN {first} AND {last}")
    plan = "\n".join(str(row[0]) for row in read.execute(f"EXPLAIN {query}".encode()).fetchall())
    assert "Index" in plan, (index, plan)
    assert "Seq Scan" not in plan
