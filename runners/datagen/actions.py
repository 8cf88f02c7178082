"""The actions of the suite `data`: from a stage's parameters to what is done."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from pathlib import Path

from runners.datagen import auditing
from runners.datagen import generate as generating
from runners.datagen.plan import count
from runners.datagen.scenario import load_scenario
from runners.datagen.sinks import local_sinks, parse_sink, remote_sinks
from runners.ledger.items import SIGNALS
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


def audit(context: Context) -> Verdict:
    """Params: of {stage, run, folder} of the generate stage; wait_s: how long acknowledged items may stay invisible."""
    params = context.params
    context.events.emit("run.started", plan=[f"audit.{signal}" for signal in SIGNALS])
    for signal in SIGNALS:
        context.events.emit("test.started", id=f"audit.{signal}")
    context.steady()
    began = time.monotonic()
    folder = Path(params["of"]["folder"]) / "artifacts" / "ledger"
    found = auditing.audit_ledger(
        folder,
        context.home,
        environment=str(context.spec["environment"]),
        wait_s=float(params.get("wait_s", auditing.WAIT_S)),
        progress=context.log,
    )
    took_ms = round((time.monotonic() - began) * 1000)
    for path, kind in auditing.write_artifacts(found, context.artifacts):
        relative = str(path.relative_to(context.folder))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        context.events.emit("artifact", path=relative, sha256=digest, kind=kind)
    context.events.emit("ledger", kind="audit", document=found.to_json())
    for signal in SIGNALS:
        message = auditing.sentence(found, signal)
        context.events.emit(
            "test.finished", id=f"audit.{signal}", outcome=found.verdict_of(signal), attempt=1, duration_ms=took_ms,
            **({"message": message} if found.verdict_of(signal) != "passed" else {}),
        )  # fmt: skip
    context.reason = found.reason or None
    return found.verdict
