"""Quantities as people write them: `40s`, `1h`, `256 MiB`, `2k/s`; and back again."""

from __future__ import annotations

import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)")


def parse_duration(text: str | float) -> float:
    """Seconds. Accepts a plain number (seconds), `250ms`, `40s`, `1h30m`. Raises ValueError."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    compact = str(text).strip()
    parts = _DURATION.findall(compact)
    if not parts or "".join(n + u for n, u in parts) != re.sub(r"\s+", "", compact):
        raise ValueError(f"{text!r} is not a duration; write for example 250ms, 40s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_bytes(text: str | int) -> int:
    """Bytes; kB, MB, GB count by 1000, KiB, MiB, GiB by 1024. Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?B|[KMG]iB)\s*", str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 512kB, 16MiB or 2GB")
    return int(float(match[1]) * _BYTES[match[2]])


def parse_rate(text: str | float) -> float:
    """Items a second: a number, or `2k/s`, `500/s`, `60/m`. Raises ValueError."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMG]?)\s*(?:/\s*(s|m|h))?\s*", str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write for example 500/s, 2k/s or 60/m")
    return float(match[1]) * _SCALE[match[2]] / _SECONDS[match[3] or "s"]


def parse_volume(text: str | float) -> float:
    """Bytes a second: `2 MB/s`, `3 GB/h`, `50 GB/day`. Raises ValueError."""
    size, slash, unit = str(text).partition("/")
    seconds = _SECONDS.get({"day": "d", "hour": "h", "minute": "m"}.get(unit.strip(), unit.strip()))
    try:
        if not slash or seconds is None:
            raise ValueError
        return parse_bytes(size) / seconds
    except ValueError:
        raise ValueError(f"{text!r} is not a volume; write for example 2 MB/s or 50 GB/day") from None


def format_duration(seconds: float) -> str:
    """`41 ms`, `1.41 s`, `06:14`, `4 h 00`."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:02d}:{rest:02d}" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d}"


def format_count(number: float) -> str:
    """Up to 99,999 in full with commas; then three digits and k, M or G."""
    if abs(number) < 100_000:
        return f"{number:,.0f}"
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= factor:
            return f"{number / factor:.3g} {suffix}"
    raise AssertionError("unreachable: the number is at least 100,000")
