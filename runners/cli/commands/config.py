"""`testbed config`: what holds, why it holds, and files to start from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runners.cli.main import Commands
    from runners.cli.session import Session


def register(commands: Commands) -> None:
    group = commands.group("config", "settings: show, diff, validate, init")
    group.add(
        "show", _show, "each effective value and where it came from; with --env all of the environment's",
        examples="testbed config show\ntestbed config show --set grace=2s --json\ntestbed config show --env local",
    )  # fmt: skip
    diff = group.add(
        "diff", _diff, "values that two environments do not have in common",
        examples="testbed config diff blue green\ntestbed config diff local compose --json",
    )  # fmt: skip
    diff.add_argument("first", metavar="ENV")
    diff.add_argument("second", metavar="ENV")
    validate = group.add(
        "validate", _validate, "check campaign, scenario, experiment and target files",
        examples="testbed config validate campaigns/nightly.yaml\ntestbed config validate",
    )  # fmt: skip
    validate.add_argument("files", nargs="*", metavar="FILE", help="default: all that are found by name here")
    init = group.add(
        "init", _init, "copy the shipped campaigns, scenarios and experiments to start from",
        examples="testbed config init\ntestbed config init my-tests",
    )  # fmt: skip
    init.add_argument("folder", nargs="?", default=".", metavar="DIR", help="where to (default: here)")


def _show(session: Session, args: argparse.Namespace) -> int:
    from runners.cli.launch import inventory_of
    from runners.config.settings import resolve

    overrides = dict(session.overrides)
    if session.env and "environment" not in overrides:
        overrides["environment"] = session.env
    name = resolve(overrides)["environment"]
    if session.env:
        entries = _explained(session, name, overrides)
    else:
        settings = resolve(overrides, inventory=inventory_of(session, name))
        entries = {key: value.to_json() for key, value in settings.sources.items()}
    rows = [(key, _text(item["value"]), f"{item['source']}: {item['place']}") for key, item in entries.items()]
    widths = [min(60, max(len(row[column]) for row in rows)) for column in (0, 1)]
    text = "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in rows)
    session.result(entries, text)
    return 0


def _explained(session: Session, name: str, overrides: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Every value of one environment. Raises FileError for group_vars that are not right."""
    from runners.cli.launch import inventory_of
    from runners.config.settings import resolve
    from runners.environment import inventory
    from runners.environment.explain import explain

    place = inventory_of(session, name)
    if place is None:
        place = inventory.of_environment(name)  # says what is wrong
    inventory.load(place)
    settings = resolve({**overrides, "environment": name}, inventory=place)
    return explain(session.home.env(name), place, settings)


def _diff(session: Session, args: argparse.Namespace) -> int:
    from runners.environment.explain import difference

    names = [session.environment_name(name) for name in (args.first, args.second)]
    first, second = (_explained(session, name, session.overrides) for name in names)
    items = [item for item in difference(first, second) if item["key"] != "environment"]
    lines = []
    for item in items:
        lines.append(item["key"])
        for name, entry in zip(names, (item["first"], item["second"]), strict=True):
            said = "–" if entry is None else f"{_text(entry['value'])}  ({entry['source']}: {entry['place']})"
            lines.append(f"  {name:<12} {said}")
    document = {"first": names[0], "second": names[1], "items": items}
    session.result(document, "\n".join(lines) or f"{names[0]} and {names[1]} have the same values")
    return 0


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "–" if isinstance(value, list) else str(value)


def _validate(session: Session, args: argparse.Namespace) -> int:
    from pathlib import Path

    from runners.cli.validation import kind_of, validate
    from runners.config.lookup import available
    from runners.lib.errors import TestbedError

    paths = [Path(name) for name in args.files]
    if not paths:
        for kind in ("campaigns", "scenarios", "experiments"):
            paths += available(kind).values()
    items, worst = [], 0
    for path in paths:
        kind = "?"
        try:
            kind = kind_of(path)
            validate(path, kind)
            items.append({"file": str(path), "kind": kind, "valid": True, "error": None})
        except TestbedError as error:
            items.append({"file": str(path), "kind": kind, "valid": False, "error": str(error)})
            worst = 2
    lines = [f"✔ {item['kind']:<10} {item['file']}" if item["valid"] else f"✘ {item['error']}" for item in items]
    session.result({"items": items}, "\n".join(lines))
    return worst


def _init(session: Session, args: argparse.Namespace) -> int:
    from pathlib import Path

    from runners.config.settings import copy_shipped

    copied = [str(path) for path in copy_shipped(Path(args.folder))]
    session.result({"copied": copied}, "\n".join(copied))
    session.say("edit them, then: testbed config validate")
    return 0
