"""Who the testbed may be: tenants and their users, from the environment's secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.lib.errors import FileError

WEBHOOK_TOKENS = "alert_webhook_tokens.json"


@dataclass(frozen=True)
class Identity:
    """One user. tenant: None for a platform admin, several for the negative one. Secrets never show in a repr."""

    username: str
    tenant: str | None
    roles: tuple[str, ...]
    enabled: bool = True
    kind: str = "test"
    password: str = field(default="", repr=False, compare=False)
    token: str = field(default="", repr=False, compare=False)
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identities:
    """tenants: ids in the order of the file; webhook_tokens: by tenant, with which its alerts are delivered."""

    path: Path
    tenants: tuple[str, ...]
    users: tuple[Identity, ...]
    webhook_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, tenant: str | None, role: str) -> Identity | None:
        """An enabled test user of this tenant with this role of the deployment."""
        for user in self.users:
            if user.kind == "test" and user.enabled and user.tenant == tenant and role in user.roles:
                return user
        return None

    def negatives(self) -> tuple[Identity, ...]:
        """Users that must be refused: disabled, without a tenant, with two."""
        return tuple(user for user in self.users if user.kind == "negative")


def load(path: Path) -> Identities:
    """Raises FileError (missing, not JSON, a user without name); a message never quotes the file's content.

    Webhook tokens stand in the file (`webhook_tokens: {tenant: token}`), or in alert_webhook_tokens.json beside it.
    """
    try:
        raw = json.loads(path.read_bytes())
        tenants = tuple(str(item["id"]) for item in raw["tenants"])
        users = tuple(_user(item) for item in raw["users"])
        beside = path.with_name(WEBHOOK_TOKENS)
        hooks = raw.get("webhook_tokens") or (json.loads(beside.read_bytes()) if beside.is_file() else {})
    except FileNotFoundError:
        raise FileError("no such file", file=path, remedy="provision the environment with: testbed up") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(
            f"not a list of identities ({type(error).__name__})",
            file=path, remedy='it must be {"tenants": [{"id": …}], "users": [{"username": …, "tenant": …, "roles": […]}]}',
        ) from None  # fmt: skip
    return Identities(path, tenants, users, {str(tenant): str(token) for tenant, token in hooks.items()})


def _user(item: dict[str, Any]) -> Identity:
    tenant = item.get("tenant")
    several = tuple(str(name) for name in tenant) if isinstance(tenant, list) else ()
    return Identity(
        username=str(item["username"]),
        tenant=None if several or tenant is None else str(tenant),
        roles=tuple(str(role) for role in item.get("roles", ())),
        enabled=bool(item.get("enabled", True)),
        kind=str(item.get("kind", "test")),
        password=str(item.get("password", "")),
        token=str(item.get("token", "")),
        tenants=several,
    )
