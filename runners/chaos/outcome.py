"""What became of one fault of an experiment."""

from __future__ import annotations

from dataclasses import dataclass

from runners.faults.record import FaultRecord
from runners.probes import Recovery


@dataclass
class Outcome:
    """after_s: from the end of the fault (kill and restart: from the injection) to service. problem: why not injected.

    cut: who took a held fault back before its time; what it showed until then is not what was asked for.
    """

    fault: str
    target: str
    record: FaultRecord | None = None
    recovery: Recovery | None = None
    after_s: float | None = None
    problem: str | None = None
    cut: str | None = None

    @property
    def injected(self) -> bool:
        return self.record is not None and self.record.effect is not None
