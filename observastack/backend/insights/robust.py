"""Statistics that a few wild values do not move: median, MAD, and what lies outside; and a line through points.

Pure functions. Sources: P. J. Rousseeuw, C. Croux, "Alternatives to the Median Absolute Deviation", JASA 88 (1993), for
the factor; ordinary least squares for the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

NORMAL = 1.4826
"""MAD times this estimates the standard deviation of normally distributed values."""
LEAST = 8
"""Values that a baseline needs; fewer say nothing."""
_RELATIVE, _ABSOLUTE = 0.05, 1.0


@dataclass(frozen=True)
class Baseline:
    """What is usual. spread: in the unit of the values, never 0."""

    center: float
    spread: float

    def deviation(self, value: float) -> float:
        """How many spreads the value lies above (below: negative) the center."""
        return (value - self.center) / self.spread

    def band(self, sigma: float) -> tuple[float, float]:
        """Lower (not below 0: these are counts and rates) and upper edge of what is usual."""
        return max(0.0, self.center - sigma * self.spread), self.center + sigma * self.spread


def baseline(values: Sequence[float]) -> Baseline | None:
    """None for fewer than LEAST values. A floor below the spread: of values that are all the same, one that differs by
    1 is no anomaly of infinite size."""
    if len(values) < LEAST:
        return None
    center = median(values)
    spread = NORMAL * median([abs(value - center) for value in values])
    return Baseline(center, max(spread, _RELATIVE * abs(center), _ABSOLUTE))


@dataclass(frozen=True)
class Anomaly:
    """The last value is unusual. since: index of the first value of the unusual run that ends there."""

    now: float
    expected: float
    deviation: float
    direction: Literal["up", "down"]
    since: int
    bands: tuple[tuple[float, float], ...]


def anomaly(values: Sequence[float], sigma: float) -> Anomaly | None:
    """Whether the last value lies more than sigma spreads from the values before the run that it belongs to.

    The run is taken out of the baseline: an anomaly that has lasted for a while must not become what is usual.
    """
    usual = baseline(values[:-1])
    if usual is None or abs(usual.deviation(values[-1])) <= sigma:
        return None
    up = usual.deviation(values[-1]) > 0
    since = len(values) - 1
    while since > LEAST and _beyond(usual.deviation(values[since - 1]), sigma, up):
        since -= 1
    usual = baseline(values[:since]) or usual
    deviation = usual.deviation(values[-1])
    if abs(deviation) <= sigma:
        return None
    return Anomaly(
        values[-1],
        usual.center,
        deviation,
        "up" if deviation > 0 else "down",
        since,
        (usual.band(sigma),) * len(values),
    )


def _beyond(deviation: float, sigma: float, up: bool) -> bool:
    return deviation > sigma if up else deviation < -sigma


@dataclass(frozen=True)
class Line:
    """value = intercept + slope · x. r2: share of the variance that it explains, 0 to 1 (1 for a constant)."""

    slope: float
    intercept: float
    r2: float

    def at(self, x: float) -> float:
        return self.intercept + self.slope * x


def fitted(points: Sequence[tuple[float, float]]) -> Line | None:
    """Least squares. None for fewer than two different x, or when a number is not finite."""
    if len({x for x, _ in points}) < 2 or not all(math.isfinite(x) and math.isfinite(y) for x, y in points):
        return None
    middle, level = fmean(x for x, _ in points), fmean(y for _, y in points)
    across = sum((x - middle) ** 2 for x, _ in points)
    slope = sum((x - middle) * (y - level) for x, y in points) / across
    total = sum((y - level) ** 2 for _, y in points)
    explained = slope**2 * across
    if not (math.isfinite(slope) and math.isfinite(total) and math.isfinite(explained)):
        return None
    return Line(slope, level - slope * middle, 1.0 if total == 0 else max(0.0, min(1.0, explained / total)))


def direction(line: Line, points: Sequence[tuple[float, float]]) -> Literal["rising", "falling", "flat"]:
    """Flat when the line changes by less than 5 % of the mean size over the points, or explains hardly anything."""
    change = line.slope * (points[-1][0] - points[0][0])
    size = fmean(abs(y) for _, y in points)
    if line.r2 < 0.1 or abs(change) <= _RELATIVE * size:
        return "flat"
    return "rising" if change > 0 else "falling"


def change_pct(before: float | None, now: float | None) -> float | None:
    """Percent by which `now` exceeds `before`; None where either is missing or there was nothing before."""
    if before is None or now is None or before == 0:
        return None
    return round((now - before) / before * 100, 2)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which that share of the values lies (nearest rank); None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
