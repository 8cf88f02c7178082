"""Whose an item is: the tenant marks that telemetry carries, found wherever an answer shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runners.target.profile import Tenancy

TENANT_MARK = "app.tenant"
"""Resource attribute that the testbed puts on every log record, span and data point: the tenant it was sent for.

The platform neither sets nor needs it, so it says who an item belongs to even when the platform is wrong about that.
"""

_HOLDERS = ("resource", "attributes", "labels", "metric", "content")


def mark_names(tenancy: Tenancy) -> frozenset[str]:
    """Names under which an answer may show a tenant: the testbed's mark (PromQL spells it with `_`), the platform's."""
    return frozenset(
        (TENANT_MARK, TENANT_MARK.replace(".", "_"), tenancy.metric_label, tenancy.trace_attribute, tenancy.log_label)
    )


def tenants_of(item: Any, names: frozenset[str]) -> set[str]:
    """Every tenant that an item of an answer says it belongs to; empty when it carries no mark."""
    return set(_marks(item, names))


def _marks(item: Any, names: frozenset[str]) -> Iterator[str]:
    if not isinstance(item, dict):
        return
    for name in names & item.keys():
        if isinstance(item[name], str):
            yield item[name]
    for holder in _HOLDERS:
        inside = item.get(holder)
        if isinstance(inside, list):  # OTLP/JSON: [{"key": …, "value": {"stringValue": …}}]
            for pair in inside:
                if isinstance(pair, dict) and pair.get("key") in names and isinstance(pair.get("value"), dict):
                    yield from (value for value in pair["value"].values() if isinstance(value, str))
        else:
            yield from _marks(inside, names)
