"""The live run as a reducer: happenings in any order of stages go in, what the screen shows comes out. Never raises."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tui.gateway import Happening, OperationPoint

SIGNALS = ("logs", "traces", "metrics")
KEEP_S = 3600
LOG_LINES = 10_000
ENDED = ("finished", "cancelled", "timed_out", "lost", "error", "skipped")


@dataclass
class StageView:
    name: str
    suite: str = ""
    state: str = "queued"
    verdict: str | None = None
    begin: float | None = None
    end: float | None = None
    note: str = ""
    planned: int = 0
    done: int = 0


@dataclass
class FaultView:
    """Times in Unix seconds; reverts_at: when its time to live ends."""

    name: str
    injected: float
    reverts_at: float | None = None
    reverted: float | None = None
    detect_s: float | None = None
    recover_s: float | None = None
    by: str = ""
    failed: str = ""
    recovered: float | None = None


@dataclass
class GateView:
    expr: str
    verdict: str | None = None  # None: not evaluated yet
    value: object = None
    reason: str = ""


@dataclass(frozen=True)
class LogLine:
    t: float
    level: str
    source: str
    text: str


@dataclass
class OperationView:
    name: str
    last: OperationPoint | None = None
    by_second: dict[int, OperationPoint] = field(default_factory=dict)

    def rate(self, now_s: int, window: int = 10) -> float:
        """Requests a second over the last whole seconds."""
        return sum(p.count for s in range(now_s - window, now_s) if (p := self.by_second.get(s))) / window


@dataclass
class LiveRun:
    """`feed` it every happening; `revision` grows with each, so a widget knows whether to paint anew.

    written: items acknowledged in each second, by signal.
    """

    run: str
    campaign: str = "…"
    environment: str = ""
    started: float | None = None
    ended: float | None = None
    now: float = 0.0
    state: str = "starting"
    verdict: str | None = None
    planned_s: float | None = None
    defects: list[str] = field(default_factory=list)
    stages: dict[str, StageView] = field(default_factory=dict)
    faults: dict[str, FaultView] = field(default_factory=dict)
    gates: dict[str, GateView] = field(default_factory=dict)
    operations: dict[str, OperationView] = field(default_factory=dict)
    counts: dict[str, dict[str, float]] = field(default_factory=lambda: {signal: {} for signal in SIGNALS})
    written: dict[str, dict[int, float]] = field(default_factory=lambda: {signal: {} for signal in SIGNALS})
    gauges: dict[str, float] = field(default_factory=dict)
    audit: dict[str, dict[str, float | None]] | None = None
    probe: dict[int, list[float]] = field(default_factory=dict)
    findings: int = 0
    failed_tests: int = 0
    passed_tests: int = 0
    new_lines: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    revision: int = 0

    @property
    def over(self) -> bool:
        return self.ended is not None

    @property
    def telemetry_alone(self) -> bool:
        """Is telemetry written, and are there no users beside it?"""
        suites = {stage.suite for stage in self.stages.values()}
        return "data" in suites and not self.operations and suites <= {"data", "chaos"}

    @property
    def elapsed(self) -> float:
        return 0.0 if self.started is None else max(0.0, (self.ended or self.now) - self.started)

    @property
    def so_far(self) -> str | None:
        """holding, failing or waiting while it runs; the verdict when it is over. Waiting is not green."""
        if self.over:
            return self.verdict
        bad = self.findings or self.failed_tests or any(s.verdict == "failed" for s in self.stages.values())
        if bad or any(gate.verdict == "failed" for gate in self.gates.values()):
            return "failing"
        return "holding" if self.passed_tests or any(s.verdict == "passed" for s in self.stages.values()) else "waiting"

    @property
    def active_faults(self) -> list[FaultView]:
        return [fault for fault in self.faults.values() if fault.reverted is None and not fault.failed]

    @property
    def phase(self) -> str:
        if any(f.reverted is None or f.recovered is None for f in self.faults.values()) and not self.over:
            return "fault"
        return "after" if self.faults else "before"

    def feed(self, happening: Happening) -> None:
        self.revision += 1
        self.now = max(self.now, happening.t)
        for point in happening.operations:
            self._operation(point)
        for series, t, value in happening.points:
            self._point(series, t, value)
        handler = _HANDLERS.get(happening.kind)
        if handler is not None:
            handler(self, happening)

    def _operation(self, point: OperationPoint) -> None:
        view = self.operations.setdefault(point.name, OperationView(point.name))
        view.last = point
        view.by_second[int(point.t)] = point
        while len(view.by_second) > KEEP_S:
            del view.by_second[next(iter(view.by_second))]

    def _point(self, series: str, t: float, value: float) -> None:
        name, _, label = series.partition("{signal=")
        if name.startswith("data.") and (signal := label.removesuffix("}")) in self.counts:
            kind = name.removeprefix("data.")
            self.counts[signal][kind] = self.counts[signal].get(kind, 0.0) + value
            if kind == "acked":
                seconds = self.written[signal]
                seconds[int(t)] = seconds.get(int(t), 0.0) + value
                while len(seconds) > KEEP_S:
                    del seconds[next(iter(seconds))]
        elif name == "probe.write":
            self.probe.setdefault(int(t), []).append(value)
        elif name.startswith("load."):
            self.gauges[name] = value

    def _stage(self, name: str) -> StageView:
        return self.stages.setdefault(name, StageView(name))

    def _line(self, happening: Happening, level: str, text: str) -> None:
        self.new_lines.append(LogLine(happening.t, level, happening.stage or "campaign", text))

    def _on_started(self, happening: Happening) -> None:
        fields = happening.fields
        if happening.stage:
            self._stage(happening.stage).planned = len(fields.get("plan", ()))
            return
        self.started = happening.t
        self.state = "running"
        self.campaign = str(fields.get("campaign", "?"))
        self.environment = str(fields.get("environment", ""))
        self.defects = [str(name) for name in fields.get("defects") or ()]
        for item in fields.get("stages") or ({"name": name} for name in fields.get("plan", ())):
            view = self._stage(str(item.get("name")))
            view.suite = str(item.get("suite", ""))
            if len(fields.get("stages") or ()) == 1 and (asked := item.get("duration_s")) is not None:
                self.planned_s = float(asked)  # of a run of one suite that is known; of a campaign its last runs tell
        for expr in fields.get("gates") or ():
            self.gates.setdefault(str(expr), GateView(str(expr)))

    def _on_stage(self, happening: Happening) -> None:
        view = self._stage(str(happening.fields.get("stage_name")))
        if happening.kind == "stage.finished":
            view.state = str(happening.fields.get("state", "finished"))
            view.verdict = happening.fields.get("verdict")
            view.note = str(happening.fields.get("reason") or "")
            view.end = happening.t
            self._line(
                happening,
                "info" if view.verdict == "passed" else "error",
                f"{view.name} {view.verdict or view.state} {view.note}".rstrip(),
            )
        elif view.state not in ENDED:
            view.state = "starting" if happening.kind == "stage.starting" else "running"
            view.begin = view.begin or happening.t

    def _on_test(self, happening: Happening) -> None:
        fields = happening.fields
        if happening.stage:
            self._stage(happening.stage).done += 1
        outcome = fields.get("outcome")
        self.failed_tests += outcome == "failed"
        self.passed_tests += outcome == "passed"
        level = {"passed": "info", "skipped": "info"}.get(str(outcome), "error")
        self._line(happening, level, f"{fields.get('id')} {outcome} {fields.get('message') or ''}".rstrip())

    def _on_injected(self, happening: Happening) -> None:
        fields = happening.fields
        at = float(fields.get("injected_at") or happening.t)
        ttl = fields.get("ttl_s")
        name = f"{fields.get('fault')} {fields.get('target')}"
        fault = FaultView(name, at, None if ttl is None else at + float(ttl))
        self.faults[str(fields.get("id"))] = fault
        self._line(happening, "warn", f"▼ {name} injected: {fields.get('effect') or ''}")

    def _on_fault(self, happening: Happening) -> None:
        fields = happening.fields
        fault = self.faults.get(str(fields.get("id")))
        if fault is None:
            return
        if happening.kind == "fault.reverted":
            fault.reverted = float(fields.get("reverted_at") or happening.t)
            fault.by = str(fields.get("by") or "")
            self._line(happening, "info", f"▲ {fault.name} reverted" + (f" by {fault.by}" if fault.by else ""))
        elif happening.kind == "fault.failed":
            fault.failed = str(fields.get("reason") or "failed")
            self._line(happening, "error", f"{fault.name}: {fault.failed}")
        else:
            fault.detect_s, fault.recover_s = fields.get("time_to_detect_s"), fields.get("time_to_recover_s")
            fault.recovered = fields.get("recovered_at")
            if fault.recover_s is not None:
                self._line(happening, "info", f"{fault.name} recovered in {fault.recover_s:.2f} s")

    def _on_gate(self, happening: Happening) -> None:
        fields = happening.fields
        gate = self.gates.setdefault(str(fields.get("expr")), GateView(str(fields.get("expr"))))
        gate.verdict, gate.value = fields.get("verdict"), fields.get("value")
        gate.reason = str(fields.get("reason") or "")
        self._line(happening, "info" if gate.verdict == "passed" else "error", f"gate {gate.expr} {gate.verdict}")

    def _on_ledger(self, happening: Happening) -> None:
        if happening.fields.get("kind") == "audit":
            document = happening.fields.get("document") or {}
            self.audit = {name: dict(counts) for name, counts in (document.get("signals") or {}).items()}

    def _on_finding(self, happening: Happening) -> None:
        self.findings += 1
        self._line(
            happening, "error", f"finding: {happening.fields.get('title') or happening.fields.get('rule') or ''}"
        )

    def _on_log(self, happening: Happening) -> None:
        text = happening.fields.get("message") or happening.fields.get("text") or ""
        for line in str(text).splitlines()[:20]:
            self._line(happening, str(happening.fields.get("level", "info")), line)

    def _on_cancelling(self, happening: Happening) -> None:
        self.state = "cancelling"
        self._line(happening, "warn", "cancelling: faults are reverted first")

    def _on_finished(self, happening: Happening) -> None:
        if happening.stage:
            return
        self.state = str(happening.fields.get("state", "finished"))
        self.verdict = happening.fields.get("verdict")
        self.ended = happening.t
        self._line(
            happening, "info" if self.verdict == "passed" else "error", f"{self.campaign} {self.verdict or self.state}"
        )


_HANDLERS = {
    "run.started": LiveRun._on_started,
    "stage.starting": LiveRun._on_stage,
    "stage.started": LiveRun._on_stage,
    "stage.finished": LiveRun._on_stage,
    "test.finished": LiveRun._on_test,
    "fault.injected": LiveRun._on_injected,
    "fault.reverted": LiveRun._on_fault,
    "fault.failed": LiveRun._on_fault,
    "recovery": LiveRun._on_fault,
    "gate": LiveRun._on_gate,
    "ledger": LiveRun._on_ledger,
    "finding": LiveRun._on_finding,
    "log": LiveRun._on_log,
    "output": LiveRun._on_log,
    "cancelling": LiveRun._on_cancelling,
    "run.finished": LiveRun._on_finished,
}
