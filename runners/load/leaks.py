"""The tenant-leak check: does any answer show an item of another tenant?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runners.target import tenants_of

SAMPLES = 3


@dataclass
class LeakCheck:
    """One operation's answers. marked: items that said whose they are; only these prove anything.

    seen: such items by the tenant that was given them.
    """

    operation: str
    answers: int = 0
    items: int = 0
    marked: int = 0
    leaked: int = 0
    first_seen: float | None = None
    last_seen: float | None = None
    seen: Counter[str] = field(default_factory=Counter)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def assess(self, tenant: str, items: Sequence[Any], marks: frozenset[str], **where: Any) -> list[Any]:
        """Look at the items that `tenant` was given; returns those that are its own (or say nothing).

        where: what a sample tells beside the item's id, such as the request id.
        """
        self.answers += 1
        own: list[Any] = []
        for item in items:
            self.items += 1
            found = tenants_of(item, marks)
            self.marked += bool(found)
            self.seen[tenant] += bool(found)
            if foreign := found - {tenant}:
                self._leak(tenant, sorted(foreign), item, where)
            else:
                own.append(item)
        return own

    def _leak(self, tenant: str, foreign: Sequence[str], item: Any, where: dict[str, Any]) -> None:
        now = round(time.time(), 3)
        self.leaked += 1
        self.first_seen = self.first_seen or now
        self.last_seen = now
        for other in foreign:
            self.pairs[tenant, other] = self.pairs.get((tenant, other), 0) + 1
        if len(self.samples) < SAMPLES:
            shown = {name: item[name] for name in ("id", "trace_id", "span_id") if isinstance(item.get(name), str)}
            self.samples.append({"ts": now, "tenant": tenant, "belongs_to": list(foreign), **shown, **where})

    @property
    def summary(self) -> str:
        """What was found, in one sentence."""
        if self.leaked:
            (to, other), most = max(self.pairs.items(), key=lambda pair: pair[1])
            return (
                f"{self.operation} showed {self.leaked} of {self.items} items to a tenant that they do not belong to"
                f" (most: {most} of {other} to {to})"
            )
        if not self.marked:
            return f"not assessed: none of {self.items} items in {self.answers} answers says whose it is"
        return f"{self.marked} of {self.items} items in {self.answers} answers looked at"

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation, "answers": self.answers, "items": self.items, "marked": self.marked,
            "leaked": self.leaked, "first_seen": self.first_seen, "last_seen": self.last_seen,
            "pairs": [{"tenant": to, "belongs_to": of, "items": n} for (to, of), n in sorted(self.pairs.items())],
            "samples": self.samples,
        }  # fmt: skip
