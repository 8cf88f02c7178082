"""What a report says, before it is drawn: plain values, times in seconds since the start of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runners.lib.histogram import Histogram

SIGNALS = ("logs", "metrics", "traces")
ITEM_NAMES = {"logs": "log records", "metrics": "samples", "traces": "spans"}


@dataclass(frozen=True)
class Stage:
    name: str
    suite: str
    state: str
    verdict: str | None
    reason: str | None
    begin: float | None
    end: float | None
    optional: bool = False


@dataclass(frozen=True)
class Fault:
    """number: its place in the order of injection, from 1. Times are None when the moment never came."""

    number: int
    id: str
    stage: str
    fault: str
    target: str
    effect: str
    injected: float
    reverted: float | None
    by: str | None
    detected: float | None
    recovered: float | None
    time_to_detect_s: float | None
    time_to_recover_s: float | None

    @property
    def name(self) -> str:
        return f"{self.fault} {self.target}"


@dataclass(frozen=True)
class Gate:
    expr: str
    verdict: str
    value: Any
    reason: str | None


@dataclass(frozen=True)
class Operation:
    """Latency of one operation of a load stage, in seconds; `phases` by before, fault, after."""

    stage: str
    name: str
    total: Histogram
    phases: dict[str, Histogram]


@dataclass(frozen=True)
class Series:
    """One value every `step` seconds from the start; None where there was nothing to measure."""

    unit: str
    step: float
    values: list[float | None]


@dataclass(frozen=True)
class TestRow:
    __test__ = False
    stage: str
    id: str
    outcome: str  # passed failed skipped invalid, or not_run when it was announced and never reported
    duration_ms: float | None
    message: str | None


@dataclass(frozen=True)
class Report:
    run: str
    campaign: str
    environment: str
    state: str
    verdict: str | None
    reason: str | None
    started_at: float
    duration_s: float
    seed: int | None
    commit: str | None
    defects: list[str]
    config: dict[str, Any]
    services: list[dict[str, Any]]
    stages: list[Stage]
    faults: list[Fault]
    gates: list[Gate]
    tests: list[TestRow]
    audit: dict[str, Any] | None
    sent: dict[str, int] | None
    operations: list[Operation]
    series: dict[str, Series]
    findings: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]
    command: str | None = None  # what starts it again, where that is not `run CAMPAIGN`
    score: dict[str, Any] | None = None  # the document of the last event `score`
    problems: list[str] = field(default_factory=list)  # warnings and errors that the suites logged

    def test_counts(self) -> dict[str, int]:
        counts = {"planned": len(self.tests), "passed": 0, "failed": 0, "skipped": 0, "invalid": 0, "not_run": 0}
        for test in self.tests:
            counts[test.outcome] = counts.get(test.outcome, 0) + 1
        return counts

    def audit_sum(self, name: str) -> int | None:
        """Sum over the signals where it can be observed; None when it cannot anywhere, or nothing was audited."""
        if self.audit is None:
            return None
        values = [signal.get(name) for signal in self.audit["signals"].values()]
        known = [value for value in values if value is not None]
        return sum(known) if known else None
