"""What one tenant has, no other can see, by whatever door."""

from __future__ import annotations

from typing import Any

from runners.e2e import telemetry
from runners.e2e.journey import Broken, Unassessed, check, equal, journey
from runners.e2e.journeys.alerts import fired
from runners.e2e.journeys.metrics import written_counter
from runners.e2e.journeys.search import bodies, exported, written_logs
from runners.e2e.journeys.traces import written_trace
from runners.e2e.scene import Scene
from runners.e2e.telemetry import Log

SPOOFED = ("X-Scope-OrgID", "X-Tenant-ID", "X-Tenant", "X-Forwarded-Tenant")


@journey("isolation.search-shows-ones-own", "ingest.logs", "search.logs")
def search(scene: Scene) -> None:
    """Another tenant's search does not find these records, whatever it names in headers or filters."""
    written_logs(scene, 8)
    thief = scene.who("viewer", scene.stranger)
    for name in ("search.logs", "search.all", "logs.query"):
        if (operation := scene.target.operation(name)) is None:
            continue
        asked = {
            "limit": 200,
            **scene.window,
            **({"free_text": scene.mark} if "free_text" in operation.mentions else {}),
        }
        request = operation.request(**asked)
        for header in ("", *SPOOFED):
            spoofed = request.with_header(header, scene.tenant) if header else request
            answer = scene.answered(name, scene.target.send(spoofed, thief))
            if not header and not answer.ok:
                raise Unassessed(f"{name} answered {answer.status}, so {scene.stranger} sees nothing at all")
            _unseen(scene, answer.text + repr(answer.json), f"{name}{f' with {header}' if header else ''}")
        if "filters" in operation.mentions:
            for field in ("tenant", "tenant_id", "attributes.tenant", "resource.tenant"):
                wanted = [{"field": field, "operator": "equals", "value": scene.tenant}]
                answer = scene.answered(name, scene.call(name, thief, filters=wanted, **asked))
                _unseen(scene, repr(answer.json), f"{name} with a filter on {field}")


def _unseen(scene: Scene, text: str, where: str) -> None:
    if f"{scene.mark} order" in text:
        raise Broken(f"{scene.stranger} sees records of {scene.tenant}: {where}")


@journey("isolation.export-holds-ones-own", "ingest.logs", "search.logs", "search.export")
def export(scene: Scene) -> None:
    """Another tenant's export does not hold these records."""
    written_logs(scene, 8)
    scene.takes("search.export", "free_text")
    lines, _ = exported(scene, scene.stranger)
    equal(bodies(lines), [], f"the records that {scene.stranger} exports")


@journey("isolation.counts-are-ones-own", "ingest.logs", "search.logs", "search.aggregate")
def counts(scene: Scene) -> None:
    """No other tenant's counts count these records."""
    written_logs(scene, 8)
    for stranger in (tenant for tenant in (scene.stranger, *scene.target.tenants) if tenant != scene.tenant):
        answer = scene.ok(
            "search.aggregate", scene.who("viewer", stranger), type="logs", free_text=scene.mark, **scene.window
        ).json
        equal(answer.get("total"), 0, f"the total that {stranger} is told")
        check(scene.service not in repr(answer.get("facets")), f"{stranger} is told of the service")


@journey("isolation.trace-of-another-is-missing", "ingest.traces", "traces.get")
def trace(scene: Scene) -> None:
    """Another tenant's trace cannot be told from one that does not exist."""
    trace_id, _ = written_trace(scene)
    thief = scene.who("viewer", scene.stranger)
    for name in ("traces.get", "traces.logs"):
        if scene.target.operation(name) is None:
            continue
        foreign = scene.refused(
            name, thief, scene.target.profile.expect.foreign, "it is another tenant's", trace_id=trace_id
        )
        missing = scene.call(name, thief, trace_id=telemetry.new_trace_id())
        scene.same_refusal(foreign, missing, f"{name}: the answer for another's trace, beside that for none")
    if scene.target.operation("search.correlate") is not None:
        answer = scene.answered("search.correlate", scene.call("search.correlate", thief, trace_id=trace_id))
        check(scene.mark not in repr(answer.json), f"{scene.stranger} sees spans of {scene.tenant} by correlation")


@journey("isolation.shared-trace-ids-stay-apart", "ingest.traces", "traces.get")
def shared_trace(scene: Scene) -> None:
    """A trace id that two tenants happen to share shows each its own spans only."""
    trace_id, mine = written_trace(scene)
    _, theirs = written_trace(scene, tenant=scene.stranger, trace=trace_id)
    for tenant, own in ((scene.tenant, mine), (scene.stranger, theirs)):
        found = scene.items("traces.get", scene.who("viewer", tenant), trace_id=trace_id)
        equal(
            sorted(item["content"]["span_id"] for item in found), sorted(one.span_id for one in own),
            f"the spans that {tenant} sees",
        )  # fmt: skip


@journey("isolation.queries-cannot-name-another", "ingest.metrics", "metrics.query")
def promql(scene: Scene) -> None:
    """No way to write a query reaches another tenant's series."""
    name, label = written_counter(scene), scene.target.profile.tenancy.metric_label
    thief = scene.who("viewer", scene.stranger)
    own = scene.tenant
    for query in (
        name, f'{name}{{{label}="{own}"}}', f'{name}{{{label}=~".*"}}', f'{name}{{{label}!="{scene.stranger}"}}',
        f'{name} or {name}{{{label}="{own}"}}', f'sum({name}{{{label}=~"{own}|{scene.stranger}"}})',
        f'vector(1) and on() {name}', f'count({{__name__="{name}",{label}="{own}"}})', f'absent(up) or rate({name}[5m])',
        f'max_over_time({name}{{{label}="{own}"}}[5m])', f'{name} offset 0s', f'topk(5, {{__name__=~"{name}|x"}})',
    ):  # fmt: skip
        answer = scene.answered("metrics.query", scene.call("metrics.query", thief, query=query))
        if query == name and not answer.ok:
            raise Unassessed(f"metrics.query answered {answer.status}, so {scene.stranger} sees nothing at all")
        found = [one for one in (scene.operation("metrics.query").items(answer) or []) if answer.ok]
        seen = [one for one in found if _tells(one, name, own)]
        check(not seen and not _counts(query, found), f"{scene.stranger} is answered about {own}'s series by: {query}")


def _tells(series: Any, name: str, tenant: str) -> bool:
    metric = series.get("metric", {}) if isinstance(series, dict) else {}
    return name in repr(metric) or tenant in metric.values() or "shop" in metric


def _counts(query: str, found: list[Any]) -> bool:
    """Aggregates over nothing are empty, so any answer to these is about the other's series."""
    return bool(found) and query.startswith(("sum(", "count(", "vector(1) and"))


@journey("isolation.alert-of-another-is-missing", "alerts.webhook", "alerts.list", "alerts.get")
def alert(scene: Scene) -> None:
    """Another tenant's alert is neither listed nor found nor to be acted on."""
    one = fired(scene, "Private")
    viewer, editor = scene.who("viewer", scene.stranger), scene.who("editor", scene.stranger)
    check(
        one["id"] not in repr(scene.items("alerts.list", viewer, limit=200)), f"{scene.stranger} sees the alert listed"
    )
    foreign = scene.target.profile.expect.foreign
    shown = scene.refused("alerts.get", viewer, foreign, "it is another tenant's", alert_id=one["id"])
    missing = scene.call("alerts.get", viewer, alert_id="00000000-0000-4000-8000-000000000000")
    scene.same_refusal(shown, missing, "the answer for another's alert, beside that for none")
    for name in ("alerts.acknowledge", "alerts.resolve"):
        if scene.target.operation(name) is not None:
            scene.refused(name, editor, foreign, "it is another tenant's", alert_id=one["id"])
    still = scene.ok("alerts.get", scene.who("viewer"), alert_id=one["id"]).json["status"]
    equal(still, "active", "the status after a stranger tried to act")


@journey("isolation.writing-keeps-the-tenant", "ingest.logs", "search.logs")
def writing(scene: Scene) -> None:
    """What a writer claims about the tenant does not count: the token's tenant has the record, nobody else."""
    log = Log(
        scene.moment(0),
        f"{scene.mark} order smuggled",
        attributes={"tenant": scene.stranger, "tenant_id": scene.stranger},
    )
    payload = telemetry.logs_request(scene.service, [log])
    payload["resourceLogs"][0]["resource"]["attributes"].append(
        {"key": "tenant", "value": {"stringValue": scene.stranger}}
    )
    request = scene.operation("ingest.logs").request(payload=payload)
    for header in SPOOFED:
        request = request.with_header(header, scene.stranger)
    scene.writable()
    answer = scene.target.send(request, scene.who("agent"))
    check(answer.ok, f"the write was answered with {answer.status}")
    scene.eventually(lambda: len(scene.mine("search.logs")), lambda found: found == 1, "the record was not found")
    _unseen(scene, repr(scene.mine("search.logs", scene.who("viewer", scene.stranger))), "a write that named them")
