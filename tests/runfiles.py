"""Event files of invented runs, as coordinator and shims write them: what results and reports are tested on."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.events import series_key
from runners.lib.histogram import Histogram
from runners.lib.home import Home
from runners.lib.ids import new_run_id

T0 = 1_790_000_000.0
TENANTS = ("acme", "globex", "initech")
SIGNALS = ("logs", "traces", "metrics")


@dataclass
class RunFile:
    """The folder and event file of one run; `say` appends one event."""

    folder: Path
    run: str
    spec: dict[str, Any]
    stage: str | None = None
    seq: int = 0
    lines: list[str] = field(default_factory=list)

    def say(self, ts: float, type_: str, **fields: Any) -> None:
        head = {"v": 1, "seq": self.seq, "ts": round(ts, 6), "mono_ns": int(ts * 1e9) % 10**15, "run": self.run}
        if self.stage is not None:
            head["stage"] = self.stage
        self.lines.append(json.dumps(head | {"type": type_} | fields))
        self.seq += 1

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "spec.json").write_text(json.dumps(self.spec))
        (self.folder / "events.jsonl").write_text("".join(line + "\n" for line in self.lines))


@dataclass
class Campaign:
    """A campaign's files: its own and one a stage."""

    own: RunFile
    stages: dict[str, RunFile]

    @property
    def run(self) -> str:
        return self.own.run

    def save(self) -> None:
        for file in (self.own, *self.stages.values()):
            file.save()


def campaign(
    home: Home,
    *,
    name: str = "smoke",
    seconds: int = 30,
    seed: int = 1,
    start: float = T0,
    lost: int = 0,
    latency_s: float = 0.05,
    gates: Sequence[str] = ("audit.lost == 0", "p95(users.search, phase=before) < 5s", "recovery(crash) < 15s"),
    verdict: str = "passed",
    commit: str = "abc1234",
) -> Campaign:
    """Telemetry, users, one crash at a third of the time, an audit: everything a campaign of this slice says."""
    rng = random.Random(seed)
    run = new_run_id()
    plan = [
        {"name": "telemetry", "suite": "data", "action": "generate", "needs": []},
        {"name": "users", "suite": "load", "action": "run", "during": "telemetry"},
        {"name": "crash", "suite": "chaos", "action": "run", "during": "telemetry", "at": seconds / 3},
        {"name": "audit", "suite": "data", "action": "audit", "needs": ["telemetry", "crash"]},
    ]
    for item in plan:
        item["run"] = new_run_id()
    own = RunFile(home.run(run), run, {"v": 1, "id": run, "campaign": name, "environment": "local"})
    files = {
        str(item["name"]): RunFile(
            home.run(str(item["run"])), str(item["run"]),
            {"v": 1, "id": item["run"], "campaign_run": run, "campaign": name, "stage": item["name"],
             "suite": item["suite"], "action": item["action"], "environment": "local"},
            str(item["name"]),
        )
        for item in plan
    }  # fmt: skip
    own.say(
        start, "run.started", plan=[item["name"] for item in plan], campaign=name, environment="local", seed=42,
        config={"environment": {"value": "local", "source": "campaign file"}}, stages=plan, gates=list(gates),
        commit=commit, defects=[],
    )  # fmt: skip
    injected, back = start + seconds / 3, start + seconds / 3 + 2.1
    for item in plan[:3]:
        begin = start + (0 if item["name"] != "crash" else seconds / 3 - 1)
        own.say(begin, "stage.starting", stage_name=item["name"], run_id=item["run"])
        own.say(begin + 0.2, "stage.started", stage_name=item["name"], run_id=item["run"])
    _telemetry(files["telemetry"], start, seconds, rng)
    _users(files["users"], start, seconds, rng, latency_s=latency_s, fault=(injected, back))
    _crash(files["crash"], injected, back, start + seconds)
    end = start + seconds
    for item in plan[:3]:
        own.say(
            end,
            "stage.finished",
            stage_name=item["name"],
            run_id=item["run"],
            state="finished",
            verdict="passed",
            reason=None,
        )
    own.say(end + 0.1, "stage.starting", stage_name="audit", run_id=plan[3]["run"])
    own.say(end + 0.2, "stage.started", stage_name="audit", run_id=plan[3]["run"])
    _audit(files["audit"], end + 0.3, lost, seconds)
    audited = "failed" if lost else "passed"
    own.say(
        end + 2,
        "stage.finished",
        stage_name="audit",
        run_id=plan[3]["run"],
        state="finished",
        verdict=audited,
        reason=f"{lost} lost" if lost else None,
    )
    for expr in gates:
        own.say(
            end + 2,
            "gate",
            expr=expr,
            verdict="failed" if lost and "lost" in expr else "passed",
            value=lost,
            reason=None,
        )
    own.say(end + 2.1, "run.finished", state="finished", verdict="failed" if lost else verdict, reason=None)
    result = Campaign(own, files)
    result.save()
    return result


def _declare(file: RunFile, ts: float, name: str, unit: str, kind: str, **labels: str) -> str:
    file.say(ts, "metric.declare", name=name, unit=unit, kind=kind, labels=labels)
    return series_key(name, labels)


def _telemetry(file: RunFile, start: float, seconds: int, rng: random.Random) -> None:
    file.say(start + 0.2, "run.started", plan=["generate"])
    keys = [
        _declare(file, start + 0.2, f"data.{what}", "1", "counter", signal=signal)
        for what in ("sent", "acked") for signal in SIGNALS
    ]  # fmt: skip
    file.say(start + 0.3, "phase", name="steady")
    file.say(start + 0.3, "test.started", id="generate")
    for second in range(seconds):
        at = start + second + 1
        file.say(
            at, "metric.points", many=[{"series": key, "t": [at], "v": [float(rng.randint(300, 500))]} for key in keys]
        )
    file.say(
        start + seconds,
        "ledger",
        kind="sent",
        ledger="artifacts/ledger",
        sent=seconds * 1200,
        acked=seconds * 1200,
        rejected=0,
        unknown=0,
        cpu_s=3.2,
        rss_mb=80.5,
    )
    file.say(start + seconds, "test.finished", id="generate", outcome="passed", attempt=1, duration_ms=seconds * 1000.0)
    file.say(start + seconds, "run.finished", verdict="passed")


def _users(
    file: RunFile, start: float, seconds: int, rng: random.Random, *, latency_s: float, fault: tuple[float, float]
) -> None:
    operations = ("auth.login", "search.logs", "traces.get", "metrics.query")
    file.say(start + 0.2, "run.started", plan=list(operations))
    keys = {
        (operation, tenant): _declare(file, start + 0.2, operation, "s", "histogram", tenant=tenant)
        for operation in operations for tenant in TENANTS
    }  # fmt: skip
    rate = _declare(file, start + 0.2, "load.rate", "/s", "gauge")
    errors = _declare(file, start + 0.2, "load.errors", "1", "counter")
    file.say(start + 0.4, "phase", name="steady")
    for operation in operations:
        file.say(start + 0.4, "test.started", id=operation)
    for second in range(seconds):
        at = start + second + 1
        broken = fault[0] <= at <= fault[1] + 1
        many, wrong = [], 0
        for key in keys.values():
            histogram = Histogram()
            for _ in range(rng.randint(1, 4)):
                bad = broken and rng.random() < 0.5
                wrong += bad
                histogram.record(latency_s * rng.lognormvariate(0, 0.4) * (10 if broken else 1), error=bad)
            many.append({"series": key, "t": [at], "v": [histogram.to_json()]})
        many += [
            {"series": rate, "t": [at], "v": [rng.uniform(28, 32)]},
            {"series": errors, "t": [at], "v": [float(wrong)]},
        ]
        file.say(at, "metric.points", many=many)
    for operation in operations:
        file.say(
            start + seconds, "test.finished", id=operation, outcome="passed", attempt=1, duration_ms=seconds * 1000.0
        )
    file.say(start + seconds, "run.finished", verdict="passed")


def _crash(file: RunFile, injected: float, back: float, end: float) -> None:
    fault = {"id": f"f-{file.run[-6:]}", "fault": "kill", "target": "ingest"}
    file.say(injected - 0.8, "run.started", plan=["steady state before", "steady state after"])
    probe = _declare(file, injected - 0.8, "probe.write", "1", "gauge")
    file.say(injected - 0.5, "test.finished", id="steady state before", outcome="passed", attempt=1, duration_ms=12.5)
    file.say(injected + 0.01, "fault.injected", **fault, effect="process killed", injected_at=injected, ttl_s=30)
    at = injected - 0.5
    while at < end:
        t = [round(at + step / 20, 6) for step in range(20)]
        file.say(
            at + 1,
            "metric.points",
            many=[{"series": probe, "t": t, "v": [0.0 if injected <= x < back else 1.0 for x in t]}],
        )
        at += 1
    file.say(back, "fault.reverted", **fault, by="supervisor", reverted_at=back - 0.4)
    file.say(
        back + 0.5,
        "recovery",
        **fault,
        time_to_detect_s=0.1,
        time_to_recover_s=round(back - injected, 3),
        detected_at=injected + 0.1,
        recovered_at=back,
    )
    file.say(end, "test.finished", id="steady state after", outcome="passed", attempt=1, duration_ms=20.0)
    file.say(end, "run.finished", verdict="passed")


def _audit(file: RunFile, start: float, lost: int, seconds: int) -> None:
    tests = [f"audit.{signal}" for signal in SIGNALS]
    file.say(start, "run.started", plan=tests)
    signals = {}
    for signal in SIGNALS:
        gone = lost if signal == "logs" else 0
        sent = seconds * 400
        signals[signal] = {
            "sent": sent, "acked": sent, "rejected": 0, "unknown": 0, "found": sent - gone, "lost": gone,
            "duplicated": 0, "duplicated_by_retry": 3, "leaked": 0, "corrupt": 0, "forged": 0, "not_observable": 0,
        }  # fmt: skip
        outcome = "failed" if gone else "passed"
        file.say(
            start + 1,
            "test.finished",
            id=f"audit.{signal}",
            outcome=outcome,
            attempt=1,
            duration_ms=300.0,
            message=f"{gone} lost" if gone else None,
        )
    document = {"verdict": "failed" if lost else "passed", "signals": signals, "tenants": {}, "gaps": []}
    file.say(start + 1, "ledger", kind="audit", document=document)
    file.say(start + 1, "artifact", path="artifacts/audit.json", sha256="0" * 64, kind="audit")
    file.say(start + 1.1, "run.finished", verdict="failed" if lost else "passed")
