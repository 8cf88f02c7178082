"""What a user has of their own beside the token: name, last visit, preferences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict, Field

from observastack.backend.auth.tokens import Claims
from observastack.backend.database import Database
from observastack.backend.deadline import within
from observastack.backend.errors import not_found

PATIENCE_S = 1.5


class Preferences(BaseModel):
    """How the user interface shows things. default_range_s: seconds back from now that a search begins with."""

    theme: Literal["system", "light", "dark"] = "system"
    time_zone: Literal["utc", "browser"] = "browser"
    default_range_s: int = 3_600
    single_keys: bool = True
    relative_times: bool = True


class PreferencesUpdate(BaseModel):
    """What is not sent stays as it is."""

    model_config = ConfigDict(extra="forbid")

    theme: Literal["system", "light", "dark"] | None = None
    time_zone: Literal["utc", "browser"] | None = None
    default_range_s: int | None = Field(None, strict=True, ge=60, le=35 * 86_400)
    single_keys: bool | None = Field(None, strict=True)
    relative_times: bool | None = Field(None, strict=True)


@dataclass(frozen=True)
class Account:
    """method: who checks the password, local or oidc."""

    name: str
    method: str
    preferences: Preferences


class Accounts:
    """Reads and writes the own row of `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, claims: Claims, method: str) -> Account:
        """The defaults for an account that only the identity provider knows, and while PostgreSQL is away: who one is
        says the token, and a user interface that cannot ask that shows nothing at all."""
        try:
            return await within(PATIENCE_S, self._read(claims, method))
        except (psycopg.OperationalError, PoolTimeout, TimeoutError):
            return Account("", method, Preferences())

    async def _read(self, claims: Claims, method: str) -> Account:
        async with self._database.app() as connection:
            cursor = await connection.execute(
                "SELECT name, method, preferences::text FROM users WHERE id = %s", (_id(claims),)
            )
            row = await cursor.fetchone()
        if row is None:
            return Account("", method, Preferences())
        return Account(row[0], row[1], Preferences(**orjson.loads(row[2])))

    async def prefer(self, claims: Claims, wanted: PreferencesUpdate) -> Preferences:
        """Keep what was sent, one by one: two windows must not undo each other's. Raises ApiError 404."""
        changes: dict[str, Any] = wanted.model_dump(exclude_none=True)
        async with self._database.app() as connection:
            cursor = await connection.execute(
                "UPDATE users SET preferences = preferences || %s WHERE id = %s RETURNING preferences::text",
                (Jsonb(changes), _id(claims)),
            )
            row = await cursor.fetchone()
        if row is None:
            raise not_found()
        return Preferences(**orjson.loads(row[0]))


def _id(claims: Claims) -> UUID | None:
    try:
        return UUID(claims.subject)
    except ValueError:
        return None
