"""`testbed e2e …`: journeys of users, through the API and through the pages."""

from __future__ import annotations

import argparse
from typing import Any

from runners.cli.main import Commands
from runners.cli.session import Session

TIMEOUT_S = 900.0


def register(commands: Commands) -> None:
    """The group `e2e`."""
    group = commands.group("e2e", "journeys of users, through the API and through the pages")
    run = group.add(
        "run", _run, "run the journeys: sign-in, search, traces, alerts, isolation, roles, administration, pages",
        examples="testbed e2e run\ntestbed e2e run isolation roles\ntestbed e2e run 'search.*' --kind api --env staging",
    )  # fmt: skip
    run.add_argument("only", nargs="*", metavar="JOURNEY", help="areas, ids or patterns of ids (default: all)")
    run.add_argument("--kind", choices=("api", "browser"), help="only those through the API, or through the pages")
    run.add_argument("--workers", type=int, metavar="N", help="journeys through the API at a time (default: 4)")
    group.add("list", _list, "what there is, and what each proves", examples="testbed e2e list")


def _run(session: Session, args: argparse.Namespace) -> int:
    """A pattern that matches nothing is found before anything is started."""
    from runners.cli.launch import run_stage
    from runners.e2e.journey import chosen, journeys
    from runners.lib.errors import UsageError

    if args.workers is not None and not 1 <= args.workers <= 32:
        raise UsageError(f"--workers {args.workers} is not possible", remedy="from 1 to 32")
    chosen(journeys(), only=args.only, kind=args.kind)
    params: dict[str, Any] = {
        name: value for name in ("only", "kind", "workers") if (value := getattr(args, name))
    }  # fmt: skip
    code, _ = run_stage(
        session, suite="e2e", action="run", name="-".join(args.only)[:40] if args.only else "all",
        environment=session.environment_name(), params=params, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    return code


def _list(session: Session, _args: argparse.Namespace) -> int:
    from runners.e2e.journey import journeys

    found = journeys()
    document = {
        "journeys": [{"id": one.id, "kind": one.kind, "needs": list(one.needs), "what": one.what} for one in found]
    }
    width = max(len(one.id) for one in found)
    session.result(document, "\n".join(f"{one.id:<{width}}  {one.what}" for one in found))
    return 0
