"""What a notice of the source does to an alert: a pure function, so that every path through it can be tested.

(none) ──firing──▶ active ──acknowledge──▶ acknowledged ──resolve, or the source says so──▶ resolved ──firing──▶ active
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from observastack import defects
from observastack.backend.alerts.model import Status
from observastack.backend.alerts.notice import Notice

Change = Literal["fired", "refired", "resolved_by_source", "updated"]
"""`updated`: what the alert says has changed, not its state; it is no entry of the history."""


@dataclass(frozen=True)
class Known:
    """The stored alert, as far as a notice can change it."""

    id: UUID
    status: Status
    severity: int
    title: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str | None


def change(known: Known | None, notice: Notice) -> Change | None:
    """None: nothing is new. The end of an alert that was never seen is nothing new either."""
    if known is None:
        return "fired" if notice.firing else None
    if known.status == "resolved":
        if not notice.firing or defects.active("alert_refire_ignored"):
            return None
        return "refired"
    if not notice.firing:
        return None if defects.active("alert_resolve_lost") else "resolved_by_source"
    said = (notice.severity, notice.title, notice.labels, notice.annotations, notice.generator_url)
    stored = (known.severity, known.title, known.labels, known.annotations, known.generator_url)
    return None if said == stored else "updated"
