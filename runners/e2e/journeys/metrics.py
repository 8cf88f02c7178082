"""PromQL over what was written: the right number, or a refusal."""

from __future__ import annotations

import math
from typing import Any

from runners.e2e.journey import Broken, check, equal, journey
from runners.e2e.scene import Scene
from runners.e2e.telemetry import Point

STEP_S = 10


def written_counter(scene: Scene) -> str:
    """A counter of two shops, +5 and +20 every ten seconds for five minutes up to now; its name."""
    name = f"{scene.mark}_orders_total"
    start = scene.began_ns // 10**9 - 300
    scene.write_points(
        [
            Point((start + number * STEP_S) * 10**9, name, float(number * growth), {"shop": shop}, counter=True)
            for shop, growth in (("north", 5), ("south", 20))
            for number in range(31)
        ]
    )
    scene.eventually(
        lambda: _instant(scene, f"count({name})", start + 300),
        lambda found: found == {(): 2.0},
        "the counter was not found",
    )
    return name


def _instant(scene: Scene, query: str, at_s: float) -> dict[tuple[str, ...], float]:
    """Value by the values of the labels shop, of an instant query."""
    answer = scene.call("metrics.query", scene.who("viewer"), query=query, time=at_s)
    if not answer.ok:
        raise Broken(f"{query} answered {answer.status}")
    found: dict[tuple[str, ...], float] = {}
    for series in scene.operation("metrics.query").items(answer) or []:
        labels = series.get("metric") or {}
        found[tuple(labels[key] for key in ("shop",) if key in labels)] = float(series["value"][1])
    return found


@journey("metrics.answer-the-right-number", "ingest.metrics", "metrics.query")
def right_number(scene: Scene) -> None:
    """Rates and sums over a known counter are what arithmetic says."""
    name = written_counter(scene)
    end = scene.began_ns // 10**9
    expected: dict[str, dict[tuple[str, ...], float]] = {
        f"rate({name}[2m])": {("north",): 0.5, ("south",): 2.0},
        f"sum(rate({name}[2m]))": {(): 2.5},
        f'increase({name}{{shop="south"}}[1m])': {("south",): 120.0},
        f"max by (shop) ({name})": {("north",): 150.0, ("south",): 600.0},
        f"sum({name}) / 2": {(): 375.0},
    }
    for query, wanted in expected.items():
        found = _instant(scene, query, end)
        equal(set(found), set(wanted), f"the series of {query}")
        for labels, value in wanted.items():
            check(
                math.isclose(found[labels], value, rel_tol=0.02),
                f"{query} {labels}: {found[labels]} instead of {value}",
            )


@journey("metrics.ranges-have-every-step", "ingest.metrics", "metrics.query", "metrics.query_range")
def ranges(scene: Scene) -> None:
    """A range query answers each step once, in order."""
    name = written_counter(scene)
    end = scene.began_ns // 10**9
    series = scene.items(
        "metrics.query_range", scene.who("viewer"), query=f"sum({name})", start=end - 120, end=end, step=20
    )
    equal(len(series), 1, "the number of series")
    equal([round(float(t)) for t, _ in series[0]["values"]], list(range(end - 120, end + 1, 20)), "the steps")


@journey("metrics.labels-are-listed", "ingest.metrics", "metrics.query", "metrics.labels")
def labels(scene: Scene) -> None:
    """The names of metrics that were written are offered, and none of another tenant."""
    name = written_counter(scene)
    check(name in _values(scene, scene.tenant), f"{name} is not among the names")
    check(name not in _values(scene, scene.stranger), f"{name} is shown to {scene.stranger}")


def _values(scene: Scene, tenant: str) -> list[Any]:
    answer = scene.ok("metrics.labels", scene.who("viewer", tenant), label="__name__")
    return list((answer.json or {}).get("data") or [])


@journey("metrics.refuse-what-they-cannot", "metrics.query")
def refuses(scene: Scene) -> None:
    """A query that cannot be read, or not be evaluated, is refused: never a wrong number."""
    who = scene.who("viewer")
    scene.ok("metrics.query", who, query="up")  # where queries are answered at all
    for query in ("sum(", "rate(up)", "nonsense{}{}"):
        answer = scene.call("metrics.query", who, query=query)
        check(
            answer.status in (*scene.target.profile.expect.invalid, 501), f"{query!r} was answered with {answer.status}"
        )
