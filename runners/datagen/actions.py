"""The actions of the suite `data`: from a stage's parameters to what is done."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from runners.datagen import generate as generating
from runners.datagen.plan import count
from runners.datagen.scenario import load_scenario
from runners.datagen.sinks import local_sinks, parse_sink, remote_sinks
from runners.suite import Context, Verdict
from runners.target import open_target


def generate(context: Context) -> Verdict:
    """Params: scenario (path), duration_s, sink. Raises TestbedError for what cannot be begun."""
    params = context.params
    scenario = load_scenario(Path(params["scenario"]))
    duration_s = params.get("duration_s")
    place = parse_sink(params.get("sink"))
    with ExitStack() as stack:
        if place.remote:
            target = stack.enter_context(open_target(context.environment))
            url = place.where or target.urls["ingest"]
            sinks, sink = remote_sinks(url, scenario, target), url
        else:
            sinks, sink = local_sinks(place), params["sink"]
        order = generating.Order(
            scenario=scenario,
            seed=context.seed,
            duration_s=None if duration_s is None else float(duration_s),
            sink=sink,
            sinks=sinks,
            paced=place.remote,
            environment=str(context.spec["environment"]),
        )
        planned = sum(count(scenario, context.seed, order.duration_s).items.values())
        return generating.run(context, order, planned)
