"""Users of a tenant: made with a temporary password, given roles, switched off with all their sessions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from fastapi import Request

from observastack import defects
from observastack.backend import paging
from observastack.backend.admin.administrator import Administrator
from observastack.backend.admin.model import UserCreate, UserUpdate
from observastack.backend.audit import Audit
from observastack.backend.auth.passwords import Passwords
from observastack.backend.auth.sessions import Sessions
from observastack.backend.database import Connection, Database
from observastack.backend.errors import ApiError, not_found
from observastack.backend.tenants import Tenants
from observastack.backend.wire import iso

_COLUMNS = "id, username, name, email, tenants, roles, enabled, method, last_seen, created_at"
_INSERT = f"""INSERT INTO users(username, email, name, password_hash, tenants, roles)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}"""  # noqa: S608 - names of columns


class UserAdministration:
    """Raises ApiError 404 for a user that the administrator does not reach, just as for one that is not there."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        tenants: Tenants,
        *,
        sessions: Sessions,
        passwords: Passwords,
        method: str,
    ) -> None:
        self._database, self._audit, self._tenants = database, audit, tenants
        self._sessions, self._passwords, self._method = sessions, passwords, method

    async def listed(
        self, by: Administrator, *, tenant: str | None, role: str | None, q: str | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        where, parameters = "true", {"limit": limit + 1, "after": paging.decode(cursor, str) or ""}
        if (own := by.confine(tenant)) is not None:
            where, parameters = f"{where} AND tenants = ARRAY[%(tenant)s]", {**parameters, "tenant": own}
        if role is not None:
            where, parameters = f"{where} AND %(role)s = ANY(roles)", {**parameters, "role": role}
        if q:
            where += " AND (strpos(lower(username), %(q)s) > 0 OR strpos(lower(email), %(q)s) > 0 OR strpos(lower(name), %(q)s) > 0)"
            parameters["q"] = q.lower()
        async with self._database.app(scope=by.scope) as connection:
            statement = (
                f"SELECT {_COLUMNS} FROM users WHERE {where} AND username > %(after)s ORDER BY username LIMIT %(limit)s"  # noqa: S608 - text of this module, values are bound
            )
            rows, more = paging.page(await (await connection.execute(statement.encode(), parameters)).fetchall(), limit)
            counted = await connection.execute(f"SELECT count(*) FROM users WHERE {where}".encode(), parameters)  # noqa: S608 - text of this module, values are bound
            total = await counted.fetchone()
        assert total is not None
        return {
            "items": [_document(row) for row in rows],
            "next_cursor": paging.encode(rows[-1][1]) if more else None,
            "total": total[0],
        }

    async def get(self, by: Administrator, user: UUID) -> dict[str, Any]:
        async with self._database.app(scope=by.scope) as connection:
            return _document(await self._row(connection, by, user))

    async def create(self, request: Request, by: Administrator, wanted: UserCreate) -> dict[str, Any]:
        """A UserCreated document. Raises ApiError 403 (grants too much), 404 (tenant), 409 (name taken), 422."""
        self._writable()
        tenant = by.confine(wanted.tenant_id)
        _may_grant(by, wanted.roles)
        if "admin" in wanted.roles and tenant is not None:
            raise ApiError(422, "a platform admin belongs to no tenant")
        if "admin" not in wanted.roles and tenant is None:
            raise ApiError(422, "tenant_id is needed: every account but a platform admin's belongs to one tenant")
        if tenant is not None and await self._tenants.find(tenant) is None:
            raise not_found()
        password = secrets.token_urlsafe(12)
        hashed = await self._passwords.hashed(password)
        async with self._database.app(scope=by.scope) as connection:
            try:
                cursor = await connection.execute(
                    _INSERT.encode(),
                    (
                        wanted.username, wanted.email, wanted.name or "", hashed,
                        [] if tenant is None else [tenant], list(dict.fromkeys(wanted.roles)),
                    ),
                )  # fmt: skip
            except psycopg.errors.UniqueViolation:
                raise ApiError(409, "a user of this name exists") from None
            row = await cursor.fetchone()
            assert row is not None
            detail = {"username": wanted.username, "roles": list(wanted.roles)}
            await self._audit.record(request, by.entry("user.create", f"users/{row[0]}", tenant, **detail), connection)
        return {"user": _document(row), "temporary_password": password}

    async def update(self, request: Request, by: Administrator, user: UUID, wanted: UserUpdate) -> dict[str, Any]:
        changes = wanted.model_dump(exclude_none=True)
        return await self._change(request, by, user, "user.update", changes, fields=list(changes))

    async def set_roles(self, request: Request, by: Administrator, user: UUID, roles: Sequence[str]) -> dict[str, Any]:
        """Ends the user's sessions: a token says which roles it was issued for. Raises ApiError 403, 409, 422."""
        _not_oneself(by, user, "change the own roles")
        _may_grant(by, roles)
        unique = list(dict.fromkeys(roles))
        return await self._change(request, by, user, "user.roles", {"roles": unique}, roles=unique)

    async def set_enabled(self, request: Request, by: Administrator, user: UUID, enabled: bool) -> dict[str, Any]:
        """Switching off ends every session at once. Raises ApiError 409 for oneself."""
        if not enabled:
            _not_oneself(by, user, "deactivate oneself")
        action = "user.activate" if enabled else "user.deactivate"
        return await self._change(request, by, user, action, {"enabled": enabled})

    async def delete(self, request: Request, by: Administrator, user: UUID) -> None:
        """Raises ApiError 409 for oneself."""
        self._writable()
        _not_oneself(by, user, "delete oneself")
        async with self._database.app(scope=by.scope) as connection:
            row = await self._row(connection, by, user)
            _not_above(by, row)
            await self._sessions.end_all(user, connection)
            await connection.execute("DELETE FROM users WHERE id = %s", (user,))
            entry = by.entry("user.delete", f"users/{user}", _tenant(row), username=row[1])
            await self._audit.record(request, entry, connection)

    async def _change(
        self, request: Request, by: Administrator, user: UUID, action: str, changes: dict[str, Any], **detail: object
    ) -> dict[str, Any]:
        self._writable()
        async with self._database.app(scope=by.scope) as connection:
            row = await self._row(connection, by, user)
            _not_above(by, row)
            if "roles" in changes and ("admin" in changes["roles"]) != (not row[4]):
                raise ApiError(422, "the role admin goes with belonging to no tenant, every other with one")
            changes = {column: value for column, value in changes.items() if not _ignored(column)}
            for column, value in changes.items():  # names of this module and of UserUpdate's fields
                await connection.execute(f"UPDATE users SET {column} = %s WHERE id = %s".encode(), (value, user))  # noqa: S608 - text of this module, values are bound
            if "roles" in changes or changes.get("enabled") is False:
                # Before the commit: what cannot be ended must not look ended.
                await self._sessions.end_all(user, connection)
            entry = by.entry(action, f"users/{user}", _tenant(row), username=row[1], **detail)
            await self._audit.record(request, entry, connection)
            return _document(await self._row(connection, by, user))

    async def _row(self, connection: Connection, by: Administrator, user: UUID) -> tuple[Any, ...]:
        cursor = await connection.execute(f"SELECT {_COLUMNS} FROM users WHERE id = %s".encode(), (user,))  # noqa: S608 - text of this module, values are bound
        row = await cursor.fetchone()
        if row is None or not by.reaches(_tenant(row)):
            raise not_found()
        return row

    def _writable(self) -> None:
        """Raises ApiError 501: accounts of an identity provider are kept there."""
        if self._method == "oidc":
            raise ApiError(501, "users are administered at the identity provider")


def _ignored(column: str) -> bool:
    if column == "enabled":
        return defects.active("user_disable_noop")
    return column == "roles" and defects.active("role_change_ignored")


def _not_oneself(by: Administrator, user: UUID, what: str) -> None:
    if by.principal.claims.subject == str(user):
        raise ApiError(409, f"nobody may {what}")


def _not_above(by: Administrator, row: tuple[Any, ...]) -> None:
    if by.tenant is not None and "admin" in row[5]:
        raise ApiError(403, "a platform admin is administered by platform admins")


def _may_grant(by: Administrator, roles: Sequence[str]) -> None:
    if by.tenant is not None and "admin" in roles:
        raise ApiError(403, "the role admin is granted by platform admins")


def _tenant(row: tuple[Any, ...]) -> str | None:
    return row[4][0] if len(row[4]) == 1 else None


def _document(row: tuple[Any, ...]) -> dict[str, Any]:
    id_, username, name, email, tenants, roles, enabled, method, last_seen, created = row
    return {
        "id": str(id_), "username": username, "name": name, "email": email,
        "tenant_id": tenants[0] if len(tenants) == 1 else None, "roles": roles, "enabled": enabled, "method": method,
        "last_seen": None if last_seen is None else iso(last_seen), "created_at": iso(created),
    }  # fmt: skip
