"""Figures that add up, and say nothing where nothing is known."""

from __future__ import annotations

import math
from typing import Any

from runners.e2e.journey import check, equal, journey
from runners.e2e.journeys.metrics import written_counter
from runners.e2e.journeys.search import written_logs
from runners.e2e.scene import Scene


@journey("insights.costs-add-up", "ingest.logs", "search.logs", "insights.cost_breakdown")
def costs(scene: Scene) -> None:
    """The costs of the services add up to the total, and their shares to a hundred."""
    written_logs(scene, 10)
    answer = scene.ok("insights.cost_breakdown", scene.who("viewer")).json
    items: list[dict[str, Any]] = answer["items"]
    check(items, "no service costs anything, though telemetry is stored")
    check(
        math.isclose(sum(one["cost"] for one in items), answer["total"], rel_tol=0.01, abs_tol=0.01),
        f"the services cost {sum(one['cost'] for one in items):.4f}, the total says {answer['total']}",
    )
    check(abs(sum(one["share_pct"] for one in items) - 100) < 1, "the shares do not add up to 100 %")


@journey(
    "insights.dashboard-tells-ones-own", "insights.dashboard", "insights.resource_utilization", "insights.anomalies"
)
def dashboard(scene: Scene) -> None:
    """The overview answers, and none of its parts names another tenant."""
    stranger = scene.who("viewer", scene.stranger)
    if scene.target.operation("ingest.logs") is not None and scene.target.operation("search.logs") is not None:
        written_logs(scene, 10)  # something of which a mix-up would tell
    overview = scene.ok("insights.dashboard", stranger).json
    equal(overview["cost"]["currency"], "USD", "the currency")
    parts = {"insights.dashboard": overview}
    for name in ("insights.resource_utilization", "insights.anomalies"):
        parts[name] = scene.items(name, stranger)
    for name, part in parts.items():
        for foreign in (scene.service, scene.tenant):
            check(f"'{foreign}'" not in repr(part), f"{name} names {foreign} to {scene.stranger}")


@journey("insights.trend-is-the-slope", "ingest.metrics", "metrics.query", "insights.trend_analysis")
def trend(scene: Scene) -> None:
    """A counter that grows by a known rate has that slope."""
    name = written_counter(scene)
    end = scene.began_ns
    answer = scene.ok(
        "insights.trend_analysis", scene.who("viewer"), query=f'{name}{{shop="south"}}', step=10,
        **{"from": str(end - 280 * 10**9), "to": str(end)},
    ).json  # fmt: skip
    equal(answer["trend"]["direction"], "rising", "the direction")
    check(
        math.isclose(answer["trend"]["slope_per_h"], 7200, rel_tol=0.1),
        f"the slope is {answer['trend']['slope_per_h']} an hour",
    )
