"""How busy the hours of a week are, by the tenant's own clock: diurnal times weekly, in whole thousandths of the mean.

The tables are hourly; between two hours the load changes in a straight line. Their mean over a week is 1000, so a rate
in a scenario is the mean of a week, whichever rhythm it has.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

WEEK_S = 7 * 24 * 3600
MONDAY_S = 1_767_571_200  # Monday, 2026-01-05 00:00 UTC: where simulated weeks begin
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Relative load of the 24 hours, and of the 7 days from Monday on.
_OFFICE = (
    (12, 10, 9, 9, 10, 16, 34, 68, 118, 160, 176, 172, 138, 148, 176, 172, 154, 122, 82, 56, 42, 32, 24, 16),
    (104, 110, 112, 110, 98, 24, 18),
)
_EVENING = (
    (46, 28, 18, 14, 13, 16, 28, 50, 72, 86, 94, 100, 112, 108, 102, 104, 112, 128, 148, 172, 184, 170, 128, 82),
    (94, 92, 94, 96, 104, 122, 128),
)
_FLAT = ((1,) * 24, (1,) * 7)
RHYTHMS = {"flat": _FLAT, "office": _OFFICE, "evening": _EVENING}


def busy(rhythm: str, week_s: int) -> int:
    """Load at this second of the local week (0 is Monday 00:00), thousandths of the week's mean."""
    table = _table(rhythm)
    hour, within = divmod(week_s % WEEK_S, 3600)
    return (table[hour] * (3600 - within) + table[(hour + 1) % len(table)] * within) // 3600


def local_week_s(unix_s: int, zone: str) -> int:
    """The second of the week that clocks in this time zone show."""
    return (unix_s - MONDAY_S + _offset_s(unix_s // 900, zone)) % WEEK_S


def week_time(text: str) -> int:
    """`monday 06:00` as seconds from Monday 00:00. Raises ValueError."""
    day, _, clock = str(text).strip().lower().partition(" ")
    hours, colon, minutes = clock.strip().partition(":")
    if (
        day not in DAYS
        or not colon
        or not hours.isdigit()
        or not minutes.isdigit()
        or int(hours) > 23
        or int(minutes) > 59
    ):
        raise ValueError(f"{text!r} is not a time of the week; write for example monday 06:00")
    return DAYS.index(day) * 86_400 + int(hours) * 3600 + int(minutes) * 60


def time_zone(text: str) -> str:
    """A name that this machine's time zone database knows. Raises ValueError."""
    try:
        return ZoneInfo(str(text)).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{text!r} is not a time zone; write for example Europe/Berlin or UTC") from None


@lru_cache(maxsize=8)
def _table(rhythm: str) -> tuple[int, ...]:
    hours, days = RHYTHMS[rhythm]
    raw = [day * hour for day in days for hour in hours]
    return tuple(value * 1000 * len(raw) // sum(raw) for value in raw)


@lru_cache(maxsize=4096)
def _offset_s(quarter: int, zone: str) -> int:
    offset = datetime.fromtimestamp(quarter * 900, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
