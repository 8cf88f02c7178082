"""Whole traces, and the way from a trace to its logs."""

from __future__ import annotations

from typing import Any

from runners.e2e import telemetry
from runners.e2e.journey import check, equal, journey
from runners.e2e.scene import Scene
from runners.e2e.telemetry import Log, Span


def written_trace(scene: Scene, *, tenant: str | None = None, trace: str | None = None) -> tuple[str, list[Span]]:
    """A request through three operations, found by now as whole. Raises Broken when it cannot be."""
    trace = trace or telemetry.new_trace_id()
    root = Span(scene.moment(0), f"{scene.mark} POST /checkout", trace, telemetry.new_span_id(), duration=90_000_000)
    charge = Span(
        scene.moment(0) + 10_000_000,
        f"{scene.mark} charge",
        trace,
        telemetry.new_span_id(),
        root.span_id,
        60_000_000,
        3,
        2,
    )
    insert = Span(
        scene.moment(0) + 20_000_000,
        f"{scene.mark} INSERT payment",
        trace,
        telemetry.new_span_id(),
        charge.span_id,
        5_000_000,
        3,
    )
    spans = [root, charge, insert]
    scene.write_spans(spans, tenant=tenant)
    who = scene.who("viewer", tenant)

    def look() -> int:
        answer = scene.call("traces.get", who, trace_id=trace)
        return len(scene.operation("traces.get").items(answer) or []) if answer.ok else 0

    scene.eventually(look, lambda found: found >= len(spans), "the trace was not found whole")
    return trace, spans


@journey("traces.are-whole", "ingest.traces", "traces.get")
def whole(scene: Scene) -> None:
    """A trace is shown with all its spans, each under its parent."""
    trace, spans = written_trace(scene)
    found = scene.items("traces.get", scene.who("viewer"), trace_id=trace)
    shown = {item["content"]["span_id"]: item["content"].get("parent_span_id") or "" for item in found}
    equal(shown, {one.span_id: one.parent_id for one in spans}, "spans and their parents")


@journey("traces.are-found-by-search", "ingest.traces", "traces.get", "traces.search")
def searched(scene: Scene) -> None:
    """A trace is found by what one of its spans is like."""
    trace, _ = written_trace(scene)
    scene.takes("traces.search", "filters")
    by_service = [{"field": "service", "operator": "equals", "value": scene.service}]
    scene.eventually(
        lambda: scene.items("traces.search", scene.who("viewer"), filters=by_service, limit=50, **scene.window),
        lambda found: [one["trace_id"] for one in found] == [trace], "the trace was not found by its service",
    )  # fmt: skip
    failed = [*by_service, {"field": "status", "operator": "equals", "value": 2}]
    found = scene.items("traces.search", scene.who("viewer"), filters=failed, limit=50, **scene.window)
    equal([one["trace_id"] for one in found], [trace], "the traces with a failed span")
    slow = [*by_service, {"field": "duration_ns", "operator": "gt", "value": 10**12}]
    found = scene.items("traces.search", scene.who("viewer"), filters=slow, limit=50, **scene.window)
    equal(found, [], "the traces with a span of over 1,000 s")


def _with_logs(scene: Scene) -> tuple[str, list[Log]]:
    trace, spans = written_trace(scene)
    logs = [
        Log(scene.moment(number), f"{scene.mark} step {number}", trace_id=trace, span_id=spans[number].span_id)
        for number in range(3)
    ]
    scene.write_logs([*logs, Log(scene.moment(9), f"{scene.mark} of no trace")])
    scene.eventually(lambda: len(scene.mine("search.logs")), lambda count: count >= 4, "the log records were not found")
    return trace, logs


def _bodies(items: list[dict[str, Any]]) -> list[str]:
    return sorted(str(one["content"].get("body")) for one in items)


@journey("traces.lead-to-their-logs", "ingest.traces", "ingest.logs", "traces.get", "search.logs", "traces.logs")
def logs_of_trace(scene: Scene) -> None:
    """The logs of a trace are exactly those that carry its id."""
    trace, logs = _with_logs(scene)
    found = scene.items("traces.logs", scene.who("viewer"), trace_id=trace)
    equal(_bodies(found), sorted(one.body for one in logs), "the logs of the trace")


@journey("traces.correlate-with-proof", "ingest.traces", "ingest.logs", "traces.get", "search.logs", "search.correlate")
def correlated(scene: Scene) -> None:
    """Correlation joins the logs and spans of a trace, and says what the proof is."""
    trace, logs = _with_logs(scene)
    answer = scene.ok("search.correlate", scene.who("viewer"), trace_id=trace)
    items = scene.operation("search.correlate").items(answer) or []
    found = [one for one in items if one.get("source") == "logs"]
    equal(_bodies(found), sorted(one.body for one in logs), "the correlated logs")
    equal(len([one for one in items if one.get("source") == "traces"]), 3, "the number of correlated spans")
    links = answer.json.get("links") or []
    check(any(link.get("kind") == "trace_id" for link in links), "no link says trace_id")
    check(all(link.get("kind") in ("trace_id", "service_window") for link in links), "a link of an unknown kind")
