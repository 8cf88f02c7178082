"""What a controller asks the host of an environment: `python -m runners.environment.remote.console FOLDER look|state|restart|log …`.

Prints one JSON document; whatever is wrong is in it as `error`, with a `remedy`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from runners.environment.local import log as read_log
from runners.environment.local import look as look_here
from runners.environment.local import restart as restart_here
from runners.faults import journal
from runners.lib.errors import TestbedError
from runners.lib.files import read_json
from runners.lib.home import Environment


def main(arguments: list[str] | None = None) -> int:
    """Answers one question."""
    parser = argparse.ArgumentParser(prog="runners.environment.remote.console")
    parser.add_argument("environment", type=Path)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("look")
    actions.add_parser("state")
    for name in ("restart", "log"):
        action = actions.add_parser(name)
        action.add_argument("service")
        action.add_argument("--number", type=float, default=60)
    options = parser.parse_args(arguments)
    environment = Environment(options.environment)
    recorded = read_json(environment.state)
    if recorded is None and options.action != "state":
        found: dict[str, Any] = {"error": f"there is no environment in {environment.root} on the host"}
    else:
        try:
            found = _ACTIONS[options.action](environment, recorded or {}, options)
        except TestbedError as error:
            found = {"error": error.what, "remedy": error.remedy}
    print(json.dumps(found))
    return 0


def look(environment: Environment, recorded: dict[str, Any], _options: Any = None) -> dict[str, Any]:
    """`{state, units, reasons, open}`: what status needs to know. units: None without a supervisord."""
    seen = look_here(recorded)
    return {
        "state": recorded.get("state"), "reasons": dict(seen.reasons),
        "units": None if seen.units is None else {name: vars(unit) for name, unit in seen.units.items()},
        "open": [record.id for record in journal.open_entries(environment.journal)],
    }  # fmt: skip


def _state(environment: Environment, recorded: dict[str, Any], _options: Any) -> dict[str, Any]:
    return {"state": recorded or None, "failure": read_json(environment.failure)}


def _restart(_environment: Environment, recorded: dict[str, Any], options: Any) -> dict[str, Any]:
    entries = {item["name"]: item for item in recorded.get("services") or []}
    if options.service not in entries:
        return {"error": f"no service '{options.service}' on the host"}
    return restart_here(recorded, entries[options.service], options.number)


def _log(environment: Environment, recorded: dict[str, Any], options: Any) -> dict[str, Any]:
    path = environment.logs / f"{options.service}.log"
    if not path.is_file():
        return {"known": sorted(path.stem for path in environment.logs.glob("*.log"))}
    lines = read_log(environment, recorded, options.service, int(options.number), follow=False)
    return {"path": str(path), "lines": list(lines)}


_ACTIONS = {"look": look, "state": _state, "restart": _restart, "log": _log}

if __name__ == "__main__":
    sys.exit(main())
