"""`testbed campaigns`, `run`, `attach`, `cancel`."""

from __future__ import annotations

import argparse
from typing import Any

from runners.cli.main import Commands
from runners.cli.session import Session
from runners.lib.errors import EXIT_INVALID, EXIT_PASSED, UsageError


def register(commands: Commands) -> None:
    """Commands that start campaigns, watch them and end them."""
    commands.add(
        "campaigns", _campaigns, "list campaigns: here and among the shipped ones", examples="testbed campaigns"
    )
    run = commands.add(
        "run", _run, "run a campaign: telemetry, load, faults, gates, verdict",
        examples="testbed run smoke\ntestbed run smoke --plan\ntestbed run drill --up --report report/\n"
        "testbed run smoke --set telemetry.duration=20s --set seed=7",
    )  # fmt: skip
    run.add_argument("campaign", metavar="CAMPAIGN", help="a name (see `testbed campaigns`) or a file")
    run.add_argument("--plan", action="store_true", help="show what would run, and start nothing")
    run.add_argument("--up", action="store_true", help="provision the environment first, if it is not ready")
    run.add_argument("--detach", action="store_true", help="return at once; watch it later with `testbed attach`")
    run.add_argument("--queue", action="store_true", help="wait until the environment is free")
    run.add_argument("--only", action="append", default=[], metavar="STAGE", help="run only this stage; repeatable")
    run.add_argument("--skip", action="append", default=[], metavar="STAGE", help="leave out this stage; repeatable")
    run.add_argument(
        "--in-container", action="store_true",
        help="in the runner's container beside a platform in containers; results go to its results-db",
    )  # fmt: skip
    run.add_argument("--report", metavar="DIR", help="write report.html, summary.md, junit.xml and report.json there")
    run.add_argument(
        "--on-disconnect", choices=("continue", "cancel"), default=None,
        help="when the last terminal that watches goes (default: continue; cancel when CI=true)",
    )  # fmt: skip
    attach = commands.add("attach", _attach, "watch a run to its end", examples="testbed attach last")
    attach.add_argument("run_id", metavar="RUN", help="id, unique prefix of 6 or more, last, last~2")
    cancel = commands.add(
        "cancel", _cancel, "end a run in good order: faults reverted, results kept",
        examples="testbed cancel last\ntestbed cancel --all",
    )  # fmt: skip
    cancel.add_argument("run_id", metavar="RUN", nargs="?", help="id, unique prefix of 6 or more, last, last~2")
    cancel.add_argument("--all", action="store_true", help="every run of this home, and every fault")
    cancel.add_argument("--now", action="store_true", help="kill at once instead of asking first")
    cancel.add_argument("--no-wait", action="store_true", help="do not wait for the end")


def _campaigns(session: Session, _: argparse.Namespace) -> int:
    from runners.config import lookup
    from runners.lib.errors import FileError
    from runners.orchestrator import campaign

    items: list[dict[str, Any]] = []
    lines: list[str] = []
    broken = False
    for name, path in sorted(lookup.available("campaigns").items()):
        try:
            found = campaign.load(path)
        except FileError as error:
            if lookup.SHIPPED not in path.parents and "campaign" not in path.read_text(errors="replace")[:2000]:
                continue  # any YAML file that happens to lie here
            items.append({"name": name, "path": str(path), "error": str(error)})
            lines.append(f"{name:<14} broken: {error.what}")
            broken = True
            continue
        stages = [stage.name for stage in found.stages]
        items.append({"name": name, "path": str(path), "description": found.model.description, "stages": stages})
        lines.append(f"{name:<14} {found.model.description}\n{'':<14} {' · '.join(stages)}")
    session.result({"items": items}, "\n".join(lines) or "no campaigns")
    return EXIT_INVALID if broken else EXIT_PASSED


def _run(session: Session, args: argparse.Namespace) -> int:
    from runners.cli import launch
    from runners.config import lookup, settings
    from runners.orchestrator import campaign, plan

    staged = {key: value for key, value in session.overrides.items() if "." in key}
    chosen = {key: value for key, value in session.overrides.items() if key not in staged}
    if session.env:
        chosen.setdefault("environment", session.env)
    if args.on_disconnect:
        chosen["on_disconnect"] = args.on_disconnect
    found = campaign.load(lookup.find("campaigns", args.campaign), staged)
    named = settings.resolve(chosen, campaign=found.document)["environment"]
    if args.in_container:
        from runners.cli import in_container

        return in_container.run(session, args, found, named)
    inventory = launch.inventory_of(session, named)
    effective = settings.resolve(chosen, campaign=found.document, inventory=inventory)
    if effective.sources["on_disconnect"].source == "shipped default" and not args.detach:
        chosen["on_disconnect"] = launch.on_disconnect_default()
        effective = settings.resolve(chosen, campaign=found.document, inventory=inventory)
    spec = plan.plan(
        found, effective, only=args.only, skip=args.skip, queue=args.queue, commit=launch.commit(), overrides=staged
    )  # fmt: skip
    if args.plan:
        session.result(plan.describe(spec), plan.explain(spec))
        return EXIT_PASSED
    unset = effective.sources["defects"].source == "shipped default"
    spec = launch.prepare(session, spec, up=args.up, defects=None if unset else tuple(effective["defects"]))
    session.say(f"run {spec.id}")
    ended = launch.launch(session, spec, detach=args.detach)
    if ended is None:
        session.event({"type": "run.launched", "run": spec.id})
        session.say(f"detached; watch it: testbed attach {spec.id[:13]}")
        return EXIT_PASSED
    if not session.json:
        session.result(None, launch.conclude(session, ended))
    if args.report:
        launch.write_report(session, spec.id, args.report)
    return ended.code


def _attach(session: Session, args: argparse.Namespace) -> int:
    from runners.cli import launch
    from runners.orchestrator import service

    run = service.find_run(session.home, args.run_id)
    with launch.counted_interrupts() as interrupts:
        ended = launch.follow(session, run, interrupts)
    if not session.json:
        session.result(None, launch.conclude(session, ended))
    return ended.code


def _cancel(session: Session, args: argparse.Namespace) -> int:
    from runners.orchestrator import service

    if args.all == bool(args.run_id):
        raise UsageError("name one run, or --all", remedy="testbed cancel last")
    runs = service.live_runs(session.home) if args.all else [service.find_run(session.home, args.run_id)]
    for run in runs:
        service.request_cancel(session.home, run, now=args.now)
    ended = [service.follow(session.home, run, lambda _: None) for run in ([] if args.no_wait else runs)]
    faults = service.settle_all_faults(session.home) if args.all else []
    document = {
        "cancelled": [{"run": end.run, "state": end.state, "verdict": end.verdict} for end in ended],
        "requested": runs,
        "faults": [{"id": record.id, "fault": record.fault, "target": record.target, "state": record.state,
                    "by": record.by} for record in faults],
    }  # fmt: skip
    lines = [f"run {end.run}: {end.state}" + (f", {end.verdict}" if end.verdict else "") for end in ended]
    lines += [f"run {run}: asked to end" for run in runs if args.no_wait]
    lines += [f"fault {record.fault} of {record.target}: {record.state}" for record in faults]
    session.result(document, "\n".join(lines) or "nothing is running")
    return EXIT_PASSED
