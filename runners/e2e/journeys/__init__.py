"""The journeys through the API, an area a file; importing this registers them."""

from runners.e2e.journeys import (
    admin,
    alerts,
    insights,
    isolation,
    live,
    login,
    metrics,
    platform,
    roles,
    search,
    traces,
    writing,
)

__all__ = [
    "admin",
    "alerts",
    "insights",
    "isolation",
    "live",
    "login",
    "metrics",
    "platform",
    "roles",
    "search",
    "traces",
    "writing",
]
