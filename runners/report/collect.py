"""From the event files of a run to a `Report`: pure but for reading the files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runners.events import Event, iter_points, read_events, split_series
from runners.lib.errors import FileError
from runners.lib.histogram import Histogram
from runners.report.model import SIGNALS, Fault, Gate, Operation, Report, Series, Stage, TestRow
from runners.results.phases import fault_windows

BUCKETS = 300
PROBE_STEP_S = 0.25  # a recovery takes less than a second: the probe is drawn finer than everything else
PROBE = "probe."  # series of the independent probe: they are no traffic of users


def collect(folder: Path) -> Report:
    """The report of the campaign whose run folder this is. Raises FileError when it has no events."""
    events = list(read_events(folder / "events.jsonl"))
    if not events:
        raise FileError("this run has no events, so there is nothing to report", file=folder / "events.jsonl")
    stages = {
        str(event["stage_name"]): list(read_events(folder.parent / str(event["run_id"]) / "events.jsonl"))
        for event in events
        if event["type"] == "stage.starting"
    }
    return assemble(folder.name, events, stages)


def assemble(run: str, events: list[Event], stages: dict[str, list[Event]]) -> Report:
    """The report from the campaign's own events and those of its stages by name."""
    first = next((event for event in events if event["type"] == "run.started"), events[0])
    last = next((event for event in events if event["type"] == "run.finished"), None)
    start = float(first["ts"])
    end = max(float(event["ts"]) for part in ([events], stages.values()) for items in part for event in items[-1:])
    duration = max(end - start, 0.001)
    faults = _faults(stages, events, start)
    windows = phase_windows(faults, duration)
    step = max(1.0, duration / BUCKETS)
    logged = [
        f"{name}: {event['message']}"
        for name, items in stages.items()
        for event in items
        if event["type"] == "log" and event.get("level") in ("warn", "error")
    ]
    scores = [event for items in stages.values() for event in items if event["type"] == "score"]
    ledgers = [event for items in stages.values() for event in items if event["type"] == "ledger"]
    return Report(
        run=run,
        campaign=str(first.get("campaign", "?")),
        environment=str(first.get("environment", "?")),
        state=str(last["state"]) if last else "running",
        verdict=last.get("verdict") if last else None,
        reason=last.get("reason") if last else None,
        started_at=start,
        duration_s=duration,
        seed=first.get("seed"),
        commit=first.get("commit"),
        defects=list(first.get("defects") or []),
        config=dict(first.get("config") or {}),
        services=list(first.get("services") or []),
        stages=_stages(first, events, stages, start, end),
        faults=faults,
        gates=[
            Gate(str(event["expr"]), str(event["verdict"]), event.get("value"), event.get("reason"))
            for event in events
            if event["type"] == "gate"
        ],
        tests=[row for name, items in stages.items() for row in _tests(name, items)],
        audit=next((dict(event["document"]) for event in reversed(ledgers) if event.get("kind") == "audit"), None),
        sent=_sent([event for event in ledgers if event.get("kind") == "sent"]),
        operations=_operations(stages, windows, start),
        series=_series(stages, start, duration, step),
        findings=[event for items in stages.values() for event in items if event["type"] == "finding"],
        artifacts=[event for items in stages.values() for event in items if event["type"] == "artifact"],
        command=first.get("command"),
        score=next((dict(event["document"]) for event in reversed(scores)), None),
        problems=logged,
    )


def _sent(ledgers: list[Event]) -> dict[str, int] | None:
    """What all stages that wrote telemetry know of it."""
    if not ledgers:
        return None
    return {name: sum(event.get(name) or 0 for event in ledgers) for name in ("sent", "acked", "rejected", "unknown")}


def phase_windows(faults: list[Fault], duration: float) -> list[tuple[float, float, str]]:
    """(begin, end, phase) covering the whole run: `fault` from an injection until its recovery, else before or after."""
    spans = fault_windows(
        (fault.injected, max(fault.recovered or 0.0, fault.reverted or 0.0) or duration) for fault in faults
    )
    windows, at = [], 0.0
    for begin, stop in spans:
        windows += [(at, begin, "before" if at == 0.0 else "after"), (begin, stop, "fault")]
        at = stop
    windows.append((at, duration, "after" if spans else "before"))
    return [window for window in windows if window[1] > window[0]]


def _stages(first: Event, events: list[Event], files: dict[str, list[Event]], start: float, end: float) -> list[Stage]:
    described = {str(item["name"]): item for item in first.get("stages", [])}
    begun = {str(event["stage_name"]): float(event["ts"]) for event in events if event["type"] == "stage.starting"}
    ended = {str(event["stage_name"]): event for event in events if event["type"] == "stage.finished"}
    rows: list[Stage] = []
    for name in described or dict.fromkeys(files):
        item, done = described.get(name, {}), ended.get(name)
        begin = begun.get(name)
        rows.append(
            Stage(
                name,
                str(item.get("suite", "?")),
                str(done["state"]) if done else ("running" if begin is not None else "queued"),
                done.get("verdict") if done else None,
                done.get("reason") if done else None,
                None if begin is None else begin - start,
                None if begin is None else (float(done["ts"]) if done else end) - start,
                bool(item.get("optional")),
            )
        )
    return rows


def _faults(stages: dict[str, list[Event]], campaign: list[Event], start: float) -> list[Fault]:
    found: dict[str, dict[str, Any]] = {}
    for name, items in [*stages.items(), ("", campaign)]:
        for event in items:
            if event["type"] in ("fault.injected", "fault.reverted", "recovery") and "id" in event:
                entry = found.setdefault(str(event["id"]), {"stage": name})
                entry |= {
                    key: value for key, value in event.items() if value is not None and key not in ("type", "stage")
                }
    rows: list[Fault] = []
    for entry in sorted(
        (item for item in found.values() if "injected_at" in item), key=lambda item: item["injected_at"]
    ):

        def since(key: str, entry: dict[str, Any] = entry) -> float | None:
            return None if entry.get(key) is None else float(entry[key]) - start

        rows.append(
            Fault(
                len(rows) + 1, str(entry["id"]), str(entry["stage"]), str(entry.get("fault", "?")),
                str(entry.get("target", "?")), _effect(entry.get("effect")), float(entry["injected_at"]) - start,
                since("reverted_at"), entry.get("by"), since("detected_at"), since("recovered_at"),
                entry.get("time_to_detect_s"), entry.get("time_to_recover_s"),
            )
        )  # fmt: skip
    return rows


def _effect(effect: Any) -> str:
    if isinstance(effect, dict):
        return ", ".join(f"{key} {value}" for key, value in effect.items())
    return "" if effect is None else str(effect)


def _tests(stage: str, items: Iterable[Event]) -> list[TestRow]:
    planned: list[str] = []
    done: dict[str, TestRow] = {}
    for event in items:
        if event["type"] == "run.started":
            planned = [str(name) for name in event.get("plan", [])]
        elif event["type"] == "test.finished":
            name = str(event["id"])
            done[name] = TestRow(stage, name, str(event["outcome"]), event.get("duration_ms"), event.get("message"))
    names = dict.fromkeys([*planned, *done])
    return [done.get(name) or TestRow(stage, name, "not_run", None, "announced, but never reported") for name in names]


def _histograms(items: Iterable[Event]) -> Iterable[tuple[str, float, Histogram]]:
    for event in items:
        if event["type"] == "metric.points":
            for key, t, value in iter_points(event):
                name = split_series(key)[0]
                if isinstance(value, dict) and not name.startswith(PROBE):
                    yield name, t, Histogram.from_json(value)


def _operations(
    stages: dict[str, list[Event]], windows: list[tuple[float, float, str]], start: float
) -> list[Operation]:
    found: dict[tuple[str, str], dict[str, Histogram]] = {}
    for stage, items in stages.items():
        for name, t, histogram in _histograms(items):
            phases = found.setdefault((stage, name), defaultdict(Histogram))
            at = t - start
            phase = next((label for begin, stop, label in windows if begin <= at < stop), windows[-1][2])
            phases[phase].merge(histogram)
    rows = [
        Operation(stage, name, Histogram.merged(phases.values()), dict(phases))
        for (stage, name), phases in found.items()
    ]
    return sorted(rows, key=lambda row: -(row.total.quantile(0.95) or 0.0))


def _series(stages: dict[str, list[Event]], start: float, duration: float, step: float) -> dict[str, Series]:
    count = int(duration / step) + 1
    latency: list[Histogram | None] = [None] * count
    sums: dict[str, list[float | None]] = {}
    probes: dict[str, list[list[float]]] = {}

    def bucket(t: float) -> int:
        return min(max(int((t - start) / step), 0), count - 1)

    for items in stages.values():
        for event in items:
            if event["type"] != "metric.points":
                continue
            for key, t, value in iter_points(event):
                name, labels = split_series(key)
                at = bucket(t)
                if isinstance(value, dict):
                    if name.startswith(PROBE):
                        continue
                    histogram = latency[at] or Histogram()
                    histogram.merge(Histogram.from_json(value))
                    latency[at] = histogram
                elif name in ("data.sent", "data.acked") and labels.get("signal") in SIGNALS:
                    row = sums.setdefault(f"{name.removeprefix('data.')}.{labels['signal']}", [None] * count)
                    row[at] = (row[at] or 0.0) + float(value)
                elif name.startswith(PROBE):
                    fine = min(step, PROBE_STEP_S)
                    attempts = probes.setdefault(name, [[] for _ in range(int(duration / fine) + 1)])
                    attempts[min(max(int((t - start) / fine), 0), len(attempts) - 1)].append(float(value))
    series = {
        "rate": Series("/s", step, [None if item is None else item.count / step for item in latency]),
        "errors": Series(
            "%", step, [None if item is None or not item.count else 100 * item.errors / item.count for item in latency]
        ),
        **{
            name: Series("s", step, [None if item is None else item.quantile(q) for item in latency])
            for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
    }
    series |= {
        name: Series("/s", step, [None if v is None else v / step for v in _filled(row)]) for name, row in sums.items()
    }
    series |= {
        name: Series("%", min(step, PROBE_STEP_S), [100 * sum(found) / len(found) if found else None for found in row])
        for name, row in probes.items()
    }
    return {name: item for name, item in series.items() if any(value is not None for value in item.values)}


def _filled(row: list[float | None]) -> list[float | None]:
    """A counter that says nothing between its first and its last point has counted nothing."""
    known = [index for index, value in enumerate(row) if value is not None]
    return [
        0.0 if value is None and known and known[0] < index < known[-1] else value for index, value in enumerate(row)
    ]


def to_json(report: Report) -> str:
    """The whole report as JSON: what the pictures are drawn from."""

    def plain(value: Any) -> Any:
        if isinstance(value, Histogram):
            return {"n": value.count, "errors": value.errors, "mean": value.mean} | {
                f"p{q}": value.quantile(q / 100) for q in (50, 95, 99)
            }
        return vars(value)

    return json.dumps(vars(report), default=plain, ensure_ascii=False, indent=1)
