"""`testbed chaos …`: break services on purpose, and undo it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runners.cli.main import Commands
from runners.cli.session import Session
from runners.lib.errors import EXIT_FAILED, EXIT_INVALID, NotReady

if TYPE_CHECKING:
    from runners.faults.record import FaultRecord
    from runners.lib.home import Environment


def register(commands: Commands) -> None:
    """The group `chaos`."""
    group = commands.group("chaos", "break services on purpose, and undo it")
    group.add(
        "list", _list, "faults, what they can hit here, and the experiments", examples="testbed chaos list --json"
    )
    run = group.add(
        "run", _run, "run a Chaos Toolkit experiment", examples="testbed chaos run ingest-crash\ntestbed chaos run my.yaml --dry-run"
    )  # fmt: skip
    run.add_argument("experiment", metavar="EXPERIMENT", help="a name, or the path of an experiment file")
    run.add_argument("--dry-run", action="store_true", help="print each operation and its inverse; do nothing")
    run.add_argument(
        "--allow-foreign-actions", action="store_true", help="let the experiment call Python code from anywhere"
    )
    halt = group.add(
        "halt", _halt, "revert all faults, and inject nothing more until 'resume'", examples="testbed chaos halt"
    )
    halt.add_argument("reason", nargs="?", default="halted by hand", metavar="REASON")
    group.add("resume", _resume, "lift the halt lever", examples="testbed chaos resume")
    revert = group.add(
        "revert", _revert, "revert a fault now, whoever injected it", examples="testbed chaos revert 01a2153e"
    )
    revert.add_argument("fault", nargs="?", metavar="FAULT", help="id of a fault, or the beginning of it")
    revert.add_argument("--all", action="store_true", help="every open fault of the environment, failed ones too")
    group.add(
        "recover",
        _recover,
        "revert faults whose run and watchdog are dead, failed ones too",
        examples="testbed chaos recover",
    )
    audit = group.add(
        "audit", _audit, "who did what, when, to which target, with which result", examples="testbed chaos audit --json"
    )
    audit.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N entries (default 50)")


def _environment(session: Session) -> Environment:
    return session.home.env(session.environment_name())


def _list(session: Session, _args: argparse.Namespace) -> int:
    from runners.chaos.listing import as_text, listing

    found = listing(_environment(session))
    session.result(found, as_text(found))
    return 0


def _run(session: Session, args: argparse.Namespace) -> int:
    from runners.chaos.dry_run import as_text, dry_run
    from runners.chaos.experiment import load
    from runners.config.lookup import find
    from runners.faults import services

    path = find("experiments", args.experiment)
    experiment = load(path, allow_foreign_actions=args.allow_foreign_actions)
    environment = _environment(session)
    if args.dry_run:
        plan = dry_run(experiment, services.load(environment) if experiment.ours else None)
        session.result(plan, as_text(plan))
        return 0 if plan["possible"] else EXIT_INVALID
    from runners.cli.launch import run_stage

    params = {"experiment": str(path), "allow_foreign_actions": args.allow_foreign_actions}
    code, _ = run_stage(
        session, suite="chaos", action="run", name=path.stem, params=params, environment=environment.name,
        needs_environment=experiment.ours,
    )  # fmt: skip
    return code


def _halt(session: Session, args: argparse.Namespace) -> int:
    from runners.faults import audit, journal, lever
    from runners.faults.recover import settle

    environment = _environment(session)
    if not environment.root.is_dir():
        raise NotReady(f"there is no environment '{environment.name}' in {session.home.root}")
    lever.pull(environment, audit.actor(), args.reason)
    audit.append(environment, "halt", "halted", reason=args.reason)
    settled = [settle(environment.journal, item, "recover") for item in journal.open_entries(environment.journal)]
    found = {"environment": environment.name, "halted": lever.halted(environment), "reverted": _summaries(settled)}
    session.result(
        found, f"chaos is halted in '{environment.name}'; lift it with 'testbed chaos resume'" + _lines(settled)
    )
    return _code(settled)


def _resume(session: Session, _args: argparse.Namespace) -> int:
    from runners.faults import audit, lever

    environment = _environment(session)
    lifted = lever.release(environment)
    if lifted:
        audit.append(environment, "resume", "resumed")
    text = f"chaos is possible again in '{environment.name}'" if lifted else "chaos was not halted"
    session.result({"environment": environment.name, "resumed": lifted}, text)
    return 0


def _revert(session: Session, args: argparse.Namespace) -> int:
    from runners.faults import journal
    from runners.faults.recover import settle
    from runners.lib.errors import UsageError

    environment = _environment(session)
    found = journal.open_entries(environment.journal)
    if not args.all:
        if args.fault is None:
            raise UsageError("name a fault, or say --all", remedy="see 'testbed chaos audit' for ids")
        found = [record for record in found if record.id.startswith(args.fault)]
        if not found:
            raise NotReady(f"no open fault '{args.fault}' in '{environment.name}'", remedy="see 'testbed chaos audit'")
    settled = [settle(environment.journal, record, "recover") for record in found]
    return _tell(session, environment, settled)


def _recover(session: Session, _args: argparse.Namespace) -> int:
    from runners.faults.recover import recover

    environment = _environment(session)
    return _tell(session, environment, recover(environment, failed=True))


def _audit(session: Session, args: argparse.Namespace) -> int:
    from datetime import datetime

    from runners.faults.audit import entries

    found = list(entries(session.home.chaos_audit))[-max(0, args.limit) :] if args.limit > 0 else []
    lines = [
        f"{datetime.fromtimestamp(item['ts']):%Y-%m-%d %H:%M:%S}  {item.get('who', ''):<10} {item.get('action', ''):<7} "
        f"{item.get('fault', ''):<8} {item.get('target', ''):<9} {item.get('result', '')}"
        for item in found
    ]
    session.result({"items": found}, "\n".join(lines) or "nothing was ever injected here")
    return 0


def _tell(session: Session, environment: Environment, settled: list[FaultRecord]) -> int:
    document = {"environment": environment.name, "faults": _summaries(settled)}
    session.result(document, (f"environment '{environment.name}'" + _lines(settled)) if settled else "no open fault")
    return _code(settled)


def _code(settled: list[FaultRecord]) -> int:
    return EXIT_FAILED if any(record.state == "FAILED" for record in settled) else 0


def _summaries(settled: list[FaultRecord]) -> list[dict[str, object]]:
    keys = ("id", "run", "fault", "target", "state", "by", "reverted_at", "reason")
    return [{key: getattr(record, key) for key in keys} for record in settled]


def _lines(settled: list[FaultRecord]) -> str:
    return "".join(
        f"\n  {record.fault} {record.target}: {record.state}" + (f" ({record.reason})" if record.reason else "")
        for record in settled
    )
