"""Campaign files: the grammar, and everything about one that can be wrong before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from runners.config import lookup
from runners.config.document import Document, Seconds, Strict, check, read
from runners.lib.errors import FileError, UsageError
from runners.lib.expr import ExprError
from runners.lib.text import did_you_mean
from runners.orchestrator.spec import MODULES, NEVER_RETRIED
from runners.results.gates import check as check_gate

_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
_SOURCE: dict[str, lookup.Kind] = {"scenario": "scenarios", "experiment": "experiments"}
# suite -> action -> what the stage must name; empty: nothing
ACTIONS: dict[str, dict[str, str]] = {
    "data": {"generate": "scenario", "audit": "of", "score": "of"},
    "load": {"run": "scenario"},
    "chaos": {"run": "experiment"},
    "e2e": {"run": ""},
}

# suite -> action -> what may stand in `with`
PARAMETERS: dict[str, dict[str, tuple[str, ...]]] = {
    "data": {"generate": ("sink", "shards"), "audit": ("wait",), "score": ("min_recall", "min_precision")},
    "load": {"run": ("users", "rate", "spawn_rate", "tenants", "roles", "limit", "window")},
    "chaos": {"run": ("allow_foreign_actions",)},
    "e2e": {"run": ("only", "kind", "workers")},
}


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _gate(value: Any) -> Any:
    """A gate may be written as its expression alone."""
    return {"gate": value} if isinstance(value, str) else value


class StageModel(Strict):
    """A stage as written."""

    name: Annotated[str, Field(pattern=_NAME)]
    suite: str
    scenario: str | None = None
    experiment: str | None = None
    action: str | None = None
    of: str | None = None
    with_: Annotated[dict[str, Any], Field(alias="with", default_factory=dict)]
    needs: Annotated[list[str] | None, BeforeValidator(_list)] = None
    during: str | None = None
    at: Seconds = 0.0
    duration: Seconds | None = None
    timeout: Seconds | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    optional: bool = False
    critical: bool = False


class GateModel(Strict):
    """A gate that may be `optional`: then what cannot be computed is listed and spoils nothing; a failure still does."""

    gate: str
    optional: bool = False


class CampaignModel(Strict):
    """A campaign as written. environment, seed, timeout, grace, on_disconnect and defects are settings."""

    campaign: Annotated[str, Field(pattern=_NAME)]
    description: str = ""
    environment: str | None = None
    seed: int | None = None
    timeout: Seconds | None = None
    grace: Seconds | None = None
    on_disconnect: Literal["continue", "cancel"] | None = None
    defects: Annotated[list[str] | None, BeforeValidator(_list)] = None
    stages: Annotated[list[StageModel], Field(min_length=1)]
    gates: Annotated[list[Annotated[GateModel, BeforeValidator(_gate)]], Field(default_factory=list)]


@dataclass(frozen=True)
class Campaign:
    """A campaign that holds together. files: the scenario or experiment of each stage by name, absolute."""

    document: Document
    model: CampaignModel
    files: Mapping[str, Path]

    @property
    def name(self) -> str:
        return self.model.campaign

    @property
    def path(self) -> Path:
        return self.document.path

    @property
    def stages(self) -> list[StageModel]:
        return self.model.stages


def load(path: Path, overrides: Mapping[str, str] | None = None) -> Campaign:
    """Read and check a campaign file. overrides: `stage.key` to text, as given with --set.

    Raises FileError with file, line and remedy; UsageError when an override is wrong.
    """
    document = read(path)
    campaign = _checked(document)
    if not overrides:
        return campaign
    changed = Document(document.path, _override(campaign, overrides), document.lines)
    try:
        return _checked(changed)
    except FileError as error:
        given = ", ".join(f"--set {key}={value}" for key, value in overrides.items())
        raise UsageError(f"{given}: {error.what}", remedy=error.remedy) from None


def _override(campaign: Campaign, overrides: Mapping[str, str]) -> dict[str, Any]:
    import yaml

    data: dict[str, Any] = {**campaign.document.data}
    data["stages"] = [dict(stage) for stage in data["stages"]]
    stages = {str(stage["name"]): stage for stage in data["stages"]}
    for key, text in overrides.items():
        name, _, rest = key.partition(".")
        if name not in stages:
            raise UsageError(f"--set {key}: no stage '{name}'", remedy=did_you_mean(name, stages))
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"--set {key}: {text!r} is not a value") from None
        inner, _, parameter = rest.partition(".")
        if inner == "with" and parameter:
            stages[name]["with"] = {**(stages[name].get("with") or {}), parameter: value}
        else:
            stages[name][rest] = value
    return data


def _checked(document: Document) -> Campaign:
    model = check(document, CampaignModel)
    names = [stage.name for stage in model.stages]
    files = {}
    for index, stage in enumerate(model.stages):
        at = ("stages", index)
        if stage.name in names[:index]:
            raise document.error(f"stage '{stage.name}' is given twice", (*at, "name"), "give it another name")
        _check_kind(document, at, stage)
        _check_references(document, at, stage, names)
        _check_audited(document, at, stage, model.stages)
        _check_times(document, at, stage, model)
        if path := _source(document, at, stage):
            files[stage.name] = path
    _check_cycles(document, model.stages)
    for index, gate in enumerate(model.gates):
        try:
            check_gate(gate.gate, {stage.name: stage.suite for stage in model.stages})
        except ExprError as error:
            raise document.error(f"gate: {error.what}", ("gates", index), error.remedy) from None
    return Campaign(document, model, files)


def _check_kind(document: Document, at: tuple[str | int, ...], stage: StageModel) -> None:
    if stage.suite not in MODULES:
        raise document.error(f"unknown suite '{stage.suite}'", (*at, "suite"), did_you_mean(stage.suite, MODULES))
    actions = ACTIONS[stage.suite]
    action = action_of(stage)
    if action not in actions:
        what = f"suite {stage.suite} has no action '{action}'"
        raise document.error(what, (*at, "action"), did_you_mean(action, actions))
    wanted = actions[action]
    for key in ("scenario", "experiment", "of"):
        given = getattr(stage, key) is not None
        if key == wanted and not given:
            raise document.error(f"stage {stage.name}: key '{key}' is missing", at, f"say what to run with '{key}:'")
        if key != wanted and given:
            what = f"stage {stage.name}: '{key}' means nothing to {stage.suite} {action}"
            raise document.error(what, (*at, key), f"it takes '{wanted}:'" if wanted else f"remove '{key}'")
    known = PARAMETERS[stage.suite][action]
    for key in stage.with_:
        if key not in known:
            what = f"stage {stage.name}: {stage.suite} {action} has no parameter '{key}'"
            raise document.error(what, (*at, "with", key), did_you_mean(str(key), known))
    if stage.retries and stage.suite in NEVER_RETRIED:
        what = f"stage {stage.name}: {stage.suite} is never retried"
        raise document.error(what, (*at, "retries"), "a second try is another experiment: remove 'retries'")


def action_of(stage: StageModel) -> str:
    """The action, or the suite's usual one."""
    return stage.action or next(iter(ACTIONS[stage.suite]))


def _check_references(document: Document, at: tuple[str | int, ...], stage: StageModel, names: Iterable[str]) -> None:
    others = [name for name in names if name != stage.name]
    mentioned = [("needs", name) for name in stage.needs or []]
    mentioned += [(key, name) for key in ("during", "of") if (name := getattr(stage, key)) is not None]
    for key, name in mentioned:
        if name not in others:
            what = "itself" if name == stage.name else f"'{name}', which is no stage"
            raise document.error(f"stage {stage.name}: {key} names {what}", (*at, key), did_you_mean(name, others))


def _check_audited(document: Document, at: tuple[str | int, ...], stage: StageModel, stages: list[StageModel]) -> None:
    audits = [other.name for other in stages if other.of == stage.name]
    if stage.retries and audits:
        what = f"stage {stage.name}: {audits[0]} would audit its last try only, and what an earlier one wrote unseen"
        raise document.error(what, (*at, "retries"), "remove 'retries'")


def _check_times(document: Document, at: tuple[str | int, ...], stage: StageModel, model: CampaignModel) -> None:
    for key in ("at", "duration", "timeout"):
        value = getattr(stage, key)
        if value is not None and (value < 0 or (value == 0 and key != "at")):
            raise document.error(f"stage {stage.name}: {key} must be more than 0", (*at, key))
    if stage.at and stage.during is None:
        what = f"stage {stage.name}: 'at' counts from the steady phase of a host, but there is no 'during'"
        raise document.error(what, (*at, "at"), "add 'during: STAGE' or remove 'at'")
    if stage.duration and stage.timeout and stage.timeout <= stage.duration:
        what = f"stage {stage.name}: its timeout ({stage.timeout:g} s) is no longer than its duration"
        raise document.error(what, (*at, "timeout"), "give it time to end")
    host = next((other for other in model.stages if other.name == stage.during), None)
    if host and host.duration and stage.at >= host.duration:
        what = f"stage {stage.name} starts at {stage.at:g} s, but {host.name} lasts only {host.duration:g} s"
        raise document.error(what, (*at, "at"), "choose an earlier moment")
    if stage.duration and model.timeout and stage.duration > model.timeout:
        what = f"stage {stage.name} lasts {stage.duration:g} s, longer than the campaign's timeout"
        raise document.error(what, (*at, "duration"), "raise the campaign's 'timeout'")


def _source(document: Document, at: tuple[str | int, ...], stage: StageModel) -> Path | None:
    for key, kind in _SOURCE.items():
        name = getattr(stage, key)
        if name is None:
            continue
        beside: Path = document.path.parent / name
        if "/" in name and not Path(name).is_file() and beside.is_file():
            return beside.absolute()
        try:
            return lookup.find(kind, name)
        except FileError as error:
            raise document.error(error.what, (*at, key), error.remedy) from None
    return None


def _check_cycles(document: Document, stages: list[StageModel]) -> None:
    """Neither `needs` nor `during` may lead back: such stages would wait for each other for ever."""
    awaited = {stage.name: [*(stage.needs or []), *filter(None, [stage.during, stage.of])] for stage in stages}
    index = {stage.name: number for number, stage in enumerate(stages)}
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            what = f"these stages wait for each other: {circle}"
            raise document.error(what, ("stages", index[name]), "remove one 'needs' or 'during'")
        if name not in done:
            for other in awaited[name]:
                visit(other, [*path, name])
            done.add(name)

    for stage in stages:
        visit(stage.name, [])
