"""Numbers and times, one rule each. `0` is zero, `–` does not exist, `…` not yet: these never replace one another."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from tui.render.look import SPARK

_DAY = 86_400


def number(value: float | None) -> str:
    """Up to 99,999 in full; then three digits and k, M or G."""
    if value is None:
        return "–"
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            scaled = value / limit
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    raise AssertionError("unreachable: the value is at least 100,000")


def latency(seconds: float | None) -> str:
    """`6.0 ms` `41 ms` `1.41 s` `12.3 s`."""
    if seconds is None:
        return "–"
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    millis = seconds * 1000
    return f"{millis:.0f} ms" if millis >= 9.95 else f"{millis:.1f} ms"


def clock(seconds: float | None) -> str:
    """A duration: `06:14`, from one hour `4 h 00`."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    return f"{whole // 3600} h {whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60:02d}:{whole % 60:02d}"


def share(value: float | None) -> str:
    """Per cent of a share 0..1: `0 %` `0.62 %` `8.5 %` `85 %`."""
    if value is None:
        return "–"
    per_cent = 100 * value
    return (
        "0 %"
        if per_cent == 0
        else f"{per_cent:.2f} %"
        if per_cent < 1
        else f"{per_cent:.1f} %"
        if per_cent < 10
        else f"{per_cent:.0f} %"
    )


def moment(at: float | None, now: float) -> str:
    """A clock time in UTC: today `14:32:07`, within a week `Fri 11:02`, older `14 Nov`."""
    if at is None:
        return "–"
    that, today = time.gmtime(at), time.gmtime(now)
    if that[:3] == today[:3]:
        return time.strftime("%H:%M:%S", that)
    if 0 <= now - at < 6 * _DAY:
        return time.strftime("%a %H:%M", that)
    return f"{that.tm_mday} " + time.strftime("%b", that)


def tick(value: float, unit: str) -> str:
    """A label on an axis; unit `s` is shown as ms below one second."""
    if unit == "s":
        return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"
    return f"{value / 1000:g}k{unit}" if value >= 1000 else f"{value:g}{unit}"


def spark(values: Sequence[float | None], cells: int) -> str:
    """The last values as small bars from 0 to the largest; a gap is a blank."""
    recent = list(values)[-cells:]
    peak = max((value for value in recent if value is not None), default=0.0) or 1.0
    bars = "".join(" " if v is None else SPARK[max(0, min(5, int(v / peak * 5.99)))] for v in recent)
    return bars.rjust(cells)


def nice_limits(low: float, high: float) -> tuple[float, float]:
    """A range for a logarithmic axis: whole decades around the values, at least one decade wide."""
    bottom = 10.0 ** math.floor(math.log10(max(low, 1e-6)))
    top = 10.0 ** math.ceil(math.log10(max(high, bottom * 1.01)) - 1e-9)
    return bottom, max(top, bottom * 10)


def nice_top(value: float) -> float:
    """The next of 1, 2, 5 × 10ⁿ at or above a value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.9999)


def short(run: str) -> str:
    """As much of a run's id as tells runs apart: the first 8 characters of a UUIDv7 change only every 65 seconds."""
    return run[:13]
