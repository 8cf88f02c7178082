"""Which role may do what."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    """What an operation needs."""

    SEARCH = "search:read"
    SIGNALS = "signals:read"
    EXPORT = "search:export"
    ALERTS = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    INSIGHTS = "insights:read"
    INSIGHTS_EXPORT = "insights:export"
    PROFILE_WRITE = "profile:write"
    ADMIN_TENANT = "admin:tenant"
    ADMIN_PLATFORM = "admin:platform"
    TEST_DATA = "test-data:write"


_READ = frozenset({Permission.SEARCH, Permission.SIGNALS, Permission.ALERTS, Permission.INSIGHTS})
_OF_PLATFORM = frozenset({Permission.ADMIN_PLATFORM, Permission.TEST_DATA})

PERMISSIONS: dict[str, frozenset[Permission]] = {
    "viewer": _READ,
    "editor": _READ | {Permission.ALERTS_WRITE, Permission.PROFILE_WRITE},
    "analyst": _READ | {Permission.EXPORT, Permission.INSIGHTS_EXPORT},
    "tenant_admin": frozenset(Permission) - _OF_PLATFORM,
    "admin": frozenset(Permission),
    # Writes telemetry through the ingest gateway and reads nothing.
    "agent": frozenset(),
}


def granted(roles: Iterable[str]) -> frozenset[Permission]:
    """The union over all roles; an unknown role grants nothing."""
    return frozenset().union(*(PERMISSIONS.get(role, frozenset()) for role in roles))
