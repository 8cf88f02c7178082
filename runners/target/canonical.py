"""The canonical operations: the names in which every suite speaks about a target.

A target profile says for each how *this* deployment does it; one it leaves out is not applicable there.
"""

from __future__ import annotations

from dataclasses import dataclass

ANONYMOUS = ""


@dataclass(frozen=True)
class Canonical:
    """role: whose identity may do it (empty: nobody's). writes: changes data of the target."""

    name: str
    role: str
    writes: bool = False


def _read(role: str, *names: str) -> list[Canonical]:
    return [Canonical(name, role) for name in names]


def _write(role: str, *names: str) -> list[Canonical]:
    return [Canonical(name, role, writes=True) for name in names]


_ALL = [
    *_read(ANONYMOUS, "health.live", "health.ready", "health.metrics", "ingest.live", "ingest.ready"),
    *_read(ANONYMOUS, "auth.info", "auth.login", "auth.refresh", "auth.jwks"),
    *_read("viewer", "auth.me", "auth.logout", "meta.capabilities", "meta.flags"),
    *_read("viewer", "search.all", "search.logs", "search.metrics", "search.traces"),
    *_read("viewer", "search.stream", "search.aggregate", "search.correlate", "search.history", "live.stream"),
    *_read("analyst", "search.export"),
    *_read("viewer", "metrics.query", "metrics.query_range", "metrics.labels"),
    *_read("viewer", "logs.query", "traces.get", "traces.search", "traces.logs"),
    *_write("agent", "ingest.logs", "ingest.metrics", "ingest.traces"),
    *_read("viewer", "alerts.list", "alerts.get", "alerts.statistics", "alerts.silences"),
    *_write("editor", "alerts.acknowledge", "alerts.resolve", "alerts.assign", "alerts.actions", "alerts.silence"),
    *_write("editor", "alerts.unsilence"),
    *_write(ANONYMOUS, "alerts.webhook"),
    *_read("viewer", "insights.dashboard", "insights.resource_utilization", "insights.cost_breakdown"),
    *_read("viewer", "insights.anomalies", "insights.trend_analysis"),
    *_read("analyst", "insights.export"),
    *_read("tenant_admin", "admin.users", "admin.roles", "admin.audit_logs", "admin.settings"),
    *_write("tenant_admin", "admin.create_user", "admin.set_roles", "admin.deactivate_user", "admin.activate_user"),
    *_write("tenant_admin", "admin.delete_user"),
    *_read("admin", "admin.tenants", "admin.health", "test_data.summary"),
    *_write("admin", "admin.create_tenant", "admin.update_tenant", "admin.delete_tenant", "test_data.seed", "test_data.delete", "test_data.faults"),
]  # fmt: skip

CANONICAL: dict[str, Canonical] = {item.name: item for item in _ALL}
