"""Bring the database to what this version needs: database, roles, schema, tenants and users. Idempotent."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg import sql

from observastack.config import Config, Database
from observastack.errors import PlatformError
from observastack.store.identities import Identities, User, load_identities, load_webhook_tokens
from observastack.store.passwords import hash_password, verify_password

ROLE_NAMES = {"read": "obs_read", "ingest": "obs_ingest", "app": "obs_app"}
"""Roles that schema.sql grants rights to, by their key in the configuration."""


@dataclass(frozen=True)
class Migrated:
    """What a migration found and left: counts of accounts, and whether the database was made."""

    created_database: bool
    tenants: int
    users: int


def migrate(config: Config) -> Migrated:
    """Raises PlatformError when PostgreSQL cannot be reached or refuses."""
    for key, name in ROLE_NAMES.items():
        if (found := getattr(config.database, key).user) != name:
            raise PlatformError(
                f"database.{key}.user is {found}", file=config.file, remedy=f"the role is called {name}"
            )
    identities = load_identities(config.identities_file)
    webhook_tokens = load_webhook_tokens(config.webhook_tokens_file)
    try:
        created = _create_database(config.database)
        with psycopg.connect(**config.database.connection("owner")) as connection:
            connection.execute(schema_sql())
            _set_passwords(connection, config.database)
            _grant_test_data(connection, config.test_data_api)
            _seed(connection, identities)
            _seed_webhook_tokens(connection, webhook_tokens)
    except psycopg.Error as error:
        where = f"PostgreSQL at {config.database.host}:{config.database.port}"
        remedy = f"see that it runs and that {config.database.owner.user} is a superuser"
        raise PlatformError(f"{where}: {str(error).strip() or type(error).__name__}", remedy=remedy) from error
    return Migrated(created, len(identities.tenants), len(identities.users))


def schema_sql() -> bytes:
    """The text of schema.sql."""
    return files("observastack.store").joinpath("schema.sql").read_bytes()


def _create_database(database: Database) -> bool:
    """Make the database when there is none; CREATE DATABASE cannot run inside a transaction."""
    with psycopg.connect(**database.connection("owner", database="postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database.name,)).fetchone():
            return False
        statement = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
            sql.Identifier(database.name)
        )
        connection.execute(statement)
        return True


def _set_passwords(connection: psycopg.Connection, database: Database) -> None:
    """Give the roles their passwords, hashed here: the server's log never sees one."""
    for key, name in ROLE_NAMES.items():
        if (password := getattr(database, key).password()) is None:
            continue
        hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(hashed)))


def _grant_test_data(connection: psycopg.Connection, allowed: bool) -> None:
    """The backend may delete signals only for the test-data API, and under row-level security even then."""
    verb = ("GRANT", "TO") if allowed else ("REVOKE", "FROM")
    connection.execute(f"{verb[0]} SELECT, DELETE ON logs, spans, samples {verb[1]} obs_app")
    connection.execute(f"{verb[0]} SELECT ON series, resources {verb[1]} obs_app")


def _seed(connection: psycopg.Connection, identities: Identities) -> None:
    for tenant in identities.tenants:
        connection.execute(
            "INSERT INTO tenants(key, name, color) VALUES (%s, %s, %s) ON CONFLICT (key) DO UPDATE"
            " SET name = excluded.name, color = coalesce(excluded.color, tenants.color)",
            (tenant.key, tenant.name, tenant.color),
        )
    stored: dict[str, str] = dict(connection.execute("SELECT username, password_hash FROM users").fetchall())
    with ThreadPoolExecutor() as pool:  # argon2 releases the interpreter lock
        hashes = list(pool.map(lambda user: _password_hash(user, stored.get(user.username)), identities.users))
    for user, password_hash in zip(identities.users, hashes, strict=True):
        connection.execute(
            "INSERT INTO users(username, email, password_hash, tenants, roles, enabled, name) VALUES (%s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (username) DO UPDATE SET email = excluded.email, password_hash = excluded.password_hash, "
            "tenants = excluded.tenants, roles = excluded.roles, enabled = excluded.enabled, "
            "name = coalesce(nullif(excluded.name, ''), users.name)",
            (user.username, user.email, password_hash, list(user.tenants), list(user.roles), user.enabled, user.name),
        )


def _seed_webhook_tokens(connection: psycopg.Connection, tokens: dict[str, str]) -> None:
    """Only the hash is stored. A tenant that the file does not name keeps what it has."""
    for tenant, token in tokens.items():
        connection.execute(
            "INSERT INTO webhook_tokens(token_hash, tenant_id) SELECT %s, id FROM tenants WHERE key = %s "
            "ON CONFLICT (tenant_id) DO UPDATE SET token_hash = excluded.token_hash",
            (hashlib.sha256(token.encode()).digest(), tenant),
        )


def _password_hash(user: User, stored: str | None) -> str:
    """The stored hash while the password is still the same, else a new one."""
    if stored is not None and verify_password(stored, user.password):
        return stored
    return hash_password(user.password)
