"""A scripted run: the events that a smoke's suites write, without running one."""

from __future__ import annotations

import json
import random
from typing import Any

from runners.events import Event
from runners.lib.histogram import Histogram
from runners.lib.home import Home

START = 1_790_000_000.0


def event(at: float, type_: str, **fields: Any) -> Event:
    return {"v": 1, "ts": START + at, "mono_ns": int(at * 1e9), "type": type_, **fields}


def audit(lost: int = 0) -> dict[str, Any]:
    def counts(n: int, lost: int = 0) -> dict[str, Any]:
        return {
            "sent": n, "acked": n, "rejected": 0, "unknown": 0, "found": n - lost, "lost": lost, "duplicated": 0,
            "duplicated_by_retry": 0, "leaked": 0, "corrupt": 0, "forged": 0, "not_observable": 0,
        }  # fmt: skip

    tenants = {
        tenant: {
            "signals": {
                "logs": counts(7000, lost if tenant == "acme" else 0),
                "traces": counts(6800),
                "metrics": counts(17_000),
            }
        }
        for tenant in ("acme", "globex", "initech")
    }
    signals = {
        signal: {key: sum(t["signals"][signal][key] for t in tenants.values()) for key in counts(0)}
        for signal in ("logs", "traces", "metrics")
    }
    gaps = (
        [
            {
                "signal": "logs",
                "tenant": "acme",
                "from": START + 17,
                "to": START + 18,
                "items": lost,
                "fault": "kill ingest",
            }
        ]
        if lost
        else []
    )
    return {"verdict": "failed" if lost else "passed", "signals": signals, "tenants": tenants, "gaps": gaps}


def tape(
    verdict: str | None = "passed", *, lost: int = 0, recovered: bool = True, text: str = ""
) -> tuple[list[Event], dict[str, list[Event]]]:
    """A smoke as its suites would tell it: 62 s, a crash of ingest at 16 s, users beside it."""
    rng = random.Random(7)
    plan = ["telemetry", "users", "crash", "audit"]
    suites = {"telemetry": "data", "users": "load", "crash": "chaos", "audit": "data"}
    begin = {"telemetry": 0.3, "users": 1.1, "crash": 15.4, "audit": 43.0}
    end = {"telemetry": 42.5, "users": 42.9, "crash": 24.0, "audit": 61.0}
    campaign = [
        event(0, "run.started", plan=plan, campaign="smoke" + text, environment="local", seed=42, commit="0f3c2d1", defects=[],
              config={"seed": {"value": 42, "source": "campaign: smoke.yaml:5"}},
              services=[{"name": "ingest", "state": "running", "health": "healthy", "implementation": "reference", "version": "0.1.0", "port": 4318}],
              stages=[{"name": name, "suite": suites[name], "run": name} for name in plan], gates=["audit.lost == 0"])
    ]  # fmt: skip
    campaign += [event(begin[name], "stage.starting", stage_name=name, run_id=name) for name in plan]
    verdicts = dict.fromkeys(plan, "passed") | {"audit": "failed" if lost else "passed"}
    campaign += [
        event(
            end[name],
            "stage.finished",
            stage_name=name,
            run_id=name,
            state="finished",
            verdict=verdicts[name],
            reason=text or None,
        )
        for name in plan
    ]
    gate = {
        "expr": "audit.lost == 0" + text,
        "verdict": "failed" if lost else "passed",
        "value": lost,
        "reason": text or None,
    }
    campaign += [
        event(61.2, "gate", **gate),
        event(61.5, "run.finished", state="finished" if verdict else "cancelled", verdict=verdict, reason=None),
    ]
    data = [event(0.5, "run.started", plan=["deliver.logs"])]
    load = [event(1.3, "run.started", plan=["browse.search.logs" + text])]
    probe = [event(15.5, "run.started", plan=["recovery"])]
    for second in range(1, 43):
        down = 16 <= second < 18
        many = []
        for signal, rate in (("logs", 500), ("traces", 490), ("metrics", 1250)):
            acked = 0 if down else rate * (3 if second == 18 else 1)
            many += [{"series": f"data.sent{{signal={signal}}}", "t": [START + second], "v": [rate]},
                     {"series": f"data.acked{{signal={signal}}}", "t": [START + second], "v": [acked]}]  # fmt: skip
        data.append(event(second, "metric.points", many=many))
        many = []
        for name, middle in (
            ("search.logs", 0.012),
            ("search.traces", 0.02),
            ("traces.get", 0.006),
            ("auth.login", 0.05),
        ):
            histogram = Histogram()
            for _ in range(12):
                histogram.record(
                    rng.lognormvariate(0, 0.5) * middle * (2 if down else 1), error=down and rng.random() < 0.02
                )
            many.append({"series": f"{name}{{tenant=acme}}", "t": [START + second], "v": [histogram.to_json()]})
        load.append(event(second, "metric.points", many=many))
        if 14 <= second < 24:
            ticks = [second + i / 20 for i in range(20)]
            ok = [0 if 16.05 <= t < 17.7 else 1 for t in ticks]
            probe.append(
                event(
                    second + 1,
                    "metric.points",
                    many=[{"series": "probe.write", "t": [START + t for t in ticks], "v": ok}],
                )
            )
    data.append(event(42, "test.finished", id="deliver.logs", outcome="passed", attempt=1, duration_ms=41_000))
    load.append(
        event(
            42,
            "test.finished",
            id="browse.search.logs" + text,
            outcome="passed",
            attempt=1,
            duration_ms=40_000,
            message=text,
        )
    )
    probe += [event(16, "fault.injected", id="f1", fault="kill" + text, target="ingest", effect="pid 4711 is gone" + text, injected_at=START + 16, ttl_s=20),
              event(17.7, "fault.reverted", id="f1", fault="kill", target="ingest", by="runner", reverted_at=START + 17.7)]  # fmt: skip
    if recovered:
        probe.append(
            event(
                20,
                "recovery",
                id="f1",
                time_to_detect_s=0.06,
                time_to_recover_s=1.71,
                detected_at=START + 16.06,
                recovered_at=START + 17.71,
            )
        )
    probe.append(event(23, "test.finished", id="recovery", outcome="passed", attempt=1, duration_ms=8000))
    judge = [event(43.2, "run.started", plan=["audit.logs", "audit.traces"]), event(60.8, "ledger", kind="audit", document=audit(lost)),
             event(60.9, "test.finished", id="audit.logs", outcome="failed" if lost else "passed", attempt=1, duration_ms=900)]  # fmt: skip
    return campaign, {"telemetry": data, "users": load, "crash": probe, "audit": judge}


def write_run(home: Home, *, only: str | None = None, **options: Any) -> str:
    """only: the one stage that there was, as when a suite runs by itself."""
    campaign, stages = tape(**options)
    if only is not None:
        first = campaign[0] | {"stages": [item for item in campaign[0]["stages"] if item["name"] == only], "gates": []}
        kept = [item for item in campaign[1:-1] if item.get("stage_name") == only]
        campaign, stages = [first, *kept, campaign[-1]], {only: stages[only]}
    for name, events in (("campaign-run", campaign), *stages.items()):
        home.run(name).mkdir(parents=True)
        (home.run(name) / "events.jsonl").write_text("".join(json.dumps(item) + "\n" for item in events))
    return "campaign-run"
