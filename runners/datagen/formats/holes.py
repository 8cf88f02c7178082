"""Holes: the parts of a log line that differ from record to record and always have the same width.

While a line is written, a hole is a run of one private-use character, which no escaper touches. `line.py` finds the runs
and puts a sample value in their place; who sends many records fills them in columns (`columns.py`). `render` is the slow
and obvious way, against which the fast one is tested.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Literal, NamedTuple

Source = Literal["time", "trace", "span", "duration", "order"]
_FIRST_MARK = 0xE000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Hole(NamedTuple):
    """source: what is written: time (Unix ns), trace (128 bits), span (64 bits), duration (ns), order (40 bits).

    width: in bytes, all of them ASCII. fraction: where its digits below the second begin, and how many they are.
    """

    name: str
    source: Source
    width: int
    fraction: tuple[int, int] = (0, 0)


ISO = Hole("iso", "time", 27, (20, 6))  # RFC 3339: 2026-11-26T05:42:28.123456Z
COMMA = Hole("comma", "time", 23, (20, 3))  # Python's logging: 2026-11-26 05:42:28,123
CLF = Hole("clf", "time", 26)  # nginx $time_local: 26/Nov/2026:05:42:28 +0000
KLOG = Hole("klog", "time", 20, (14, 6))  # klog: 1126 05:42:28.123456
PG = Hole("pg", "time", 27, (20, 3))  # PostgreSQL %m: 2026-11-26 05:42:28.123 UTC
TRACE = Hole("trace", "trace", 32)
SPAN = Hole("span", "span", 16)
SECONDS = Hole("seconds", "duration", 8)  # 0.012345; a duration above 9.999999 s is written as that
ORDER = Hole("order", "order", 10)
HOLES = (ISO, COMMA, CLF, KLOG, PG, TRACE, SPAN, SECONDS, ORDER)
LONGEST_US = 9_999_999


@cache
def mark(hole: Hole) -> str:
    """The hole as it stands in a line that is being written."""
    return chr(_FIRST_MARK + HOLES.index(hole)) * hole.width


def marked(character: str) -> Hole | None:
    """The hole whose mark this character is; None for ordinary text."""
    index = ord(character) - _FIRST_MARK
    return HOLES[index] if 0 <= index < len(HOLES) else None


def render(hole: Hole, value: int) -> str:
    """The text of one value; see `Hole.source` for its unit."""
    if hole.source == "time":
        return _time(hole, value)
    if hole.source == "duration":
        micros = min(value // 1000, LONGEST_US)
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    return f"{value:0{hole.width}x}"


@cache
def sample(hole: Hole) -> str:
    """What stands in a hole until it is filled: it parses."""
    return render(hole, 1_767_225_600_000_000_000 if hole.source == "time" else 1)


def _time(hole: Hole, ns: int) -> str:
    at = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    micros = ns // 1000 % 1_000_000
    day, clock = f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"
    if hole is ISO:
        return f"{day}T{clock}.{micros:06d}Z"
    if hole is COMMA:
        return f"{day} {clock},{micros // 1000:03d}"
    if hole is CLF:
        return f"{at.day:02d}/{_MONTHS[at.month - 1]}/{at.year}:{clock} +0000"
    if hole is KLOG:
        return f"{at:%m%d} {clock}.{micros:06d}"
    return f"{day} {clock}.{micros // 1000:03d} UTC"
