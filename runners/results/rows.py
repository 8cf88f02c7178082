"""What a reducer wants written: rows by table, before any database is involved."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]
Columns = dict[str, Any]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL stores no NUL in a text, and no database lone surrogates."""

FAULT_COLUMNS = (
    "execution_id", "fault", "target", "effect", "ttl_s", "injected_at", "reverted_at", "reverted_by",
    "failed_reason", "detected_at", "recovered_at", "time_to_detect_s", "time_to_recover_s",
)  # fmt: skip
COUNTERS = ("planned", "passed", "failed", "skipped", "invalid", "not_run", "malformed")


@dataclass
class Rows:
    """executions: columns to set, by id; counters: amounts to add, by id; the others: rows to insert or replace."""

    executions: dict[str, Columns] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    tests: dict[int, Row] = field(default_factory=dict)
    results: list[Row] = field(default_factory=list)
    series: dict[int, Row] = field(default_factory=dict)
    metrics: list[Row] = field(default_factory=list)
    new_chunks: list[Row] = field(default_factory=list)
    grown_chunks: list[Row] = field(default_factory=list)
    findings: list[Row] = field(default_factory=list)
    artifacts: dict[tuple[str, str], Row] = field(default_factory=dict)
    faults: dict[tuple[str, str], Columns] = field(default_factory=dict)
    ledgers: dict[tuple[str, str], Row] = field(default_factory=dict)
    environments: dict[str, tuple[float, float]] = field(default_factory=dict)

    def execution(self, run: str, **columns: Any) -> None:
        self.executions.setdefault(run, {}).update(columns)

    def count(self, run: str, amounts: dict[str, int]) -> None:
        total = self.counters.setdefault(run, dict.fromkeys(COUNTERS, 0))
        for name, amount in amounts.items():
            total[name] += amount

    def fault(self, campaign: str, fault_id: str, **columns: Any) -> None:
        """Merge what an event says of a fault; see `merged_fault`."""
        key = (campaign, fault_id)
        self.faults[key] = merged_fault(self.faults.get(key, {}), columns)

    def environment(self, name: str, at: float) -> None:
        first, last = self.environments.get(name, (at, at))
        self.environments[name] = (min(first, at), max(last, at))


def merged_fault(old: Columns, new: Columns) -> Columns:
    """What is known stays; of two reverts (the runner's, the coordinator's) the earlier one did it.

    The rule does not depend on the order of the two event files.
    """
    merged = {name: value for name, value in new.items() if value is not None} | {
        name: value for name, value in old.items() if value is not None
    }
    one, two = old.get("reverted_at"), new.get("reverted_at")
    if one is not None and two is not None and two < one:
        merged |= {"reverted_at": two, "reverted_by": new.get("reverted_by")}
    return merged


def identity(*parts: str) -> int:
    """63 bits that name this tuple of texts: the same on every machine (first bytes of SHA-256)."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def text(value: Any) -> str | None:
    """A text that every database stores; None stays None."""
    return None if value is None else _UNSTORABLE.sub("\ufffd", str(value))


def number(value: Any) -> float | None:
    """A finite float or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def moment(value: Any) -> float:
    """Unix seconds. Raises ValueError."""
    found = number(value)
    if found is None:
        raise ValueError("not a time")
    return found


def document(value: Any) -> str:
    """Canonical JSON that every database stores: sorted keys, no NUL, no lone surrogates, no NaN."""
    return json.dumps(_storable(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
