"""What a client wants to see of what arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from observastack import defects
from observastack.backend.stores.ports import SEVERITIES

Kind = Literal["logs", "traces", "metrics", "alerts"]
KINDS: tuple[Kind, ...] = ("logs", "traces", "metrics", "alerts")
MAX_TEXT = 500


class BadWish(ValueError):
    """The query parameters have no meaning; the text says why."""


@dataclass(frozen=True)
class Wish:
    """Equal wishes get the same messages, made once. The filters are for items; alerts always come.

    free_text: part of a log's body or a name, in any case. severities: only logs have one.
    """

    kinds: frozenset[Kind]
    free_text: str | None = None
    services: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()

    def wants(self, source: str, item: dict[str, Any]) -> bool:
        if source not in self.kinds:
            return False
        if source == "alerts" or defects.active("stream_filter_ignored"):
            return True
        if self.services and item["service"] not in self.services:
            return False
        content = item["content"]
        if self.severities and (source != "logs" or severity(content["severity_number"]) not in self.severities):
            return False
        text = content["body"] if source == "logs" else content["name"]
        return self.free_text is None or self.free_text in (text or "").casefold()


def wish(types: str | None, free_text: str | None, service: str | None, severity: str | None) -> Wish:
    """Lists with commas. Raises BadWish."""
    kinds = _names(types) or {"logs", "alerts"}
    if unknown := kinds - set(KINDS):
        raise BadWish(f"types: one or several of {', '.join(KINDS)}, not {min(unknown)!r}")
    severities = {name.lower() for name in _names(severity)}
    if unknown := severities - set(SEVERITIES):
        raise BadWish(f"severity: one or several of {', '.join(SEVERITIES)}, not {min(unknown)!r}")
    if any(len(text or "") > MAX_TEXT for text in (free_text, service)):
        raise BadWish(f"a filter is longer than {MAX_TEXT} characters")
    wanted: frozenset[Kind] = frozenset(kind for kind in KINDS if kind in kinds)
    text = free_text.casefold() if free_text else None
    return Wish(wanted, text, frozenset(_names(service)), frozenset(severities))


def severity(number: int) -> str:
    """The name of a severity number (OpenTelemetry: four numbers a name)."""
    return SEVERITIES[(number + 3) // 4] if 1 <= number <= 24 else SEVERITIES[0]


def _names(text: str | None) -> set[str]:
    return {name for name in (text or "").split(",") if name}
