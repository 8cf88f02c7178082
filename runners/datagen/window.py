"""The window of a backfill: a range of the past, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from runners.lib.errors import FileError, UsageError
from runners.lib.units import parse_duration

_FIRST_NS = 86_400 * 10**9  # the first spans begin a little before the window does


class Window(NamedTuple):
    """Unix nanoseconds, the end not included."""

    start_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


def parse_window(begins: str, ends: str | None, now_ns: int) -> Window:
    """`2026-11-20`, `2026-11-20T06:00Z` or `2d` (before now); without an end: now. Raises UsageError for what is no
    time, FileError for a window that lies in the future or before 1970-01-02, or has no length."""
    start = _moment("--from", begins, now_ns)
    if start < _FIRST_NS:
        raise FileError(
            f"the window begins at {begins}, before 1970-01-02: times of telemetry are counted from the day before",
            remedy="begin it later, for example at 30d",
        )
    end = now_ns if ends is None else _moment("--to", ends, now_ns)
    if end > now_ns:
        raise FileError(
            f"the window ends in the future ({_shown(end)}): what has not happened cannot be filled in",
            remedy=f"end it at {_shown(now_ns)} or before, or leave --to out",
        )
    if start >= end:
        raise FileError(
            f"the window from {_shown(start)} to {_shown(end)} has no length", remedy="let --from lie before --to"
        )
    return Window(start, end)


def _moment(option: str, text: str, now_ns: int) -> int:
    try:
        return now_ns - round(parse_duration(text) * 1e9)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text}: is not a time",
            remedy="write for example 2026-11-20T06:00Z, 2026-11-20, or 2d for two days ago",
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp()) * 1_000_000_000


def _shown(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
