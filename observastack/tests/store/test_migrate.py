"""Migration: idempotent, seeds accounts, keeps passwords out of the database."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from observastack.config import Config, Login
from observastack.errors import PlatformError
from observastack.store.__main__ import main
from observastack.store.migrate import migrate
from observastack.store.passwords import verify_password
from observastack.tests.platform import PASSWORD, TENANTS, identities, write_config
from tests.servers import free_port


def rows(config: Config, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(**config.database.connection("owner")) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_tenants_and_users_come_from_the_identities_file(platform_config: Config) -> None:
    assert {key for (key,) in rows(platform_config, "SELECT key FROM tenants")} == set(TENANTS)
    found = {row[0]: row[1:] for row in rows(platform_config, "SELECT username, tenants, roles, enabled FROM users")}
    assert set(found) == {user["username"] for user in identities()["users"]}
    assert found["acme-agent"] == (["acme"], ["agent"], True)
    assert found["platform-admin"] == ([], ["admin"], True)
    assert found["two-tenants"] == (["acme", "globex"], ["viewer"], True)
    assert found["disabled"][2] is False


def test_passwords_are_stored_as_argon2id_only(platform_config: Config) -> None:
    hashes = [str(row[0]) for row in rows(platform_config, "SELECT password_hash FROM users")]
    assert all(value.startswith("$argon2id$") for value in hashes)
    assert verify_password(hashes[0], PASSWORD)
    assert not verify_password(hashes[0], PASSWORD + "x")
    assert len(set(hashes)) == len(hashes)


def test_a_second_migration_changes_nothing_and_follows_the_identities_file(platform_config: Config) -> None:
    before = rows(platform_config, "SELECT username, password_hash FROM users ORDER BY 1")
    ids = rows(platform_config, "SELECT id, key FROM tenants ORDER BY 1")
    assert migrate(platform_config).created_database is False
    assert rows(platform_config, "SELECT username, password_hash FROM users ORDER BY 1") == before
    assert rows(platform_config, "SELECT id, key FROM tenants ORDER BY 1") == ids

    changed = identities()
    changed["users"][0]["password"] = "another"
    platform_config.identities_file.write_text(json.dumps(changed))
    migrate(platform_config)
    after = rows(platform_config, "SELECT username, password_hash FROM users ORDER BY 1")
    assert [name for (name, new), (_, old) in zip(after, before, strict=True) if new != old] == ["acme-viewer"]


def test_role_passwords_are_set_without_being_sent(make_platform: Callable[..., Config], tmp_path: Path) -> None:
    secret = tmp_path / "read_password"
    secret.write_text("s3cret\n")
    config = make_platform(database={"read": {"user": "obs_read", "password_file": str(secret)}})
    [(stored,)] = rows(config, "SELECT rolpassword FROM pg_authid WHERE rolname = 'obs_read'")
    assert str(stored).startswith("SCRAM-SHA-256$")
    assert config.database.connection("read")["password"] == "s3cret"


def test_the_backend_may_touch_signals_only_for_the_test_data_api(make_platform: Callable[..., Config]) -> None:
    config = make_platform(test_data_api=True)
    allowed = (
        "SELECT has_table_privilege('obs_app', 'logs', 'DELETE'), has_table_privilege('obs_app', 'logs', 'SELECT')"
    )
    assert rows(config, allowed) == [(True, True)]
    migrate(dataclasses.replace(config, test_data_api=False))
    assert rows(config, allowed) == [(False, False)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tenants": [{"id": "Acme"}], "users": []}, "tenant 'Acme' is not a tenant id"),
        ({"tenants": [], "users": [{"username": "u", "password": "p", "tenant": "acme", "roles": []}]}, "unknown tenant"),
        ({"tenants": [], "users": [{"username": "u", "password": "p", "tenant": None, "roles": ["root"]}]}, "unknown role"),
        ({"tenants": []}, "'users'"),
    ],
)  # fmt: skip
def test_a_wrong_identities_file_is_named(
    tmp_path: Path, postgres: str, change: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(tmp_path, postgres)
    (tmp_path / "identities.json").write_text(json.dumps(change))
    assert main(["--config", str(file), "migrate"]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "identities.json" in errors


def test_without_postgresql_migration_says_where_it_looked(platform_config: Config) -> None:
    port = free_port()
    config = dataclasses.replace(platform_config, database=dataclasses.replace(platform_config.database, port=port))
    with pytest.raises(PlatformError, match=f"127.0.0.1:{port}"):
        migrate(config)


def test_a_role_under_another_name_is_refused(platform_config: Config) -> None:
    database = dataclasses.replace(platform_config.database, read=Login("reader"))
    with pytest.raises(PlatformError, match="the role is called obs_read"):
        migrate(dataclasses.replace(platform_config, database=database))
