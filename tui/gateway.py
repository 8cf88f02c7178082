"""What the control center needs from the outside, as protocols and plain values. Text in them is already made safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class GatewayError(Exception):
    """Something outside did not work; the text says what and what to do."""


@dataclass(frozen=True)
class RunRow:
    """One row of the lists of runs. tests: counts by outcome; why: the first reason of the verdict, or ''."""

    run: str
    campaign: str
    environment: str
    state: str
    verdict: str | None
    started_at: float | None
    duration_s: float | None
    tests: dict[str, int] = field(default_factory=dict)
    commit: str | None = None
    why: str = ""

    @property
    def live(self) -> bool:
        return self.state in ("queued", "starting", "running", "finishing", "cancelling")


@dataclass(frozen=True)
class CampaignInfo:
    name: str
    description: str
    stages: Sequence[str]
    planned_s: float | None = None


@dataclass(frozen=True)
class EnvironmentView:
    """state: of 05-interface's states; healthy of total services; defects that are on."""

    name: str
    state: str
    healthy: int = 0
    total: int = 0
    defects: Sequence[str] = ()
    halted: bool = False


@dataclass(frozen=True)
class OperationPoint:
    """One operation in one second: the second's own figures, and those of the whole run so far. Seconds."""

    name: str
    t: float
    count: int
    errors: int
    p95: float | None
    total_count: int
    total_errors: int
    total_p50: float | None
    total_p95: float | None
    total_p99: float | None


@dataclass(frozen=True)
class Happening:
    """One event of a run as the live screen needs it. kind: as in the event protocol; fields: its payload.

    `metric.points` of histograms arrive as `operations`, other points as `points` [(series, t, value)].
    """

    stage: str
    kind: str
    t: float
    fields: dict[str, Any] = field(default_factory=dict)
    operations: Sequence[OperationPoint] = ()
    points: Sequence[tuple[str, float, float]] = ()


class Tail(Protocol):
    """Follows one run's event files from the beginning."""

    def poll(self) -> list[Happening]:
        """What has come since the last call; cheap when nothing has."""

    @property
    def over(self) -> bool:
        """The run has ended and everything was read."""


class PageSource(Protocol):
    """Rows by position: the table asks only for those it shows."""

    def __len__(self) -> int: ...

    def rows(self, start: int, count: int) -> Sequence[RunRow]: ...


class Gateway(Protocol):
    """Every call may block: the control center makes them in thread workers only. All raise GatewayError."""

    def runs(self, limit: int = 200) -> list[RunRow]:
        """Newest first, live ones included."""

    def results(self, expression: str, newest_first: bool = True) -> PageSource:
        """Finished runs that match; an empty expression matches all."""

    def detail(self, run: str) -> dict[str, Any]: ...

    def campaigns(self) -> list[CampaignInfo]: ...

    def environment(self, name: str) -> EnvironmentView: ...

    def launch(self, campaign: str, environment: str) -> str:
        """Start a campaign; returns its run id."""

    def cancel(self, run: str) -> None: ...

    def abort_all(self) -> str:
        """Revert all faults and cancel all live runs of this home; returns what was done, in one sentence."""

    def report(self, run: str) -> str:
        """Write the report; returns the path of the page."""

    def tail(self, run: str) -> Tail: ...
