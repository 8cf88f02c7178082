"""What stored telemetry costs, by the price model of the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from observastack.config import Prices

GB = 10**9


@dataclass(frozen=True)
class Amount:
    """Of one service. bytes_logs, bytes_spans: as JSON."""

    logs: int
    spans: int
    samples: int
    bytes_logs: float
    bytes_spans: float

    @property
    def bytes(self) -> int:
        return round(self.bytes_logs + self.bytes_spans)

    @property
    def items(self) -> int:
        return self.logs + self.spans + self.samples

    def cost(self, prices: Prices) -> float:
        return (
            self.bytes_logs / GB * prices.per_gb_logs
            + self.bytes_spans / GB * prices.per_gb_traces
            + self.samples / 1e6 * prices.per_million_samples
        )
