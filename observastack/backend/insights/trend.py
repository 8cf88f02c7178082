"""Where a metric is heading: a line through the result of a PromQL query."""

from __future__ import annotations

import math
from typing import Any

from observastack.backend.errors import ApiError
from observastack.backend.insights.model import TrendRequest
from observastack.backend.insights.robust import direction, fitted
from observastack.backend.metrics import Metrics
from observastack.backend.stores.ports import Tenant

FORECAST = 60
"""Points of a forecast at most."""
MAX_POINTS = 2_000


async def trend(metrics: Metrics, tenant: Tenant, wanted: TrendRequest) -> dict[str, Any]:
    """A Trend document. Raises ApiError 400, 422 (several series, too many points), 501, 503."""
    start, end, step = wanted.time_range.start, wanted.time_range.end, wanted.step_s
    if (end - start) // step >= MAX_POINTS:
        raise ApiError(422, f"more than {MAX_POINTS} points: use a larger step")
    data = await metrics.range(tenant, wanted.query, start_ns=start, end_ns=end, step_ns=step)
    if len(data["result"]) > 1:
        raise ApiError(422, "the query has several series: aggregate them to one, as with sum()", code="several_series")
    values = data["result"][0]["values"] if data["result"] else []
    points = [(float(ts), float(text)) for ts, text in values if math.isfinite(float(text))]
    # Seconds from the first point: seconds since 1970 squared would leave no digits for the slope.
    origin = points[0][0] if points else 0.0
    shifted = [(ts - origin, value) for ts, value in points]
    line = fitted(shifted)
    if line is None:
        return {"points": points, "trend": {"slope_per_h": None, "direction": None, "r2": None}, "forecast": []}
    ahead = [shifted[-1][0] + place * step / 1e9 for place in range(1, min(FORECAST, max(1, len(points) // 2)) + 1)]
    return {
        "points": points,
        "trend": {
            "slope_per_h": line.slope * 3600,
            "direction": direction(line, shifted),
            "r2": round(line.r2, 6),
        },
        "forecast": [(origin + x, line.at(x)) for x in ahead],
    }
