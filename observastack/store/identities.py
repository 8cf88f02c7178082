"""The identities file: tenants and users that a fresh store is seeded with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observastack.errors import PlatformError

TENANT_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
COLOR = re.compile(r"#[0-9a-f]{6}")
ROLES = frozenset({"viewer", "editor", "analyst", "tenant_admin", "agent", "admin"})


@dataclass(frozen=True)
class Tenant:
    """color: #rrggbb, by which the user interface marks the tenant."""

    key: str
    name: str
    color: str | None = None


@dataclass(frozen=True)
class User:
    username: str
    password: str
    email: str
    tenants: tuple[str, ...]
    roles: tuple[str, ...]
    enabled: bool
    name: str = ""


@dataclass(frozen=True)
class Identities:
    tenants: tuple[Tenant, ...]
    users: tuple[User, ...]


def load_identities(file: Path) -> Identities:
    """Read and check the file. Raises PlatformError naming the entry that is wrong."""
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise PlatformError(f"cannot be read: {error.strerror}", file=file, remedy="correct identities_file") from error
    except ValueError as error:
        raise PlatformError(f"is not JSON: {error}", file=file, remedy="correct the file") from error
    try:
        tenants = tuple(_tenant(item, file) for item in document["tenants"])
        known = {tenant.key for tenant in tenants}
        return Identities(tenants, tuple(_user(item, known, file) for item in document["users"]))
    except (KeyError, TypeError) as error:
        raise PlatformError(f"lacks or misuses {error}", file=file, remedy="see the identities format") from error


def load_webhook_tokens(file: Path | None) -> dict[str, str]:
    """The bearer token of each tenant's alert webhook: {tenant: token}. Raises PlatformError."""
    if file is None:
        return {}
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise PlatformError(
            f"cannot be read: {error.strerror}", file=file, remedy="correct webhook_tokens_file"
        ) from error
    except ValueError as error:
        raise PlatformError(f"is not JSON: {error}", file=file, remedy="correct the file") from error
    good = isinstance(document, dict) and all(
        isinstance(token, str) and len(token) >= 24 for token in document.values()
    )
    if not good or len(set(document.values())) < len(document):
        raise PlatformError(
            "is not {tenant: token} with tokens of at least 24 characters, each another",
            file=file,
            remedy="make new ones",
        )
    return dict(document)


def _tenant(item: dict[str, Any], file: Path) -> Tenant:
    if not TENANT_KEY.fullmatch(item["id"]):
        raise PlatformError(f"tenant {item['id']!r} is not a tenant id", file=file, remedy=f"use {TENANT_KEY.pattern}")
    color = item.get("color")
    if color is not None and not (isinstance(color, str) and COLOR.fullmatch(color)):
        raise PlatformError(f"tenant {item['id']}: {color!r} is not a color", file=file, remedy="write it as #rrggbb")
    return Tenant(item["id"], item.get("name") or item["id"], color)


def _user(item: dict[str, Any], known: set[str], file: Path) -> User:
    name = item["username"]
    tenant = item.get("tenant")
    tenants = () if tenant is None else (tenant,) if isinstance(tenant, str) else tuple(tenant)
    if unknown := [key for key in tenants if key not in known]:
        raise PlatformError(f"user {name}: unknown tenant {unknown[0]!r}", file=file, remedy="add it to tenants")
    if unknown := [role for role in item["roles"] if role not in ROLES]:
        remedy = f"use one of {', '.join(sorted(ROLES))}"
        raise PlatformError(f"user {name}: unknown role {unknown[0]!r}", file=file, remedy=remedy)
    email = item.get("email") or f"{name}@example.invalid"
    return User(
        name,
        item["password"],
        email,
        tenants,
        tuple(item["roles"]),
        bool(item.get("enabled", True)),
        item.get("name") or "",
    )
