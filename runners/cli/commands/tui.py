"""`testbed tui`: the control center."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runners.cli.main import Commands
    from runners.cli.session import Session


def register(commands: Commands) -> None:
    parser = commands.add(
        "tui", _tui, "the control center: launch, watch, compare, abort",
        examples="testbed tui\ntestbed tui --open run/last",
    )  # fmt: skip
    parser.add_argument("--open", metavar="run/ID", help="open this run's live screen (replayed when it is over)")


def _tui(session: Session, args: argparse.Namespace) -> int:
    import os
    import sys

    from runners.lib.errors import NotReady, UsageError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NotReady(
            "the control center needs a terminal", remedy="in a pipeline use testbed run, status and results"
        )
    run = None
    if args.open:
        kind, _, reference = args.open.partition("/")
        if kind != "run" or not reference:
            raise UsageError(f"--open {args.open}: not a place", remedy="write run/ID, for example run/last")
        from runners.orchestrator.service import find_run

        run = find_run(session.home, reference)
    from tui import run_app

    session.home.create()
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    ascii_only = (
        os.environ.get("TESTBED_ASCII", "") not in ("", "0") or encoding != "utf8" or os.environ.get("TERM") == "linux"
    )
    return run_app(
        session.home.root,
        database=session.results_url,
        environment=session.environment_name(),
        open_run=run,
        ascii_only=ascii_only,
    )
