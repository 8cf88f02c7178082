"""Times and durations as Prometheus' HTTP API takes them."""

from __future__ import annotations

import math
import re

from observastack.backend.wire import MAX_NS, parse_time

_UNITS_NS = {
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 604_800 * 10**9,
    "y": 31_536_000 * 10**9,
}
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


def instant_ns(value: object) -> int:
    """RFC 3339 or Unix seconds (number or text), in nanoseconds. Raises ValueError."""
    if isinstance(value, str) and not _is_number(value):
        try:
            return parse_time(value)
        except (ValueError, OverflowError):
            raise ValueError("must be RFC 3339 or Unix seconds") from None
    ns = _seconds(value)
    if not 0 <= ns <= MAX_NS:
        raise ValueError("must lie between 1970 and 2262")
    return ns


def duration_ns(value: object) -> int:
    """Seconds (number or text) or a duration such as `1m30s`, in nanoseconds. Raises ValueError."""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        ns = sum(int(count) * _UNITS_NS[unit] for count, unit in _PART.findall(value))
    else:
        ns = _seconds(value)
    if not 0 < ns <= MAX_NS:
        raise ValueError("must be positive")
    return ns


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number of seconds")
    if isinstance(value, int):
        return value * 10**9
    seconds = float(value)
    # Microseconds are as fine as a float resolves today's Unix time. The product of a finite number may be infinite.
    microseconds = seconds * 10**6
    if not math.isfinite(microseconds):
        raise ValueError("must be finite")
    return round(microseconds) * 1_000
