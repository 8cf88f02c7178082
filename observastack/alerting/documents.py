"""The configuration files as documents. They are written as JSON, which every YAML reader reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WEBHOOK = "/api/v1/alerts/webhook/alertmanager"
MAX_ALERTS = 1_000
"""Alerts of one delivery; the webhook takes no more."""


@dataclass(frozen=True)
class Timing:
    """Seconds. interval: of scrapes and rules; group_wait, group_interval: how soon the first and a changed notification
    of a group goes out; repeat: how often one that has not changed is repeated."""

    interval: int = 5
    group_wait: int = 1
    group_interval: int = 5
    repeat: int = 300


def prometheus(
    jobs: dict[str, str], alertmanager_url: str, rules: Sequence[Path], timing: Timing, platform_tenant: str | None
) -> dict[str, Any]:
    """jobs: name -> host:port that has /metrics. platform_tenant: who gets the alerts that belong to no tenant."""
    target = urlsplit(alertmanager_url)
    alerting: dict[str, Any] = {
        "alertmanagers": [{"scheme": target.scheme, "static_configs": [{"targets": [target.netloc]}]}]
    }
    if platform_tenant is not None:
        alerting["alert_relabel_configs"] = [
            {"source_labels": ["tenant"], "regex": "", "target_label": "tenant", "replacement": platform_tenant}
        ]
    seconds = f"{timing.interval}s"
    return {
        "global": {"scrape_interval": seconds, "scrape_timeout": seconds, "evaluation_interval": seconds},
        "storage": {"tsdb": {"out_of_order_time_window": "30m"}},
        "rule_files": [str(file) for file in rules],
        "alerting": alerting,
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [address]}]} for name, address in jobs.items()
        ],
    }


def alertmanager(api: str, tokens: dict[str, Path], timing: Timing) -> dict[str, Any]:
    """api: base URL of the backend; tokens: the file of each tenant's webhook token."""
    receivers = [
        {
            "name": f"tenant-{tenant}",
            "webhook_configs": [
                {
                    "url": f"{api}{WEBHOOK}",
                    "send_resolved": True,
                    "max_alerts": MAX_ALERTS,
                    "http_config": {"authorization": {"type": "Bearer", "credentials_file": str(file)}},
                }
            ],
        }
        for tenant, file in tokens.items()
    ]
    return {
        "global": {"resolve_timeout": "1m"},
        "route": {
            "receiver": "nobody",
            "group_by": ["tenant", "alertname", "service"],
            "group_wait": f"{timing.group_wait}s",
            "group_interval": f"{timing.group_interval}s",
            "repeat_interval": f"{timing.repeat}s",
            "routes": [{"receiver": f"tenant-{tenant}", "matchers": [f'tenant="{tenant}"']} for tenant in tokens],
        },
        "receivers": [{"name": "nobody"}, *receivers],
    }
