"""One experiment from its file to its verdict."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from runners.chaos import experiment as experiments
from runners.chaos.conductor import Conductor, appoint
from runners.chaos.experiment import Experiment
from runners.chaos.handler import Handler
from runners.chaos.interrupt import Interrupt
from runners.chaos.judgement import Judged, Seen, judge
from runners.chaos.progress import Tests
from runners.chaos.watch import Watch
from runners.faults import recover, safety, services
from runners.faults.injection import Injector
from runners.faults.safety import Limits
from runners.faults.services import Stack
from runners.lib.errors import NotReady
from runners.probes import HealthRequest, Prober, Request, WriteRequest
from runners.suite import Context, Verdict
from runners.target import open_target

WRITER_ROLE = "agent"


def planned_tests(experiment: Experiment) -> list[str]:
    """Ids of the tests that a run of it will report."""
    middle = ["inject", "recovery"] if experiment.faults else ["method"]
    return ["steady-state-before", *middle, "steady-state-after"]


def run(context: Context) -> Verdict:
    """Action `run`: params `experiment` (path) and `allow_foreign_actions`."""
    path = Path(str(context.params["experiment"]))
    foreign = context.params.get("allow_foreign_actions") is True
    experiment = experiments.load(path, allow_foreign_actions=foreign)
    context.events.emit("run.started", plan=planned_tests(experiment), experiment=experiment.title, file=str(path))
    interrupt, tests = Interrupt(context.stop), Tests(context.events)
    with _chaoslib_log(context), safety.exclusive(context.environment):
        safety.refuse_while_failed(context.environment)
        for record in recover.recover(context.environment):
            context.log(f"settled {record.fault} on {record.target} of run {record.run}: {record.state}")
        if experiment.ours:
            judged = _run_ours(context, experiment, interrupt, tests)
        else:
            judged = _run_plain(context, experiment, interrupt, tests)
    tests.report(judged)
    context.reason = judged.reason
    return judged.verdict


def _run_ours(context: Context, experiment: Experiment, interrupt: Interrupt, tests: Tests) -> Judged:
    stack = services.load(context.environment)
    for name in experiment.targets:
        stack.service(name)
    extension = experiment.extension
    limits = Limits(extension.blast_radius.max_faults, extension.blast_radius.max_targets, extension.deny)
    with open_target(context.environment) as target:
        if experiment.faults:
            target.require("chaos", "container" if stack.kind == "compose" else "process")
        injector = Injector(stack, context.run, limits)
        prober = Prober(_request(context, experiment, stack, target))
        conductor = Conductor(context, experiment, stack, injector, prober, interrupt, tests)
        watch = Watch(
            context.environment, context.events, interrupt, prober, extension.abort_when, begun=conductor.begun
        )
        appoint(conductor)
        tests.begin("steady-state-before")
        prober.start()
        watch.start()
        try:
            ready = conductor.baseline()
            tests.end("steady-state-before")
            if ready:
                context.steady()
            handler = Handler(context, interrupt, tests, plain=False, after=conductor.wait_for_others)
            if ready and not interrupt.stop.is_set():
                _play(context, experiment, handler, continuously=extension.during.every)
            conductor.end_all()
            after = handler.after if experiment.hypothesis else (ready and conductor.baseline(2.0))
        finally:
            conductor.end_all()
            appoint(None)
            prober.stop()
            watch.close()
    before = (ready and handler.before is not False) if (ready or interrupt.reason is None) else None
    return judge(
        Seen(
            before, after if before and handler.played else None, conductor.outcomes, len(experiment.faults),
            extension.recovery.objective, interrupt.reason, handler.failed, experiment.actions,
        )
    )  # fmt: skip


def _run_plain(context: Context, experiment: Experiment, interrupt: Interrupt, tests: Tests) -> Judged:
    """An experiment of Chaos Toolkit's own kind: chaoslib's word is what there is."""
    watch = Watch(context.environment, context.events, interrupt, None)
    handler = Handler(context, interrupt, tests, plain=True, after=lambda: None)
    watch.start()
    try:
        context.steady()
        _play(context, experiment, handler)
    finally:
        watch.close()
    asked = experiment.hypothesis
    return judge(
        Seen(
            handler.before if asked else True, handler.after if asked else handler.played or None, [], 0,
            0.0, interrupt.reason, handler.failed, experiment.actions,
        )
    )  # fmt: skip


def _request(context: Context, experiment: Experiment, stack: Stack, target: Any) -> Request:
    wanted = experiment.extension.recovery
    if wanted.probe == "health":
        name = wanted.target or (experiment.faults[0].target if experiment.faults else experiment.targets[0])
        check = stack.service(name).health
        if check.get("type") != "http":
            raise NotReady(f"{name} has no health address over HTTP", remedy="use 'probe: write' in recovery")
        return HealthRequest(str(check["url"]))
    if "ingest" not in target.urls or not target.tenants:
        raise NotReady("the target has no ingest address or no tenants: there is nothing to write to")
    writer = target.identity(target.tenants[0], WRITER_ROLE)
    return WriteRequest(target.urls["ingest"], context.run, writer, target.tokens)


def _play(context: Context, experiment: Experiment, handler: Handler, continuously: float | None = None) -> None:
    """chaoslib's run, in this (the main) thread; its journal becomes an artifact."""
    from chaoslib.experiment import run_experiment
    from chaoslib.types import Schedule, Strategy

    strategy = Strategy.CONTINUOUS if continuously is not None and experiment.hypothesis else Strategy.DEFAULT
    schedule = Schedule(continuous_hypothesis_frequency=continuously or 1.0)
    # Rollbacks of others are played however the run ends; ours come from the journal, whatever chaoslib does.
    rollbacks = "always" if experiment.document.get("rollbacks") else "default"
    settings = {"runtime": {"rollbacks": {"strategy": rollbacks}}}
    try:
        journal = run_experiment(
            experiment.document, settings=settings, strategy=strategy, schedule=schedule, event_handlers=[handler]
        )
    except SystemExit:
        return  # interrupted where chaoslib does not expect it
    _keep(context, journal)


def _keep(context: Context, journal: dict[str, Any]) -> None:
    data = json.dumps(journal, indent=1, default=str).encode()
    path = context.artifacts / "chaos-journal.json"
    path.write_bytes(data)
    context.events.emit(
        "artifact", path=str(path.relative_to(context.folder)), sha256=sha256(data).hexdigest(), kind="chaos-journal"
    )


_STEADY_STATE_LEFT = re.compile(r"Continuous steady state probe '(.+)' is not in the given tolerance")


class _ToEvents(logging.Handler):
    def __init__(self, context: Context) -> None:
        super().__init__(logging.WARNING)
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if left := _STEADY_STATE_LEFT.match(message):  # while a fault lasts that is to be expected, and no warning
            self._context.log(f"steady state left: {left[1]} does not hold", level="info")
        else:
            self._context.log(message, level=record.levelname.lower().replace("warning", "warn"))


@contextmanager
def _chaoslib_log(context: Context) -> Iterator[None]:
    """chaoslib's warnings belong into the event stream, not onto stderr."""
    logger, handler = logging.getLogger("chaostoolkit"), _ToEvents(context)
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
