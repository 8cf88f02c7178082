"""`testbed load run`: users of several tenants against an environment, every answer checked."""

from __future__ import annotations

import argparse
from typing import Any

from runners.cli.main import Commands
from runners.cli.session import Session

DURATION_S = 60.0


def register(commands: Commands) -> None:
    """The group `load`."""
    group = commands.group("load", "users against an environment, every answer checked")
    run = group.add(
        "run", _run, "run a load scenario: latency per operation and tenant, wrong answers, leaks between tenants",
        examples="testbed load run browse\ntestbed load run browse --users 60 --duration 2m\n"
        "testbed load run ./mine.yaml --rate 100/s --env staging",
    )  # fmt: skip
    run.add_argument("scenario", metavar="SCENARIO", help="a name, or a path to a file")
    run.add_argument(
        "--duration", metavar="TIME", help="from the moment all users run (default: the scenario's, else 1m)"
    )
    run.add_argument("--users", metavar="N", type=int, help="how many users, instead of the scenario's number")
    run.add_argument("--rate", metavar="RATE", help="requests a second of all users together, instead of think times")
    run.add_argument(
        "--seed", metavar="N", type=int, default=0, help="every random choice derives from it (default: 0)"
    )


def _run(session: Session, args: argparse.Namespace) -> int:
    """The scenario is checked here, before anything is started."""
    from runners.cli.launch import run_stage
    from runners.config import lookup
    from runners.lib.errors import UsageError
    from runners.lib.units import parse_duration
    from runners.load import scenario

    path = lookup.find("scenarios", args.scenario, lambda document: "scenario" not in document)
    changes: dict[str, Any] = {
        name: getattr(args, name) for name in ("users", "rate") if getattr(args, name) is not None
    }
    chosen = scenario.load(path, changes)
    try:
        duration = parse_duration(args.duration) if args.duration else chosen.duration or DURATION_S
    except ValueError as error:
        raise UsageError(f"--duration: {error}") from None
    code, _ = run_stage(
        session, suite="load", action="run", name=chosen.load, environment=session.environment_name(), seed=args.seed,
        params={"scenario": str(path), "duration_s": duration, **changes}, timeout_s=duration + 120,
    )  # fmt: skip
    return code
