"""The values that gates speak of, from the event files of a campaign: pure, no database.

Phases: `fault` is from an injection until the fault is reverted and recovered from (to the end of the run when that
never came), `before` lies before the first, `after` is the rest. A point counts where its time lies.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

from runners.events import Event
from runners.lib.expr import Call, ExprError, Name, Quantity, Reference, Sum, UnknownName
from runners.lib.histogram import Histogram
from runners.lib.text import did_you_mean
from runners.results.measured import Points, Stage, Window, read_stage
from runners.results.phases import fault_windows
from runners.results.rows import number

AUDIT_FIELDS = (
    "sent", "acked", "rejected", "unknown", "found", "lost", "duplicated", "duplicated_by_retry", "leaked", "corrupt",
    "forged",
)  # fmt: skip
_OF_THE_LEDGER = ("sent", "acked", "rejected", "unknown")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_FOREVER = math.inf


class Measures:
    """A context for `runners.lib.expr`. `why` says why a value does not exist."""

    def __init__(self, stages: Mapping[str, Iterable[Event]], campaign: Iterable[Event] = ()) -> None:
        """stages: the events of each stage that was started, by name. campaign: the coordinator's events."""
        self.stages = {name: read_stage(events) for name, events in stages.items()}
        own = read_stage(campaign_events := list(campaign))
        self.planned = [
            str(item["name"])
            for event in campaign_events
            if event.get("type") == "run.started"
            for item in event.get("stages") or []
        ]
        self.phases = phases(self.stages.values(), own.reverted)
        self._why: dict[Reference, str] = {}

    # -- the protocol of expr.Context

    def unit(self, reference: Reference) -> str | None:
        if isinstance(reference, Name):
            self._audit_of(reference)
            return "1"
        stage = self._stage(reference)
        if reference.function in ("detect", "recovery"):
            return "s"
        if reference.function == "error_rate":
            return "%"
        if reference.function == "rate":
            return "/s"
        if reference.function == "count":
            return "1"
        found = [] if stage is None else self._series(reference, stage)
        return found[0].unit if found else None

    def value(self, reference: Reference) -> Quantity | None:
        if isinstance(reference, Name):
            return self._audit_sum(reference)
        stage = self._stage(reference)
        if stage is None:
            return self._unknown(reference, f"stage '{reference.path[0]}' did not run")
        if reference.function in ("detect", "recovery"):
            return self._recovery(reference, stage)
        series = self._series(reference, stage)
        if not series:
            return self._unknown(reference, f"stage '{reference.path[0]}' measured nothing of that name")
        return self._metric(reference, stage, series)

    def baseline(self, operand: Sum) -> Quantity | None:
        """No baseline is kept yet, so a gate that asks for one is not assessed."""
        for reference in [operand] if isinstance(operand, Name | Call) else []:
            self._why[reference] = "there is no baseline"
        return None

    def why(self, reference: Reference) -> str | None:
        """Why the last `value` of this reference was None."""
        return self._why.get(reference)

    def _unknown(self, reference: Reference, why: str) -> Quantity | None:
        """Remember why there is no value; returns None."""
        self._why[reference] = why
        return None

    def _stage(self, call: Call) -> Stage | None:
        """None for a stage that was planned but never started. Raises UnknownName."""
        name = call.path[0]
        if name in self.stages:
            return self.stages[name]
        if name in self.planned:
            return None
        raise _unknown_name(f"unknown stage '{name}'", call, name, {*self.stages, *self.planned})

    # -- audits

    def _audit_of(self, name: Name) -> tuple[list[dict[str, Any]], str]:
        """The audit documents that `<stage>.<field>` or `audit.<field>` speaks of, and the field."""
        if len(name.path) != 2:
            raise _unknown_name(
                f"unknown value '{name}'", name, str(name), [f"audit.{field}" for field in AUDIT_FIELDS]
            )
        stage, field = name.path
        if stage in self.stages or stage in self.planned:
            documents = self.stages[stage].audits if stage in self.stages else []
        elif stage == "audit":
            documents = [document for item in self.stages.values() for document in item.audits]
        else:
            raise _unknown_name(f"unknown value '{name}'", name, stage, {*self.stages, *self.planned, "audit"})
        if field not in AUDIT_FIELDS:
            raise _unknown_name(f"an audit has no '{field}'", name, field, AUDIT_FIELDS)
        return documents[-1:] if stage in self.stages else documents, field

    def _audit_sum(self, name: Name) -> Quantity | None:
        documents, field = self._audit_of(name)
        if not documents:
            return self._unknown(name, "there is no audit")
        total, observed = 0.0, False
        for document in documents:
            if document.get("verdict") == "invalid" and field not in _OF_THE_LEDGER:
                return self._unknown(name, "the audit was not assessed" + _because(document))
            signals = document.get("signals")
            for signal in signals.values() if isinstance(signals, dict) else []:
                value = number(signal.get(field)) if isinstance(signal, dict) else None
                if value is not None:
                    total, observed = total + value, True
        return Quantity(total) if observed else self._unknown(name, f"'{field}' cannot be observed for any signal")

    # -- faults

    def _recovery(self, call: Call, stage: Stage) -> Quantity | None:
        """The longest of the stage's faults; unknown as soon as one was not injected or not seen to recover."""
        if stage.failed:
            fault = next(iter(stage.failed.values()))
            return self._unknown(call, f"fault {_title(fault)} failed: {fault.get('reason')}")
        if not stage.injected:
            return self._unknown(call, f"stage '{call.path[0]}' injected no fault")
        field = "time_to_detect_s" if call.function == "detect" else "time_to_recover_s"
        worst = 0.0
        for name, injected in stage.injected.items():
            value = number(stage.recoveries.get(name, {}).get(field))
            if value is None:
                seen = "detected" if call.function == "detect" else "seen to recover"
                return self._unknown(call, f"fault {_title(injected)} was never {seen}")
            worst = max(worst, value)
        return Quantity(worst, "s")

    # -- metrics

    def _series(self, call: Call, stage: Stage) -> list[Points]:
        found = stage.matching(call.path[1:])
        # Latencies of several operations merge; counters and gauges of different names do not.
        if len({(item.unit, item.kind, item.kind == "histogram" or item.name) for item in found}) > 1:
            names = sorted({item.name for item in found})
            raise ExprError(f"{call} means several metrics", remedy=f"name one: {', '.join(names)}")
        if call.tenant is None:
            return found
        tenants = {item.tenant for item in found if item.tenant}
        if found and call.tenant not in tenants:
            raise _unknown_name(f"{call}: no tenant '{call.tenant}'", call, call.tenant, tenants)
        return [item for item in found if item.tenant == call.tenant]

    def _metric(self, call: Call, stage: Stage, series: list[Points]) -> Quantity | None:
        begin, end = stage.begin or 0.0, stage.end or 0.0
        spans = [(begin, max(end, begin))] if call.phase is None else _within(self.phases[call.phase], begin, end)
        if not spans:  # a count of 0 would say that something was watched
            return self._unknown(call, f"stage '{call.path[0]}' was not at work in a phase '{call.phase}'")
        # Without a phase every point counts, also one that carries a time a little outside.
        chosen = [(-_FOREVER, _FOREVER)] if call.phase is None else spans
        points = [(t, value) for item in series for t, value in item.within(chosen)]
        if call.window is None:
            seconds = sum(stop - start for start, stop in spans)
            value = _aggregate(call, series[0].kind, [value for _, value in points], seconds)
            if value is None:
                where = f" in phase '{call.phase}'" if call.phase else ""
                return self._unknown(call, f"nothing was measured{where}")
            return Quantity(value, _unit(call, series[0]))
        return self._windows(call, series[0], points, spans)

    def _windows(
        self, call: Call, series: Points, points: list[tuple[float, Any]], spans: list[Window]
    ) -> Quantity | None:
        """Highest and lowest over all windows of that length that fit; a window without points has no value."""
        assert call.window is not None
        values = []
        points.sort(key=lambda item: item[0])
        times = [t for t, _ in points]
        for begin, end in spans:
            for start in _starts(times, begin, end, call.window):
                first, after = bisect_left(times, start), bisect_left(times, start + call.window)
                inside = [value for _, value in points[first:after]]
                value = _aggregate(call, series.kind, inside, call.window)
                if value is not None:
                    values.append(value)
        if not values:
            return self._unknown(call, f"no window of {call.window:g} s fits into what was measured")
        return Quantity(max(values), _unit(call, series), low=min(values))


def phases(stages: Iterable[Stage], reverted_elsewhere: Mapping[str, float]) -> dict[str, list[Window]]:
    """Half-open windows of `before`, `fault` and `after`; together they cover all time."""
    found = []
    for stage in stages:
        for fault, event in stage.injected.items():
            begin = number(event.get("injected_at")) or number(event.get("ts"))
            if begin is None:
                continue
            known = (
                stage.reverted.get(fault), reverted_elsewhere.get(fault),
                number(stage.recoveries.get(fault, {}).get("recovered_at")),
            )  # fmt: skip
            ends = [end for end in known if end is not None]
            found.append((begin, max(ends) if ends else _FOREVER))
    spans = fault_windows(found)
    result: dict[str, list[Window]] = {"before": [], "fault": spans, "after": []}
    at = -_FOREVER
    for begin, end in spans:
        result["before" if at == -_FOREVER else "after"].append((at, begin))
        at = end
    result["after" if spans else "before"].append((at, _FOREVER))
    return result


def _within(windows: list[Window], begin: float, end: float) -> list[Window]:
    clipped = [(max(start, begin), min(stop, end)) for start, stop in windows]
    return [(start, stop) for start, stop in clipped if stop > start]


def _starts(times: list[float], begin: float, end: float, length: float) -> list[float]:
    """Where the content of a sliding window changes: at the points; and the first and last window that fit."""
    last = end - length
    if last < begin:
        return []
    return sorted({begin, last, *(t for t in times if begin <= t <= last)})


def _unit(call: Call, series: Points) -> str:
    return {"error_rate": "share", "rate": "/s", "count": "1"}.get(call.function, series.unit)


def _aggregate(call: Call, kind: str, values: list[Any], seconds: float) -> float | None:
    """The function of these points, which lie within so many seconds. Raises ExprError when it has no meaning."""
    if kind == "histogram":
        return _of_operations(call.function, Histogram.merged(values), seconds)
    if call.function == "error_rate":
        raise ExprError(f"{call}: only operations have an error rate", remedy="name an operation or a load stage")
    if kind == "counter" and call.function in ("count", "sum", "rate"):
        if not values:  # a counter tells its zeros
            return None
        total = math.fsum(values)
        return total if call.function != "rate" else total / seconds if seconds > 0 else None
    if call.function == "rate":
        raise ExprError(f"{call}: a gauge has no rate", remedy=f"write mean({'.'.join(call.path)})")
    if call.function == "count":
        return float(len(values))
    if not values:
        return None
    if call.function in QUANTILES:
        return float(sorted(values)[max(1, math.ceil(QUANTILES[call.function] * len(values))) - 1])
    total = math.fsum(values)
    return float({"min": min(values), "max": max(values), "sum": total, "mean": total / len(values)}[call.function])


def _of_operations(function: str, merged: Histogram, seconds: float) -> float | None:
    if function == "count":
        return float(merged.count)
    if function == "rate":
        return merged.count / seconds if seconds > 0 else None
    if not merged.count:
        return None
    if function in QUANTILES:
        return merged.quantile(QUANTILES[function])
    if function == "error_rate":
        return merged.errors / merged.count
    return {"min": merged.minimum, "max": merged.maximum, "sum": merged.total, "mean": merged.mean}[function]


def _because(document: Mapping[str, Any]) -> str:
    return f": {document['reason']}" if document.get("reason") else ""


def _title(fault: Event) -> str:
    return f"{fault.get('fault', '?')} {fault.get('target', '?')}"


def _unknown_name(what: str, reference: Reference, name: str, known: Iterable[str]) -> UnknownName:
    names = sorted(known)
    return UnknownName(what, str(reference), reference.column, did_you_mean(name, names) if names else None)
