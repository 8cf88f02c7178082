"""Models, migrations and SQL files say the same; databases are made once, and refused in words."""

import multiprocessing
import os

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from runners.lib.errors import NotReady, UsageError
from runners.results import ddl
from runners.results.models import HEAD, Base
from runners.results.store import DatabaseDamaged, DatabaseGone, open_store


@pytest.mark.parametrize("dialect", ddl.DIALECTS)
def test_the_sql_files_are_those_that_the_migrations_give(dialect):
    assert ddl.path(dialect).read_text() == ddl.statements(dialect), "run: python -m runners.results.ddl"


def test_the_made_database_is_what_the_models_describe(store):
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == HEAD


def test_opening_again_changes_nothing(store, url):
    open_store(url).close()
    with store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_a_database_of_a_newer_testbed_is_refused(store, url):
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NotReady, match="newer testbed"):
        open_store(url)


def test_a_database_with_foreign_tables_is_left_alone(url):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (id INTEGER)"))
    engine.dispose()
    with pytest.raises(DatabaseDamaged, match="not of the testbed"):
        open_store(url)


def _open(url, barrier, answers):
    barrier.wait()
    try:
        open_store(url).close()
        answers.put("ok")
    except Exception as error:
        answers.put(repr(error))


def test_racing_creators_make_one_database(url, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_open, args=(url, barrier, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == ["ok"] * 4
    for process in processes:
        process.join()
    store = open_store(url)
    with store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    store.close()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]


def test_sqlite_is_in_wal_mode_and_private(tmp_path):
    path = tmp_path / "deep" / "results.db"
    store = open_store(f"sqlite:///{path}")
    with store.read() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA busy_timeout")) == 30000
    assert path.stat().st_mode & 0o077 == 0
    store.close()


def test_a_query_does_not_create_a_database(tmp_path):
    with pytest.raises(NotReady, match="no results yet"):
        open_store(f"sqlite:///{tmp_path / 'results.db'}", create=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("url", ["not a url", "mysql://x/y", ""])
def test_an_unusable_url_is_a_usage_error(url):
    with pytest.raises(UsageError):
        open_store(url)


def test_a_file_that_is_no_database_says_what_to_do(tmp_path):
    (tmp_path / "results.db").write_bytes(b"hello" * 1000)
    with pytest.raises(DatabaseDamaged, match="reindex"):
        open_store(f"sqlite:///{tmp_path / 'results.db'}")


def test_a_server_that_is_gone_is_named_without_its_password():
    with pytest.raises(DatabaseGone) as caught:
        open_store("postgresql+psycopg2://me:secret@127.0.0.1:1/db")
    assert "127.0.0.1:1" in str(caught.value) and "secret" not in str(caught.value)
