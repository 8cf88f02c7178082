"""A Chaos Toolkit experiment file, checked with file and line before anything starts, and made ready for chaoslib."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from runners.chaos.extension import Extension, FaultProvider, ProbeProvider
from runners.config.document import Document, check, read
from runners.faults.kinds import catalogue
from runners.faults.safety import MARGIN_S
from runners.lib.errors import FileError
from runners.lib.text import did_you_mean

Model = TypeVar("Model", bound=BaseModel)
Path_ = tuple[str | int, ...]
ACTIONS = "runners.chaos.actions"


@dataclass(frozen=True)
class PlannedFault:
    """One fault of the method. hold_s: how long it stays in force (kill and restart end by themselves)."""

    activity: str
    fault: str
    target: str
    ttl_s: float
    hold_s: float


@dataclass(frozen=True)
class Experiment:
    """document: what chaoslib runs; faults: ours, in the order of the method; targets: services that it names."""

    path: Path
    title: str
    document: dict[str, Any]
    extension: Extension
    faults: tuple[PlannedFault, ...]
    targets: tuple[str, ...]
    hypothesis: bool
    actions: int

    @property
    def ours(self) -> bool:
        """Does it use the environment's services at all, or is it a plain experiment?"""
        return bool(self.faults or self.targets)


def load(path: Path, *, allow_foreign_actions: bool = False) -> Experiment:
    """Read, check and translate. Raises FileError with the line of what is wrong."""
    source = _read(path)
    if not isinstance(source.data, dict):
        raise source.error("an experiment is a mapping with title, description and method")
    document = copy.deepcopy(source.data)
    found = _Found(_extension(source))
    for at, activity in _activities(document):
        if not isinstance(activity, dict):
            raise source.error("an activity is a mapping", at)
        _translate(source, at, activity, found)
    if not allow_foreign_actions:
        _refuse_foreign(source, document)
    _validate(source, document)
    method = document.get("method") or []
    return Experiment(
        path, str(document["title"]), document, found.extension, tuple(found.faults), tuple(found.targets),
        bool((document.get("steady-state-hypothesis") or {}).get("probes")),
        sum(1 for activity in method if activity.get("type") == "action"),
    )  # fmt: skip


def _read(path: Path) -> Document:
    """YAML; JSON is nearly all YAML, but for tabs."""
    if path.suffix != ".json":
        return read(path)
    try:
        return read(path)
    except FileError:
        try:
            return Document(path, json.loads(path.read_text(encoding="utf-8")), {(): 1})
        except json.JSONDecodeError as error:
            raise FileError(f"not valid JSON: {error.msg}", file=path, line=error.lineno) from None


def _activities(document: dict[str, Any]) -> Iterator[tuple[Path_, Any]]:
    hypothesis = document.get("steady-state-hypothesis") or {}
    places: list[tuple[Path_, Any]] = [
        (("method",), document.get("method")),
        (("rollbacks",), document.get("rollbacks")),
    ]
    if isinstance(hypothesis, dict):
        places.append((("steady-state-hypothesis", "probes"), hypothesis.get("probes")))
    for at, items in places:
        for number, activity in enumerate(items if isinstance(items, list) else []):
            yield (*at, number), activity


def _part(source: Document, at: Path_) -> Document:
    """A part of the document as one of its own, with the lines of the whole."""
    data = source.data
    for key in at:
        data = data[key]
    lines = {key[len(at) :]: line for key, line in source.lines.items() if key[: len(at)] == at}
    lines.setdefault((), source.line(at) or 1)
    return Document(source.path, data, lines)


def _checked(source: Document, at: Path_, model: type[Model]) -> Model:
    return check(_part(source, at), model)


def _extension(source: Document) -> Extension:
    for number, item in enumerate(source.data.get("extensions") or []):
        if isinstance(item, dict) and item.get("name") == "testbed":
            return _checked(source, ("extensions", number), Extension)
    return Extension()


@dataclass
class _Found:
    """What the translation meets on its way."""

    extension: Extension
    faults: list[PlannedFault] = field(default_factory=list)
    targets: dict[str, None] = field(default_factory=dict)


def _translate(source: Document, at: Path_, activity: dict[str, Any], found: _Found) -> None:
    """Turn a provider of ours into the Python provider that chaoslib knows."""
    provider = activity.get("provider")
    if not isinstance(provider, dict) or provider.get("type") != "testbed":
        return
    here = (*at, "provider")
    if "probe" in provider:
        probe = _checked(source, here, ProbeProvider)
        if probe.probe == "health" and probe.target is None:
            raise source.error("a health probe needs a target", here, "add 'target:' with the name of a service")
        if at[0] == "steady-state-hypothesis":
            activity.setdefault("tolerance", True)
        if probe.target is not None:
            found.targets[probe.target] = None
        arguments: dict[str, Any] = {"probe": probe.probe, "target": probe.target}
        activity["provider"] = _python("probe", arguments)
        return
    if at[0] != "method":
        raise source.error("a fault belongs into the method", here, "its revert comes by itself: no rollback is needed")
    fault = _fault(source, here, activity, found.extension)
    found.faults.append(fault)
    found.targets[fault.target] = None
    arguments = {"fault": fault.fault, "target": fault.target, "ttl_s": fault.ttl_s, "hold_s": fault.hold_s}
    activity["provider"] = _python("inject", arguments)


def _python(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "python", "module": ACTIONS, "func": function, "arguments": arguments}


def _fault(source: Document, at: Path_, activity: dict[str, Any], extension: Extension) -> PlannedFault:
    given = _checked(source, at, FaultProvider)
    kinds = catalogue()
    if given.fault not in kinds:
        raise source.error(f"there is no fault '{given.fault}'", (*at, "fault"), did_you_mean(given.fault, kinds))
    if activity.get("type") != "action":
        raise source.error("a fault is an action", (*at[:-1], "type"), "write 'type: action'")
    ttl, hold = given.ttl or extension.ttl, given.hold or extension.hold
    if not kinds[given.fault].heals and hold > ttl - MARGIN_S:
        raise source.error(
            f"a hold of {hold:g} s does not fit into a time to live of {ttl:g} s", at,
            f"leave at least {MARGIN_S:g} s for the revert",
        )  # fmt: skip
    if given.target in extension.deny:
        raise source.error(f"target '{given.target}' is on this experiment's own deny list", (*at, "target"))
    return PlannedFault(str(activity.get("name", given.fault)), given.fault, given.target, ttl, hold)


def _refuse_foreign(source: Document, document: dict[str, Any]) -> None:
    """Python code from outside the standard library runs only when the user says so."""
    for at, holder in _walk(document, ()):
        module = holder.get("module")
        if holder.get("type") != "python" or not isinstance(module, str):
            continue
        ours = module == ACTIONS and _untouched(source, at)
        if not ours and module.split(".")[0] not in sys.stdlib_module_names:
            raise source.error(
                f"module '{module}' is neither ours nor of the standard library", (*at, "module"),
                "allow it with --allow-foreign-actions (in a campaign: with: {allow_foreign_actions: true})",
            )  # fmt: skip


def _untouched(source: Document, at: Path_) -> bool:
    """Was this provider written by `_translate`, not by the user?"""
    data = source.data
    for key in at:
        data = data[key]
    return bool(data.get("type") == "testbed")


def _walk(value: Any, at: Path_) -> Iterator[tuple[Path_, dict[str, Any]]]:
    if isinstance(value, dict):
        yield at, value
        for key, inner in value.items():
            yield from _walk(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, (*at, number))


def _validate(source: Document, document: dict[str, Any]) -> None:
    """chaoslib's own validation, activity by activity, so that an error has a line."""
    from chaoslib.activity import ensure_activity_is_valid
    from chaoslib.exceptions import ChaosException
    from chaoslib.experiment import ensure_experiment_is_valid

    at: Path_ = ()
    try:
        for at, activity in _activities(document):  # noqa: B007  (the handler names the last one)
            ensure_activity_is_valid(activity)
        at = ()
        ensure_experiment_is_valid(document)
    except ChaosException as error:
        raise source.error(str(error), at, "see chaostoolkit.org/reference/api/experiment") from None
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise source.error(f"not a Chaos Toolkit experiment: {error}", at) from None
