"""`testbed config`: what holds, why it holds, and files to start from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runners.cli.main import Commands
    from runners.cli.session import Session


def register(commands: Commands) -> None:
    group = commands.group("config", "settings: show, validate, init")
    group.add(
        "show", _show, "each effective value and where it came from",
        examples="testbed config show\ntestbed config show --set grace=2s --json",
    )  # fmt: skip
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
    settings = resolve(overrides, inventory=inventory_of(session, name))
    rows = [(key, _text(value.value), f"{value.source}: {value.place}") for key, value in settings.sources.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    text = "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in rows)
    session.result({key: value.to_json() for key, value in settings.sources.items()}, text)
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
