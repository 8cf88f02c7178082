"""How stored values become JSON: exact numbers, RFC 3339 with nanoseconds, hexadecimal ids."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_NS = (1 << 63) - 1


def loads_json(raw: str | bytes) -> orjson.Fragment:
    """A jsonb column, passed on as the text that PostgreSQL sent: no number is parsed, so none can change."""
    return orjson.Fragment(raw)


def rfc3339(ns: int) -> str:
    """Nanoseconds since the epoch as `2026-11-23T03:12:42.123456789Z`."""
    seconds, fraction = divmod(ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def iso(moment: datetime) -> str:
    """A time of PostgreSQL as `2026-11-23T03:12:42.123456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str | int) -> int:
    """RFC 3339 (up to nine digits of fraction) or nanoseconds as a decimal string. Raises ValueError."""
    text = str(text).strip()
    if text.isascii() and text.isdigit():
        ns = int(text)
        if ns > MAX_NS:
            raise ValueError("a time in nanoseconds must fit into 63 bits")
        return ns
    body, fraction = text, ""
    if "." in text:
        body, _, tail = text.partition(".")
        fraction = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        if not fraction or len(fraction) > 9:
            raise ValueError("the fraction of a second has one to nine digits")
        body += tail[len(fraction) :]
    moment = datetime.fromisoformat(body)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, such as Z")
    since = moment - _EPOCH
    ns = (since.days * 86_400 + since.seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)
    if not 0 <= ns <= MAX_NS:
        raise ValueError("a time must lie between 1970 and 2262")
    return ns


def moment(ns: int) -> datetime:
    """Nanoseconds since the epoch as a datetime, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def nanoseconds(time: datetime) -> int:
    """A datetime with an offset, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def hex_id(value: int | None) -> str | None:
    """A span id as OTLP writes it: 16 hexadecimal digits; it is stored as a signed 64-bit number."""
    return None if value is None else f"{value & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def number(value: float) -> float | str:
    """JSON knows no NaN and no infinity: these are written as Prometheus writes them."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def dumps(document: Any) -> bytes:
    return orjson.dumps(document)
