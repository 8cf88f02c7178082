"""What one stage measured, from its events: series with their points, and when it was at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runners.events import Event, iter_points, series_key, split_series
from runners.lib.histogram import Histogram
from runners.results.points import histogram
from runners.results.rows import number

Window = tuple[float, float]


@dataclass
class Points:
    """One series. values: a `Histogram` (kind histogram) or a number for each time."""

    name: str
    tenant: str | None
    unit: str
    kind: str
    times: list[float] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def within(self, windows: Iterable[Window]) -> list[tuple[float, Any]]:
        """Points whose time lies in one of the half-open windows."""
        spans = list(windows)
        return [
            (t, value)
            for t, value in zip(self.times, self.values, strict=True)
            if any(begin <= t < end for begin, end in spans)
        ]


@dataclass
class Stage:
    """begin, end: from steady state (or the first event) to the last event; None when it said nothing."""

    series: list[Points] = field(default_factory=list)
    audits: list[dict[str, Any]] = field(default_factory=list)
    injected: dict[str, Event] = field(default_factory=dict)
    failed: dict[str, Event] = field(default_factory=dict)
    recoveries: dict[str, Event] = field(default_factory=dict)
    reverted: dict[str, float] = field(default_factory=dict)
    begin: float | None = None
    end: float | None = None

    def matching(self, parts: tuple[str, ...]) -> list[Points]:
        """Series whose name is `parts` or contains them as dotted parts; all operations when there are no parts.

        An exact name wins; then operations (histograms) win over other series.
        """
        wanted = list(parts)
        if not wanted:
            return [item for item in self.series if item.kind == "histogram"]
        found = [item for item in self.series if _contains(item.name.split("."), wanted)]
        exact = [item for item in found if item.name == ".".join(parts)]
        return exact or [item for item in found if item.kind == "histogram"] or found


def _contains(name: list[str], parts: list[str]) -> bool:
    return any(name[at : at + len(parts)] == parts for at in range(len(name) - len(parts) + 1))


def read_stage(events: Iterable[Event]) -> Stage:
    """One pass; events that are not as the protocol says are passed over (ingest counts them)."""
    stage = Stage()
    known: dict[str, Points] = {}
    steady: float | None = None
    for event in events:
        at = number(event.get("ts"))
        if at is not None:
            stage.begin = at if stage.begin is None else stage.begin
            stage.end = at
        kind = event.get("type")
        if kind == "metric.points":
            for key, t, value in _points(event):
                _add(stage, known, key, t, value)
        elif kind == "metric.declare" and isinstance(event.get("name"), str):
            _declare(stage, known, event)
        elif kind == "phase" and event.get("name") == "steady" and steady is None:
            steady = at
        elif kind == "ledger" and event.get("kind") == "audit" and isinstance(event.get("document"), dict):
            stage.audits.append(event["document"])
        elif isinstance(event.get("id"), str):
            _fault(stage, event)
    if steady is not None:
        stage.begin = steady
    return stage


def _points(event: Event) -> Iterator[tuple[str, float, Any]]:
    try:
        yield from iter_points(event)
    except (KeyError, TypeError, ValueError):
        return


def _declare(stage: Stage, known: dict[str, Points], event: Event) -> None:
    labels = {str(key): str(value) for key, value in (event.get("labels") or {}).items()}
    key = series_key(event["name"], labels)
    if key not in known:
        unit, kind = str(event.get("unit") or "1"), str(event.get("kind", "gauge"))
        known[key] = Points(event["name"], labels.get("tenant"), unit, kind)
        stage.series.append(known[key])


def _add(stage: Stage, known: dict[str, Points], key: str, t: Any, value: Any) -> None:
    when = number(t)
    content: Histogram | float | None = histogram(value) if isinstance(value, dict) else number(value)
    if when is None or content is None:
        return
    if key not in known:
        name, labels = split_series(key)
        kind, unit = ("histogram", "s") if isinstance(content, Histogram) else ("gauge", "1")
        known[key] = Points(name, labels.get("tenant"), unit, kind)
        stage.series.append(known[key])
    series = known[key]
    if (series.kind == "histogram") == isinstance(content, Histogram):
        series.times.append(when)
        series.values.append(content)


def _fault(stage: Stage, event: Event) -> None:
    fault, kind, at = event["id"], event.get("type"), number(event.get("ts"))
    if kind == "fault.injected":
        stage.injected[fault] = event
    elif kind == "fault.failed":
        stage.failed[fault] = event
    elif kind == "recovery":
        stage.recoveries[fault] = event
    elif kind == "fault.reverted":
        when = number(event.get("reverted_at")) or at
        if when is not None:
            stage.reverted[fault] = min(when, stage.reverted.get(fault, when))
