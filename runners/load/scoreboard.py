"""What a load run has seen: latencies of this second and of the whole run, failures, leaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from runners.events import series_key
from runners.lib.histogram import Histogram
from runners.load.failures import Failures
from runners.load.leaks import LeakCheck


@dataclass
class Tally:
    """One operation over the whole run. errors: failed in whatever way; renewed: answered 401, token then refreshed.

    asked, served: requests and successes by tenant.
    """

    latency: Histogram = field(default_factory=Histogram)
    successes: int = 0
    errors: int = 0
    renewed: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)


@dataclass
class Scoreboard:
    """Written by the users, read once a second. in_flight: requests without an answer yet; abandoned: given up at the
    end of the run; faults: errors of the generator itself."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    leaks: dict[str, LeakCheck] = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)
    in_flight: int = 0
    abandoned: int = 0
    faults: list[str] = field(default_factory=list)
    _second: dict[tuple[str, str], Histogram] = field(default_factory=dict)

    def tally(self, operation: str) -> Tally:
        return self.tallies.setdefault(operation, Tally())

    def leak(self, operation: str) -> LeakCheck:
        return self.leaks.setdefault(operation, LeakCheck(operation))

    def record(self, operation: str, tenant: str, latency_s: float, *, error: bool, renewed: bool = False) -> None:
        """One answered (or failed) request."""
        tally = self.tally(operation)
        tally.latency.record(latency_s, error=error)
        tally.errors += error
        tally.renewed += renewed
        tally.successes += not error and not renewed
        tally.asked[tenant] += 1
        tally.served[tenant] += not error and not renewed
        self._second.setdefault((operation, tenant), Histogram()).record(latency_s, error=error)

    def take_second(self) -> dict[tuple[str, str], Histogram]:
        """The latencies by (operation, tenant) since the last call."""
        taken, self._second = self._second, {}
        return taken

    @property
    def requests(self) -> int:
        return sum(tally.latency.count for tally in self.tallies.values())


def latency_points(second: dict[tuple[str, str], Histogram], now: float) -> list[dict[str, Any]]:
    """Items of a `metric.points` line: the histogram of this second for each operation and tenant."""
    return [
        {"series": series_key(operation, {"tenant": tenant}), "t": [now], "v": [histogram.to_json()]}
        for (operation, tenant), histogram in sorted(second.items())
    ]
