"""The actions of the suite `data`: from a stage's parameters to what is done, its events and its verdict.

What reads back and who signs in are imported where they are needed: they take as long to import as the generator, and each
of a run's shards is a process of its own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runners.datagen import generate as generating
from runners.datagen.crew import Crew, die_with_parent
from runners.datagen.labels import LABELS, labels
from runners.datagen.scenario import load_scenario
from runners.datagen.shard import Shard
from runners.datagen.sinks import Place, outlet, parse_sinks
from runners.ledger.header import read_header
from runners.ledger.items import SIGNALS
from runners.lib.errors import FileError, NotReady, TestbedError
from runners.lib.files import write_json
from runners.lib.text import did_you_mean
from runners.lib.units import parse_duration
from runners.suite import Context, Verdict

if TYPE_CHECKING:
    from runners.target import Target

RESUME, MOST_SHARDS = "data.resume", 32
GENERATE, SCORE = "data.generate", "data.score"
Finish = Callable[[str, Verdict | Literal["skipped"], str], None]


def generate(context: Context) -> Verdict:
    """Params: scenario (path), duration_s, sink (one or a list), start_ns (of a backfill: at full speed), shards (how
    many processes make it). Of a process that makes one of them also: shard ([index, of]), ledger (its folder), paced.
    Raises TestbedError for what cannot be begun."""
    with _tests(context, [GENERATE]) as finish:
        _only(context, "scenario", "duration_s", "sink", "start_ns", "shards", "shard", "ledger", "paced")
        params = context.params
        scenario = load_scenario(Path(params["scenario"]))
        duration_s = params.get("duration_s")
        given = params.get("sink") or []
        places = parse_sinks([given] if isinstance(given, str) else given)
        with ExitStack() as stack:
            target = _target(context, places, stack)
            outlets = tuple(outlet(place, scenario, target) for place in places)
            length = None if duration_s is None else float(duration_s)
            lasts_s = length or scenario.file.duration
            backfill = params.get("start_ns")
            paced = any(place.remote for place in places) and backfill is None
            back_ns = 0 if paced else round(lasts_s * 1e9)
            start_ns = time.time_ns() - back_ns if backfill is None else int(backfill)
            shards = _shards(context)
            shard = Shard(*params.get("shard", (0, shards)))
            if shard.part:
                die_with_parent()
                paced = bool(params["paced"])
            order = generating.Order(
                scenario=scenario, seed=context.seed, start_ns=start_ns, duration_s=length, outlets=outlets,
                paced=paced, environment=str(context.spec["environment"]), shard=shard,
            )  # fmt: skip
            folder = Path(params.get("ledger") or context.artifacts / "ledger")
            crew = None
            if shards > 1 and not shard.part:
                complete = params | {"start_ns": start_ns, "paced": paced}
                crew = partial(Crew, context, shards, folder, complete)
            told = labels(scenario, run=context.run, seed=context.seed, start_ns=start_ns, duration_s=lasts_s)
            _artifact(context, LABELS, told, "labels")  # before it begins: it is known, whatever becomes of the run
            due = any(one["alert"] for one in told["anomalies"])
            if due and target is not None and not shard.part:
                from runners.datagen.scoring import unheard

                if why := unheard(context.environment):
                    context.log(f"alerts are due in this run, but {why}", level="warn")
            verdict, why = generating.run(context, order, folder, crew)
        context.reason = why or None
        finish(GENERATE, verdict, why)
    return verdict


def resume(context: Context) -> Verdict:
    """Params: ledger (folder of an interrupted run). What was acknowledged, rejected or accepted in part is not sent again;
    everything else of the run's plan is, with the keys it had. Raises TestbedError for what cannot be taken up again."""
    from runners.datagen.auditing import scenario_of

    with _tests(context, [RESUME]) as finish:
        _only(context, "ledger")
        folder = Path(context.params["ledger"])
        header = read_header(folder)
        scenario = scenario_of(folder, header)
        places = parse_sinks(header.outlets)
        if any(place.kind == "stdout" for place in places):
            raise NotReady(
                "the run wrote to the standard output of a process that is gone", file=folder,
                remedy="make it again: testbed data generate",
            )  # fmt: skip
        with ExitStack() as stack:
            target = _target(context, places, stack)
            order = generating.Order(
                scenario=scenario, seed=header.seed, start_ns=header.start_ns, duration_s=header.duration_s,
                outlets=tuple(outlet(place, scenario, target) for place in places),
                paced=any(place.remote for place in places), environment=header.environment, resumed=header,
            )  # fmt: skip
            verdict, why = generating.run(context, order, folder)
        context.reason = why or None
        finish(RESUME, verdict, why)
    return verdict


def audit(context: Context) -> Verdict:
    """Params: of {stage, run, folder} of the generate stage; wait: how long acknowledged items may stay invisible; from: a
    store to read itself, or a list of them; single_tenant: all tenants are one to these stores; flush: tell a Loki to flush
    first."""
    from runners.datagen import auditing
    from runners.datagen.reading import parse_stores

    with _tests(context, [f"audit.{signal}" for signal in SIGNALS]) as finish:
        _only(context, "of", "wait", "from", "single_tenant", "flush")
        context.steady()
        given = context.params.get("from") or []
        found = auditing.audit_ledger(
            Path(context.params["of"]["folder"]) / "artifacts" / "ledger",
            context.home,
            environment=str(context.spec["environment"]),
            wait_s=_wait_s(context),
            progress=context.log,
            stores=parse_stores([given] if isinstance(given, str) else given),
            shared=bool(context.params.get("single_tenant", False)),
            flush=bool(context.params.get("flush", False)),
        )
        for path, kind in auditing.write_artifacts(found, context.artifacts):
            _tell_artifact(context, path, kind)
        context.events.emit("ledger", kind="audit", document=found.to_json())
        context.reason = found.reason or None
        for signal in SIGNALS:
            outcome = "skipped" if signal in found.unread else found.verdict_of(signal)
            finish(f"audit.{signal}", outcome, auditing.sentence(found, signal))
    return found.verdict


def _artifact(context: Context, name: str, document: dict[str, Any], kind: str) -> None:
    path = context.artifacts / name
    write_json(path, document)
    _tell_artifact(context, path, kind)


def _tell_artifact(context: Context, path: Path, kind: str) -> None:
    relative = str(path.relative_to(context.folder))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    context.events.emit("artifact", path=relative, sha256=digest, kind=kind)


def score(context: Context) -> Verdict:
    """Params: of {stage, run, folder} of the generate stage; min_recall, min_precision: the least that passes (0.9)."""
    from runners.datagen import scoring

    with _tests(context, [SCORE]) as finish:
        _only(context, "of", "min_recall", "min_precision")
        context.steady()
        found = scoring.score_run(
            Path(context.params["of"]["folder"]) / "artifacts" / "ledger", context.home,
            environment=str(context.spec["environment"]),
            recall=_least(context, "min_recall", scoring.GOOD_ENOUGH),
            precision=_least(context, "min_precision", scoring.GOOD_ENOUGH), progress=context.log, stop=context.stop.wait,
        )  # fmt: skip
        document = found.to_json()
        _artifact(context, "score.json", document, "score")
        context.events.emit("score", document=document)
        for name in ("recall", "precision"):
            context.events.emit("metric.declare", name=f"score.{name}", unit="share", kind="gauge", labels={})
            if (value := document.get(name)) is not None:
                context.events.points([{"series": f"score.{name}", "t": [time.time()], "v": [value]}])
        context.reason = found.reason or None
        finish(SCORE, found.verdict, scoring.text(found))
    return found.verdict


def _target(context: Context, places: Sequence[Place], closing: ExitStack) -> Target | None:
    """The environment's, where it says who may write to one of these places."""
    if not any(place.signs_in for place in places):
        return None
    from runners.target import open_target

    return closing.enter_context(open_target(context.environment))


@contextmanager
def _tests(context: Context, ids: list[str]) -> Iterator[Finish]:
    """Announce tests and start them; each that was not finished when an error comes is invalid because of it."""
    context.events.emit("run.started", plan=ids)
    for id_ in ids:
        context.events.emit("test.started", id=id_)
    began, open_ = time.monotonic(), list(ids)

    def finish(id_: str, outcome: Verdict | Literal["skipped"], message: str) -> None:
        open_.remove(id_)
        context.events.emit(
            "test.finished", id=id_, outcome=outcome, attempt=1,
            duration_ms=round((time.monotonic() - began) * 1000),
            **({"message": message} if outcome != "passed" else {}),
        )  # fmt: skip

    try:
        yield finish
    except TestbedError as error:
        for id_ in list(open_):
            finish(id_, "invalid", str(error))
        raise


def _only(context: Context, *known: str) -> None:
    """Raises FileError for a parameter that the action does not have: a typing error must not pass in silence."""
    for name in context.params:
        if name not in known:
            raise FileError(f"stage {context.stage}: unknown parameter '{name}'", remedy=did_you_mean(name, known))


def _shards(context: Context) -> int:
    shards = context.params.get("shards", 1)
    if not isinstance(shards, int) or isinstance(shards, bool) or not 1 <= shards <= MOST_SHARDS:
        raise FileError(
            f"stage {context.stage}: shards: {shards!r}", remedy=f"write a whole number from 1 to {MOST_SHARDS}"
        )
    return shards


def _wait_s(context: Context) -> float | None:
    given = context.params.get("wait")
    try:
        return None if given is None else parse_duration(given)
    except ValueError as error:
        raise FileError(f"stage {context.stage}: wait: {error}") from None


def _least(context: Context, name: str, usual: float) -> float:
    """A share that the score must reach."""
    value = context.params.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise FileError(
            f"stage {context.stage}: {name}: {value!r} is not between 0 and 1", remedy="write for example 0.9"
        )
    return float(value)
