"""Chaos on one host from the command line: `agent.pyz preflight|plan|inject|revert|recover --environment DIR …`.

The part of the testbed that is copied to a host: this package and runners.lib in one file, the standard library and
nothing else. Prints one JSON document; exit 0, or 1 with `{"error"}`. `plan` is `inject` that touches nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from runners.faults import hold, injection, journal, lever, safety, services, watchdog
from runners.faults.audit import entries, home_of
from runners.faults.kinds import Refused, catalogue, kinds_of
from runners.faults.record import FaultRecord
from runners.faults.recover import recover, settle
from runners.faults.services import Stack
from runners.faults.targets import by_service, targets
from runners.lib import locks
from runners.lib.errors import NotReady, TestbedError
from runners.lib.home import Environment
from runners.lib.text import did_you_mean
from runners.lib.units import parse_duration

_ENTRIES = 200  # of the audit log: what an asker can have missed
_SHOWN = ("id", "run", "fault", "target", "state", "by", "effect", "ttl_s", "deadline", "reverted_at", "reason")


def main(arguments: list[str] | None = None) -> int:
    """Runs one action and prints its document."""
    parser = argparse.ArgumentParser(prog="agent")
    parser.add_argument("action", choices=sorted(_ACTIONS))
    parser.add_argument("--environment", required=True, type=Path)
    for name, default in (("fault", ""), ("target", ""), ("ttl", "60s"), ("id", ""), ("asked-by", "")):
        parser.add_argument(f"--{name}", default=default)
    options = parser.parse_args(arguments)
    environment = Environment(options.environment)
    try:
        found = _ACTIONS[options.action](environment, options)
    except TestbedError as error:
        found = {"error": error.what, "remedy": error.remedy}
    except (Refused, hold.NotHeld, watchdog.NoWatchdog, OSError, ValueError) as error:
        found = {"error": str(error)}
    print(json.dumps(found | {"audit": list(entries(home_of(environment).chaos_audit))[-_ENTRIES:]}))
    return 1 if "error" in found else 0


def _preflight(environment: Environment, _options: argparse.Namespace) -> dict[str, Any]:
    """What is possible on this host, and what stands in the way."""
    problems, pairs, kinds = _host_problems(), [], catalogue()
    try:
        stack = services.load(environment)
        pairs, kinds = targets(stack, prove=True), kinds_of(stack)
        problems += _obstacles(environment)
    except NotReady as error:
        problems.append(error.what)
    found = journal.open_entries(environment.journal)
    lines = [
        f"{socket.gethostname()}: Linux {platform.release()}, Python {platform.python_version()}, user {os.geteuid()}"
    ]
    lines += [f"problem: {problem}" for problem in problems]
    lines += [f"open: {record.fault} on {record.target} of {record.run}, {record.state}" for record in found]
    lines += [f"{kind.name:<13}{kind.summary}" for kind in kinds.values()]
    return {
        "possible": not problems and any(pair["possible"] for pair in pairs), "problems": problems, "targets": pairs,
        "faults": sorted(kinds), "open": [_shown(record) for record in found], "lines": lines + by_service(pairs),
    }  # fmt: skip


def _host_problems() -> list[str]:
    found = []
    if not hasattr(os, "pidfd_open") or sys.platform != "linux":
        found.append("the watchdog needs Linux 5.3 or newer (pidfd_open)")
    if found:
        return found
    with tempfile.TemporaryDirectory() as folder:  # it ends with this process
        try:
            watchdog.start(Path(folder), "preflight")
        except (watchdog.NoWatchdog, OSError) as error:
            found.append(f"no watchdog can be started: {error}")
    return found


def _obstacles(environment: Environment) -> list[str]:
    """What would refuse every injection just now."""
    found = []
    if (down := lever.halted(environment)) is not None:
        found.append(f"chaos is halted by {down.get('by')}: {down.get('reason')} (testbed chaos resume)")
    if not os.access(environment.root, os.W_OK | os.X_OK):
        found.append(f"{environment.root} cannot be written: no journal, no fault")
    if locks.held(environment.chaos / "lock"):
        found.append("another chaos run drives this environment")
    try:
        safety.refuse_while_failed(environment)
    except NotReady as error:
        found.append(error.what)
    return found


def _stack(environment: Environment, options: argparse.Namespace) -> tuple[Stack, float]:
    """The environment and the time to live, both checked before anything is touched."""
    if options.fault not in catalogue():
        raise Refused(f"there is no fault '{options.fault}': {did_you_mean(options.fault, catalogue())}")
    stack = services.load(environment)
    if why := safety.capability(options.fault, stack.service(options.target)):
        raise Refused(why)
    safety.refuse_while_failed(environment)
    return stack, safety.check_ttl(parse_duration(options.ttl))


def _plan(environment: Environment, options: argparse.Namespace) -> dict[str, Any]:
    stack, ttl_s = _stack(environment, options)
    if obstacles := _obstacles(environment):
        raise Refused("; ".join(obstacles))
    record = injection.plan(stack, "plan", options.fault, options.target, ttl_s)
    return {"fault": _shown(record), "lines": _operations(record)}


def _inject(environment: Environment, options: argparse.Namespace) -> dict[str, Any]:
    _, ttl_s = _stack(environment, options)
    document = hold.start(hold.Request(str(environment.root), options.fault, options.target, ttl_s, options.asked_by))
    record = FaultRecord.from_json({key: value for key, value in document.items() if key != "holder"})
    proof = f"in force: {record.effect}; ends by itself within {ttl_s:g} s"
    return {"fault": _shown(record) | {"holder": document["holder"]}, "lines": [*_operations(record), proof]}


def _revert(environment: Environment, options: argparse.Namespace) -> dict[str, Any]:
    found = [record for record in journal.open_entries(environment.journal) if record.id.startswith(options.id)]
    if options.id and not found:
        raise Refused(f"there is no open fault '{options.id}' here")
    return _settled([settle(environment.journal, record, "recover") for record in found])


def _recover(environment: Environment, _options: argparse.Namespace) -> dict[str, Any]:
    found = _settled(recover(environment, failed=True))
    for path in journal.unreadable(environment.journal):
        found["failed"].append(f"{path} cannot be read, so the fault that it recorded may still be in force")
    if found["failed"]:
        found["error"] = "; ".join(found["failed"])
    return found


def _settled(records: list[FaultRecord]) -> dict[str, Any]:
    lines = [f"{record.fault} on {record.target}: {record.state.lower()}" for record in records]
    failed = [f"{record.fault} on {record.target}: {record.reason}" for record in records if record.state == "FAILED"]
    error = {"error": "not reverted: " + "; ".join(failed)} if failed else {}
    return {"settled": [_shown(record) for record in records], "failed": failed, "lines": lines, **error}


def _operations(record: FaultRecord) -> list[str]:
    return [
        *(f"inject: {operation.describe(record.target)}" for operation in record.inject),
        *(f"revert: {operation.describe(record.target)}" for operation in record.revert),
    ]


def _shown(record: FaultRecord) -> dict[str, Any]:
    return {key: getattr(record, key) for key in _SHOWN}


_ACTIONS = {"preflight": _preflight, "plan": _plan, "inject": _inject, "revert": _revert, "recover": _recover}

if __name__ == "__main__":
    sys.exit(main())
