"""Retention drops whole days and old keys, and nothing else."""

from __future__ import annotations

import time

import psycopg
import pytest

from observastack.config import Config
from observastack.errors import PlatformError
from observastack.store.__main__ import main
from observastack.store.prune import prune
from observastack.store.rows import DAY_NS
from observastack.tests.gateway import Reader

NOW = time.time_ns()
TODAY = NOW // DAY_NS


@pytest.fixture
def five_days(platform_config: Config) -> Config:
    """A sample and an idempotency key of each of the last five days."""
    with psycopg.connect(**platform_config.database.connection("ingest")) as connection:
        connection.execute("SELECT set_config('app.tenant_id', '1', true)")
        for age in range(5):
            ts = NOW - age * DAY_NS
            connection.execute("SELECT ensure_partition('samples', %s::int)", (ts // DAY_NS,))
            connection.execute("INSERT INTO samples(ts, id, series_id, value) VALUES (%s, %s, 1, 1)", (ts, age))
            connection.execute(
                "INSERT INTO idempotency(created, key, body_hash, result) VALUES (%s, %s, '', '')", (ts, str(age))
            )
    return platform_config


def test_days_beyond_the_retention_are_dropped(five_days: Config) -> None:
    pruned = prune(five_days, 2, NOW + 1)
    assert pruned.partitions == (f"samples_p{TODAY - 4}", f"samples_p{TODAY - 3}")
    assert pruned.keys == 3  # two days old and older
    assert Reader(five_days).count("acme", "samples") == 3
    assert prune(five_days, 2, NOW + 1).partitions == ()


def test_a_tenant_may_keep_less_than_the_platform(five_days: Config, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(**five_days.database.connection("ingest")) as connection:
        connection.execute("SELECT set_config('app.tenant_id', '2', true)")
        connection.execute("INSERT INTO samples(ts, id, series_id, value) VALUES (%s, 7, 1, 1)", (NOW - 3 * DAY_NS,))
    with psycopg.connect(**five_days.database.connection("owner")) as connection:
        connection.execute("UPDATE tenants SET retention_days = 2 WHERE key = 'acme'")
    assert main(["--config", str(five_days.file), "prune", "--days", "10"]) == 0
    assert capsys.readouterr().out.endswith("dropped, 3 items of tenants with a shorter retention\n")
    assert Reader(five_days).count("acme", "samples") == 2
    assert Reader(five_days).count("globex", "samples") == 1


def test_the_command_keeps_at_least_one_day(five_days: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(five_days.file), "prune", "--days", "4"]) == 0
    assert capsys.readouterr().out == "0 partitions and 3 idempotency keys dropped\n"
    with pytest.raises(SystemExit):
        main(["--config", str(five_days.file), "prune", "--days", "0"])


def test_an_open_write_is_not_disturbed(five_days: Config) -> None:
    with psycopg.connect(**five_days.database.connection("ingest")) as writer:
        writer.execute("SELECT set_config('app.tenant_id', '1', true)")
        writer.execute("INSERT INTO samples(ts, id, series_id, value) VALUES (%s, 9, 1, 1)", (NOW - 4 * DAY_NS,))
        with pytest.raises(PlatformError, match="lock timeout"):
            prune(five_days, 2, NOW, lock_timeout_ms=50)
    assert len(prune(five_days, 2, NOW).partitions) == 2
