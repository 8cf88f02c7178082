"""Dimension algebra: what may be added, compared, multiplied; and how to say which unit is missing.

Base units: seconds, bytes, items (a plain number), share (100 % = 1), per second, text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# unit: (time exponent, size exponent, is a share, multiplier, divisor). Dividing keeps 7 % the float 0.07.
_UNITS: dict[str, tuple[int, int, bool, float, float]] = {
    "ns": (1, 0, False, 1, 1e9), "us": (1, 0, False, 1, 1e6), "ms": (1, 0, False, 1, 1e3), "s": (1, 0, False, 1, 1),
    "m": (1, 0, False, 60, 1), "h": (1, 0, False, 3600, 1), "d": (1, 0, False, 86400, 1),
    "B": (0, 1, False, 1, 1), "kB": (0, 1, False, 1e3, 1), "MB": (0, 1, False, 1e6, 1), "GB": (0, 1, False, 1e9, 1),
    "%": (0, 0, True, 1, 100), "/s": (-1, 0, False, 1, 1), "B/s": (-1, 1, False, 1, 1),
}  # fmt: skip

Kind = Literal["number", "share", "either", "zero", "text"]


@dataclass(frozen=True)
class Dimension:
    """Exponents of time and size. kind tells plain numbers from shares; `either` is a quotient of equals, which may
    be read as both, and `zero` a bare 0, which fits every quantity."""

    time: int = 0
    size: int = 0
    kind: Kind = "number"

    def fits(self, other: Dimension) -> bool:
        """May the two be added and compared?"""
        if (self.kind == "text") != (other.kind == "text"):
            return False
        if "zero" in (self.kind, other.kind):
            return True
        if (self.time, self.size) != (other.time, other.size):
            return False
        return self.kind == other.kind or "either" in (self.kind, other.kind)

    def times(self, other: Dimension, sign: int = 1) -> Dimension:
        """The dimension of a product (sign 1) or a quotient (sign -1)."""
        time, size = self.time + sign * other.time, self.size + sign * other.size
        if time or size:
            return Dimension(time, size)
        if sign < 0 and other.kind in (self.kind, "share"):
            return Dimension(kind="either")
        kinds = {self.kind, other.kind}
        return Dimension(kind="share" if "share" in kinds else "either" if "either" in kinds or self.time else "number")

    def joined(self, other: Dimension) -> Dimension:
        """The dimension of a sum of two that fit: the one that says more."""
        return other if self.kind in ("zero", "either") else self

    def __str__(self) -> str:
        if self.kind == "text":
            return "a text"
        if self.kind == "share":
            return "a share (%)"
        named = {(1, 0): "a time (s)", (0, 1): "a size (B)", (-1, 0): "a rate (/s)", (-1, 1): "a byte rate (B/s)"}
        if self.time or self.size:
            return named.get((self.time, self.size), f"s^{self.time}·B^{self.size}")
        return "a number without unit"

    @property
    def example(self) -> str:
        """How to write a literal of this dimension, for a remedy: `{n}s`."""
        return {(1, 0): "{n}s or {n}ms", (0, 1): "{n}MB or {n}B", (-1, 0): "{n}/s"}.get(
            (self.time, self.size), "{n}%" if self.kind == "share" else "{n}"
        )


NUMBER, TEXT, ZERO, TIME = Dimension(), Dimension(kind="text"), Dimension(kind="zero"), Dimension(time=1)


def dimension(unit: str | None) -> Dimension:
    """The dimension of a unit. Words that are no unit (`users`, `1`, None) count things: a plain number."""
    if unit == "text":
        return TEXT
    if unit is None or unit not in _UNITS:
        return Dimension(kind="share") if unit == "share" else NUMBER
    time, size, share, _, _ = _UNITS[unit]
    return Dimension(time, size, "share" if share else "number")


def scaled(value: float, unit: str | None) -> float:
    """A value of this unit in base units: seconds, bytes, share, per second."""
    _, _, _, multiplier, divisor = _UNITS.get(unit or "", (0, 0, False, 1, 1))
    return value * multiplier / divisor


def base_unit(unit: str | None) -> str:
    """The unit that `scaled` gives: `s` for `ms`, `B` for `MB`, `%` stays (as a share of 1), others as they are."""
    if unit in ("ns", "us", "ms", "m", "h", "d"):
        return "s"
    if unit in ("kB", "MB", "GB"):
        return "B"
    return unit or "1"
