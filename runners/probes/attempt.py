"""One try of a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "failed", "refused"]


@dataclass(frozen=True)
class Attempt:
    """started, ended: Unix seconds.

    ok: accepted. failed: no answer in time, connection refused or broken, or a server error. refused: the service
    answered and did not take it (429, 401 and the like): no symptom of an outage, but no proof of service either.
    """

    started: float
    ended: float
    outcome: Outcome
    detail: str = ""

    @property
    def latency_s(self) -> float:
        return self.ended - self.started
