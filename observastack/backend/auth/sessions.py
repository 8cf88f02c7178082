"""Logging in, refreshing and logging out: accounts and refresh tokens in PostgreSQL."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from observastack import defects
from observastack.backend.auth.passwords import Passwords
from observastack.backend.auth.tokens import Subject, Tokens
from observastack.backend.database import Connection, Database
from observastack.backend.denylist import Denylist
from observastack.backend.errors import ApiError, unauthenticated
from observastack.backend.tenants import Tenants
from observastack.config import Auth


@dataclass(frozen=True)
class Pair:
    """What a login or a refresh answers; lifetimes in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


class Reused(ApiError):
    """A refresh token came a second time: 401, as for any that is not good. Whose it was is for the audit log."""

    def __init__(self, username: str, tenant: str | None) -> None:
        refused = unauthenticated("the session has ended")
        super().__init__(refused.status, refused.message, headers=refused.headers)
        self.username, self.tenant = username, tenant


class Sessions:
    """A login starts a family of refresh tokens; each is good for one use, a second use ends the family."""

    def __init__(
        self,
        auth: Auth,
        database: Database,
        denylist: Denylist,
        *,
        tokens: Tokens,
        passwords: Passwords,
        tenants: Tenants,
    ) -> None:
        self._auth, self._database, self._denylist, self._tenants = auth, database, denylist, tenants
        self._tokens, self._passwords = tokens, passwords

    async def login(self, username: str, password: str) -> tuple[Subject, Pair]:
        """Raises ApiError 401 (unknown, wrong password or disabled: one answer) or 403 (not exactly one tenant)."""
        async with self._database.app() as connection:
            row = await _account(connection, "username = %s", username)
        if row is None and defects.active("login_enumerates"):
            raise unauthenticated("no such user")
        # No connection is held meanwhile: hashing takes longer than all statements together.
        if not await self._passwords.matches(row["password_hash"] if row else None, password):
            raise unauthenticated("wrong user name or password")
        assert row is not None
        _check_enabled(row)
        await self._served(_subject(row))
        async with self._database.app() as connection:
            # First of all: it waits for whoever changes the account just now, and what it was before counts no more.
            await connection.execute("UPDATE users SET last_seen = now() WHERE id = %s", (row["id"],))
            row = await _account(connection, "id = %s", row["id"])
            if row is None:
                raise unauthenticated("wrong user name or password")
            _check_enabled(row)
            subject = _subject(row)
            pair = await self._pair(connection, subject, uuid4())
            await connection.execute("DELETE FROM refresh_tokens WHERE expires_at < now()")
        return subject, pair

    async def refresh(self, token: str) -> tuple[Subject, Pair]:
        """Raises ApiError 401 for a token that is unknown, expired, revoked or used; the last (Reused) ends its family."""
        await self._tenants.learn()  # or as many as there are connections would hold one each and wait for another
        async with self._database.app() as connection:
            cursor = await connection.execute(
                "UPDATE refresh_tokens SET used_at = now() WHERE token_hash = %s AND (used_at IS NULL OR %s)"
                " AND revoked_at IS NULL AND (expires_at > now() OR %s) RETURNING family, user_id",
                (_hash(token), defects.active("refresh_reuse"), defects.active("refresh_never_expires")),
            )
            taken = await cursor.fetchone()
            if taken is not None:
                family, user = taken
                row = await _account(connection, "id = %s", user)
                if row is None or not (row["enabled"] or defects.active("refresh_when_disabled")):
                    raise unauthenticated("the session has ended")
                subject = _subject(row)
                await self._served(subject)
                return subject, await self._pair(connection, subject, family)
            cursor = await connection.execute(
                "SELECT t.family, u.username, u.tenants FROM refresh_tokens t JOIN users u ON u.id = t.user_id"
                " WHERE t.token_hash = %s AND t.used_at IS NOT NULL",
                (_hash(token),),
            )
            reused = await cursor.fetchone()
        if reused is None:
            raise unauthenticated("the session has ended")
        family, username, tenants = reused
        if not defects.active("reuse_keeps_family"):
            await self.end(family)
        raise Reused(username, tenants[0] if len(tenants) == 1 else None)

    async def end(self, family: UUID) -> None:
        """Revoke a login: its refresh tokens in PostgreSQL, its access tokens in the deny-list."""
        if not defects.active("logout_keeps_refresh"):
            async with self._database.app() as connection:
                await _revoke(connection, "family = %s", family)
        await self._denylist.add(family.hex, self._auth.accepted_s)

    async def end_all(self, user: UUID, connection: Connection) -> None:
        """Revoke every login of a user, in the transaction of the act that is the reason: who held one connection and
        waited for another would wait for ever when all do."""
        await _revoke(connection, "user_id = %s", user)
        cursor = await connection.execute("SELECT DISTINCT family FROM refresh_tokens WHERE user_id = %s", (user,))
        for (family,) in await cursor.fetchall():
            await self._denylist.add(family.hex, self._auth.accepted_s)

    async def _served(self, subject: Subject) -> None:
        """Raises ApiError 403 for an account of a suspended tenant."""
        home = None if subject.tenant is None else await self._tenants.find(subject.tenant)
        if home is not None and not home.active and not defects.active("suspended_tenant_reads"):
            raise ApiError(403, "the tenant is suspended", code="tenant_suspended")

    async def _pair(self, connection: Connection, subject: Subject, family: UUID) -> Pair:
        refresh = secrets.token_urlsafe(32)
        await connection.execute(
            "INSERT INTO refresh_tokens(family, user_id, token_hash, expires_at)"
            " VALUES (%s, %s, %s, now() + make_interval(secs => %s))",
            (family, subject.id, _hash(refresh), self._auth.refresh_ttl_s),
        )
        return Pair(self._tokens.issue(subject, family), refresh, self._auth.access_ttl_s)


async def _account(connection: Connection, where: str, value: Any) -> dict[str, Any] | None:
    columns = ("id", "username", "email", "password_hash", "tenants", "roles", "enabled")
    cursor = await connection.execute(f"SELECT {', '.join(columns)} FROM users WHERE {where}", (value,))  # noqa: S608 - `where` is a literal of this module
    row = await cursor.fetchone()
    return None if row is None else dict(zip(columns, row, strict=True))


async def _revoke(connection: Connection, where: str, value: UUID) -> None:
    """Until none is left: a refresh that was under way has put a new token where the first statement did not look."""
    statement = f"UPDATE refresh_tokens SET revoked_at = now() WHERE {where} AND revoked_at IS NULL"  # noqa: S608 - `where` is a literal of this module
    while (await connection.execute(statement.encode(), (value,))).rowcount:
        pass


def _check_enabled(row: dict[str, Any]) -> None:
    """Raises ApiError 401, the same as for a wrong password."""
    if not row["enabled"] and not defects.active("disabled_user_logs_in"):
        raise unauthenticated("wrong user name or password")


def _subject(row: dict[str, Any]) -> Subject:
    """Raises ApiError 403: an account acts for exactly one tenant; a platform admin belongs to none."""
    tenants, roles = row["tenants"], tuple(row["roles"])
    if len(tenants) > 1 and defects.active("two_tenants_first_wins"):
        tenants = tenants[:1]
    if len(tenants) != (0 if "admin" in roles else 1):
        raise ApiError(403, "the account does not belong to exactly one tenant", code="tenant_required")
    return Subject(row["id"], row["username"], row["email"], tenants[0] if tenants else None, roles)


def _hash(token: str) -> bytes:
    """Only the hash is stored: who reads the database cannot take over a session. The token has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
