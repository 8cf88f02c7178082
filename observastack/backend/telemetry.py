"""What the backend says about itself at /metrics, in the Prometheus text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Telemetry:
    """Request counts and latencies per route template (never per path: ids would make endless series)."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._sums: dict[tuple[str, str], float] = {}
        self.in_flight = 0
        self.limiter_failures = 0

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        counted = (method, route, status)
        self._requests[counted] = self._requests.get(counted, 0) + 1
        timed = (method, route)
        buckets = self._buckets.setdefault(timed, [0] * (len(BOUNDS_S) + 1))
        buckets[next((i for i, bound in enumerate(BOUNDS_S) if seconds <= bound), len(BOUNDS_S))] += 1
        self._sums[timed] = self._sums.get(timed, 0.0) + seconds

    def render(self, dependencies: dict[str, bool]) -> str:
        """dependencies: name -> whether its last probe succeeded."""
        return "\n".join([*self._lines(dependencies), ""])

    def _lines(self, dependencies: dict[str, bool]) -> Iterable[str]:
        yield "# HELP observastack_http_requests_total Answered requests."
        yield "# TYPE observastack_http_requests_total counter"
        for (method, route, status), count in sorted(self._requests.items()):
            yield f'observastack_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
        yield "# HELP observastack_http_request_duration_seconds Time to the last byte of the answer."
        yield "# TYPE observastack_http_request_duration_seconds histogram"
        for (method, route), buckets in sorted(self._buckets.items()):
            labels = f'method="{method}",route="{route}"'
            cumulative = list(accumulate(buckets))
            for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], cumulative, strict=True):
                yield f'observastack_http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {count}'
            yield f"observastack_http_request_duration_seconds_sum{{{labels}}} {self._sums[method, route]:.6f}"
            yield f"observastack_http_request_duration_seconds_count{{{labels}}} {cumulative[-1]}"
        yield "# HELP observastack_http_requests_in_flight Requests being answered."
        yield "# TYPE observastack_http_requests_in_flight gauge"
        yield f"observastack_http_requests_in_flight {self.in_flight}"
        yield "# HELP observastack_rate_limit_failures_total Requests let through because the limiter did not answer."
        yield "# TYPE observastack_rate_limit_failures_total counter"
        yield f"observastack_rate_limit_failures_total {self.limiter_failures}"
        yield "# HELP observastack_dependency_up Whether the last probe of a dependency succeeded."
        yield "# TYPE observastack_dependency_up gauge"
        for name, up in sorted(dependencies.items()):
            yield f'observastack_dependency_up{{dependency="{name}"}} {int(up)}'
