"""Tenant names as the store knows them: by number."""

from __future__ import annotations

from observastack.backend.database import Database


class Tenants:
    """Looks a tenant's number up once: a number never changes, and tenants are not deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[str, int] = {}

    async def number(self, key: str) -> int | None:
        """None for a tenant that does not exist."""
        if key not in self._numbers:
            self._numbers.update(await self.all())
        return self._numbers.get(key)

    async def all(self) -> dict[str, int]:
        """Every tenant's number by its key."""
        async with self._database.app() as connection:
            rows = await (await connection.execute("SELECT key, id FROM tenants")).fetchall()
        return {str(key): int(number) for key, number in rows}

    async def key(self, number: int) -> str:
        if number not in self._numbers.values():
            self._numbers.update(await self.all())
        return next(key for key, value in self._numbers.items() if value == number)
