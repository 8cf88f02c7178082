"""The stores that a run writes to, or is read back from, without a platform between, and how one is named on a command line
and in a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runners.ledger.items import Signal
from runners.wire.connection import split_url

Kind = Literal["loki", "prometheus", "tempo"]
KEEPS: Mapping[Kind, Signal] = {"loki": "logs", "prometheus": "metrics", "tempo": "traces"}
# The first of a kind is how it is written; older ledgers name the others.
_PREFIXES: tuple[tuple[str, Kind], ...] = (
    ("loki+", "loki"), ("prw+", "prometheus"), ("prometheus+", "prometheus"), ("tempo+", "tempo"),
)  # fmt: skip


@dataclass(frozen=True)
class Store:
    """One store that keeps one signal. url: of its HTTP API."""

    kind: Kind
    url: str

    @property
    def signal(self) -> Signal:
        return KEEPS[self.kind]

    @property
    def text(self) -> str:
        """As it is written on the command line."""
        return next(prefix for prefix, kind in _PREFIXES if kind == self.kind) + self.url


def parse_store(text: str) -> Store | None:
    """None for what names no store. Raises UsageError for a URL that is none."""
    for prefix, kind in _PREFIXES:
        if text.startswith((f"{prefix}http://", f"{prefix}https://")):
            url = text.removeprefix(prefix).rstrip("/")
            split_url(url)
            return Store(kind, url)
    return None
