"""Finding what was written: exactly it, all of it, nothing else."""

from __future__ import annotations

import json
from typing import Any

from runners.e2e import telemetry
from runners.e2e.journey import Absent, check, equal, journey
from runners.e2e.scene import Scene
from runners.e2e.telemetry import Log, Point, Span

LOGS = 25


def some_logs(scene: Scene, count: int = LOGS) -> list[Log]:
    """Records that differ in everything that a filter may ask for."""
    levels = ((5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR"), (21, "FATAL"))
    return [
        Log(
            time=scene.moment(number), body=f"{scene.mark} order {number} took {number * 7} ms",
            severity=levels[number % 5][0], severity_text=levels[number % 5][1],
            attributes={"e2e.number": number, "e2e.kind": "even" if number % 2 == 0 else "odd", "e2e.mark": scene.mark},
            trace_id=telemetry.new_trace_id(), span_id=telemetry.new_span_id(),
        )
        for number in range(count)
    ]  # fmt: skip


def written_logs(scene: Scene, count: int = LOGS) -> list[Log]:
    """Records that can be found by now. Raises Broken when they cannot."""
    logs = some_logs(scene, count)
    scene.write_logs(logs)
    scene.eventually(
        lambda: len(scene.mine("search.logs")), lambda found: found >= min(count, 200),
        f"not all of {count} written log records were found",
    )  # fmt: skip
    return logs


def bodies(items: list[dict[str, Any]]) -> list[str]:
    return [str((item.get("content") or {}).get("body")) for item in items]


@journey("search.logs-are-found-exactly", "ingest.logs", "search.logs")
def logs_exactly(scene: Scene) -> None:
    """Log records that were written are found once each, with time, severity, text, attributes and trace as sent."""
    logs = written_logs(scene)
    found = scene.mine("search.logs")
    equal(sorted(bodies(found)), sorted(one.body for one in logs), "the records found")
    by_body = {one.body: one for one in logs}
    for item in found:
        content, sent = item["content"], by_body[item["content"]["body"]]
        equal(str(item.get("time_unix_nano")), str(sent.time), f"the time of '{sent.body}'")
        equal(content.get("severity_number"), sent.severity, f"the severity of '{sent.body}'")
        equal(content.get("severity_text"), sent.severity_text, f"the severity text of '{sent.body}'")
        equal(content.get("attributes"), dict(sent.attributes), f"the attributes of '{sent.body}'")
        equal(item.get("trace_id"), sent.trace_id, f"the trace of '{sent.body}'")
        equal(content.get("span_id"), sent.span_id, f"the span of '{sent.body}'")
        equal(item.get("service"), scene.service, f"the service of '{sent.body}'")
    times = [int(item["time_unix_nano"]) for item in found]
    equal(times, sorted(times, reverse=True), "the order, newest first")


@journey("search.spans-are-found", "ingest.traces", "search.traces")
def spans_found(scene: Scene) -> None:
    """Spans that were written are found once each, with duration, status and parent as sent."""
    trace = telemetry.new_trace_id()
    root = Span(scene.moment(0), f"{scene.mark} GET /orders", trace, telemetry.new_span_id(), status=2)
    child = Span(
        scene.moment(1), f"{scene.mark} SELECT orders", trace, telemetry.new_span_id(), root.span_id, duration=7_000_123, kind=3,
        attributes={"db.system.name": "postgresql"},
    )  # fmt: skip
    scene.write_spans([root, child])
    found = scene.eventually(
        lambda: scene.mine("search.traces"), lambda spans: len(spans) >= 2, "the spans were not found"
    )
    by_id = {item["content"].get("span_id"): item for item in found}
    equal(sorted(map(str, by_id)), sorted([root.span_id, child.span_id]), "the spans found")
    for sent in (root, child):
        content = by_id[sent.span_id]["content"]
        equal(content.get("name"), sent.name, "the name of a span")
        equal(content.get("duration_ns"), sent.duration, f"the duration of '{sent.name}'")
        equal(content.get("parent_span_id") or "", sent.parent_id, f"the parent of '{sent.name}'")
        equal(content.get("status_code"), sent.status, f"the status of '{sent.name}'")
        equal(by_id[sent.span_id].get("trace_id"), trace, f"the trace of '{sent.name}'")


@journey("search.samples-are-found", "ingest.metrics", "search.metrics")
def samples_found(scene: Scene) -> None:
    """Samples that were written are found with their values."""
    name = f"{scene.mark}_queue_depth"
    points = [Point(scene.moment(number * 20), name, number + 0.5, {"queue": "orders"}) for number in range(5)]
    scene.write_points(points)
    found = scene.eventually(
        lambda: scene.mine("search.metrics"), lambda items: len(items) >= 5, "the samples were not found"
    )
    equal(sorted(item["content"]["value"] for item in found), [one.value for one in points], "the values found")


@journey("search.filters-mean-what-they-say", "ingest.logs", "search.logs")
def filters(scene: Scene) -> None:
    """Each operator of a filter selects exactly the records that it names."""
    scene.takes("search.logs", "filters")
    logs = written_logs(scene)
    service = {"field": "service", "operator": "equals", "value": scene.service}
    number = "attributes.e2e.number"
    wanted = {
        ("severity", "gt", 13): [one for one in logs if one.severity > 13],
        ("severity", "lt", 9): [one for one in logs if one.severity < 9],
        ("attributes.e2e.kind", "equals", "odd"): [one for one in logs if one.attributes["e2e.kind"] == "odd"],
        ("attributes.e2e.kind", "not_equals", "odd"): [one for one in logs if one.attributes["e2e.kind"] != "odd"],
        ("body", "contains", "order 1"): [one for one in logs if "order 1" in one.body],
        ("body", "regex", r"took (0|7|14) ms"): [one for one in logs if int(one.attributes["e2e.number"]) <= 2],
        (number, "range", (3, 5)): [one for one in logs if 3 <= int(one.attributes["e2e.number"]) <= 5],
        ("attributes.e2e.missing", "exists", False): logs,
        (number, "exists", True): logs,
        ("trace_id", "equals", logs[3].trace_id): [logs[3]],
    }
    for (field, operator, value), expected in wanted.items():
        one = {"field": field, "operator": operator, "value": list(value) if isinstance(value, tuple) else value}
        found = scene.items("search.logs", scene.who("viewer"), filters=[service, one], limit=200, **scene.window)
        equal(sorted(bodies(found)), sorted(log.body for log in expected), f"filter {field} {operator} {value}")


@journey("search.pages-lose-nothing", "ingest.logs", "search.logs")
def pages(scene: Scene) -> None:
    """A walk through small pages shows every record once, in order, both ways."""
    scene.takes("search.logs", "cursor")
    logs = written_logs(scene)
    orders = ("desc", "asc") if "sort_order" in scene.operation("search.logs").mentions else (None,)
    for order in orders:
        asked = {"free_text": scene.mark, "limit": 4, **scene.window, **({"sort_order": order} if order else {})}
        pages_ = list(scene.walk("search.logs", scene.who("viewer"), **asked))
        found = bodies([item for page in pages_ for item in page])
        newest_first = [one.body for one in sorted(logs, key=lambda one: one.time, reverse=True)]
        equal(found, newest_first[::-1] if order == "asc" else newest_first, f"the walk in order {order or 'desc'}")
        check(all(len(page) <= 4 for page in pages_), "a page held more than its limit")


@journey("search.time-range-is-kept", "ingest.logs", "search.logs")
def time_range(scene: Scene) -> None:
    """A time range holds its beginning, not its end, and nothing outside."""
    logs = written_logs(scene, 12)
    first, last = logs[3], logs[8]
    asked = {"free_text": scene.mark, "limit": 200, "from": str(first.time), "to": str(last.time)}
    found = [one for one in scene.items("search.logs", scene.who("viewer"), **asked) if scene.mark in repr(one)]
    equal(sorted(bodies(found)), sorted(one.body for one in logs[3:8]), "the records of the range")


@journey("search.export-is-complete", "ingest.logs", "search.logs", "search.export")
def export(scene: Scene) -> None:
    """An export holds every record of the range, and its last line says how many."""
    logs = written_logs(scene)
    scene.takes("search.export", "free_text")
    lines, end = exported(scene, scene.tenant)
    equal(sorted(bodies(lines)), sorted(one.body for one in logs), "the records of the export")
    equal((end or {}).get("count"), len(lines), "the count in the last line")


def exported(scene: Scene, tenant: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What the tenant's analyst exports of this journey's logs, and the last line; None when there is none."""
    analyst = scene.who("analyst", tenant)
    answer = scene.whole("search.export", analyst, type="logs", free_text=scene.mark, **scene.window)
    operation = scene.operation("search.export")
    items = [operation.shaped(json.loads(line)) for line in answer.text.splitlines() if line]
    end = next((item for item in items if "end" in item), None)
    return [item for item in items if "end" not in item], end


@journey("search.counts-agree", "ingest.logs", "search.logs", "search.aggregate")
def counts(scene: Scene) -> None:
    """The counts over time and by severity add up to what was written."""
    logs = written_logs(scene)
    answer = scene.ok(
        "search.aggregate", scene.who("viewer"), type="logs", free_text=scene.mark, buckets=30, **scene.window
    ).json  # fmt: skip
    equal(answer.get("total"), len(logs), "the total")
    in_buckets = sum(number for bucket in answer["buckets"] for number in bucket["counts"].values())
    equal(in_buckets, len(logs), "the sum of the buckets")
    by_severity = {name: number for name, number in answer["facets"].get("severity", {}).items() if number}
    equal(by_severity, {"debug": 5, "info": 5, "warn": 5, "error": 5, "fatal": 5}, "the counts by severity")


@journey("search.stream-shows-the-same", "ingest.logs", "search.logs", "search.stream")
def stream(scene: Scene) -> None:
    """A streamed search ends, and shows the same records as a plain one."""
    logs = written_logs(scene)
    whole = _events(
        scene.whole("search.stream", scene.who("viewer"), free_text=scene.mark, limit=200, **scene.window).text
    )
    found = [item for name, data in whole if name == "items" for item in data["items"]]
    equal(sorted(bodies(found)), sorted(one.body for one in logs), "the records of the stream")
    equal([name for name, _ in whole][-1:], ["end"], "the last event")


def _events(text: str) -> list[tuple[str, Any]]:
    """Server-sent events (WHATWG HTML, section 9.2) of one answer."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line.partition(":")[::2] for line in block.splitlines() if line and not line.startswith(":")]
        data = "\n".join(value.removeprefix(" ") for name, value in lines if name == "data")
        kind = next((value.strip() for name, value in lines if name == "event"), "message")
        if data:
            events.append((kind, json.loads(data)))
    return events


@journey("search.history-is-ones-own", "search.logs", "search.history")
def history(scene: Scene) -> None:
    """One's searches are remembered, and shown to nobody else."""
    me, other = scene.who("viewer"), scene.who("editor")
    scene.items("search.logs", me, free_text=scene.mark, limit=1, **scene.window)
    scene.eventually(
        lambda: repr(scene.items("search.history", me)),
        lambda text: scene.mark in text,
        "the search was not remembered",
    )
    check(
        scene.mark not in repr(scene.items("search.history", other)), "another user sees this search in their history"
    )
    check(
        scene.mark not in repr(scene.items("search.history", scene.who("viewer", scene.stranger))),
        "another tenant's user sees this search in their history",
    )


@journey("search.refuses-nonsense", "search.logs")
def nonsense(scene: Scene) -> None:
    """What cannot be understood is refused with a reason, never with an internal error."""
    who, invalid = scene.who("viewer"), scene.target.profile.expect.invalid
    attempts: list[dict[str, Any]] = [
        {"from": "yesterday", "to": "today"}, {**scene.window, "limit": 0}, {**scene.window, "limit": 10**9},
        {**scene.window, "cursor": "not-a-cursor"},
    ]  # fmt: skip
    if "filters" in scene.operation("search.logs").mentions:
        attempts.append(
            {**scene.window, "filters": [{"field": "tenant_id; drop table", "operator": "equals", "value": "x"}]}
        )
        attempts.append({**scene.window, "filters": [{"field": "body", "operator": "regex", "value": "("}]})
    known = scene.operation("search.logs").mentions
    asked = [one for one in attempts if set(one) <= known]
    if not asked:
        raise Absent("search.logs takes nothing that could be wrong")
    for variables in asked:
        answer = scene.refused("search.logs", who, invalid, f"{variables}", **variables)
        check("Traceback" not in answer.text and "psycopg" not in answer.text, "the message shows internals")
