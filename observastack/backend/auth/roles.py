"""Which role may do what."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    """What an operation needs."""

    SEARCH = "search:read"
    SIGNALS = "signals:read"
    EXPORT = "search:export"
    TEST_DATA = "test-data:write"


_READ = frozenset({Permission.SEARCH, Permission.SIGNALS})

PERMISSIONS: dict[str, frozenset[Permission]] = {
    "viewer": _READ,
    "editor": _READ,
    "analyst": _READ | {Permission.EXPORT},
    "tenant_admin": _READ | {Permission.EXPORT},
    "admin": frozenset(Permission),
    # Writes telemetry through the ingest gateway and reads nothing.
    "agent": frozenset(),
}


def granted(roles: Iterable[str]) -> frozenset[Permission]:
    """The union over all roles; an unknown role grants nothing."""
    return frozenset().union(*(PERMISSIONS.get(role, frozenset()) for role in roles))
