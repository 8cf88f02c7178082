"""Insights as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
from typing import Any, Literal

Kind = Literal["resource-utilization", "cost-breakdown", "anomalies"]
_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "resource-utilization": (
        "service", "cpu.used_pct", "cpu.requested_pct", "memory.used_pct", "memory.requested_pct", "requests_per_s",
        "error_pct", "p95_ms",
    ),
    "cost-breakdown": ("service", "cost", "share_pct", "change_pct", "bytes", "logs", "spans", "samples"),
    "anomalies": ("service", "signal", "unit", "now", "expected", "deviation", "direction", "since"),
}  # fmt: skip


def table(kind: Kind, items: list[dict[str, Any]]) -> str:
    """One line a service or anomaly below a line of names; null is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS[kind])
    for item in items:
        writer.writerow([_cell(item, column) for column in _COLUMNS[kind]])
    return text.getvalue()


def _cell(item: dict[str, Any], column: str) -> Any:
    value: Any = item
    for part in column.split("."):
        value = value[part]
    # A spreadsheet would run a service's name that begins like a formula.
    if isinstance(value, str) and value[:1] in "=+-@\t\r" and value:
        return f"'{value}"
    return value
