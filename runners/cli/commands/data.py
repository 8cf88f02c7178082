"""`testbed data`: generate telemetry whose every item is accounted for, and audit what became of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from runners.cli.main import Commands
from runners.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runners.datagen.plan import Plan
    from runners.datagen.window import Window
    from runners.orchestrator.service import Followed

SPARE_S = 180.0
MOST_SHARDS = 32


def register(commands: Commands) -> None:
    """The group `data`."""
    group = commands.group("data", "synthetic telemetry with a ledger of every item, and its audit")
    generate = group.add(
        "generate", _generate, "write a scenario's logs, traces and metrics, and record every request in a ledger",
        examples="testbed data generate smoke --dry-run\ntestbed data generate smoke --duration 2m --seed 7\n"
        "testbed data generate smoke --sink http://127.0.0.1:4318\ntestbed data generate drill --sink file:drill.jsonl\n"
        "testbed data generate smoke --sink loki+http://127.0.0.1:3100 --sink prw+http://127.0.0.1:9090",
    )  # fmt: skip
    generate.add_argument(
        "scenario", metavar="SCENARIO", help="a name (see `testbed data scenarios`), or a path to a file"
    )
    _add_sinks(generate)
    generate.add_argument(
        "--seed", metavar="N", type=int, default=0, help="every random choice derives from it (default: 0)"
    )
    generate.add_argument("--duration", metavar="TIME", help="instead of the scenario's own, such as 40s or 5m")
    generate.add_argument("--from", dest="begins", metavar="TIME", help="fill a past range, at full speed, from here")
    generate.add_argument("--to", dest="ends", metavar="TIME", help="to here (default: now)")
    _add_shards(generate)
    generate.add_argument("--dry-run", action="store_true", help="print exact counts and send nothing")
    backfill = group.add(
        "backfill", _generate, "write a past range of a scenario at full speed, with a ledger as `generate` keeps it",
        examples="testbed data backfill migration-backfill --from 2d --to 1d\n"
        "testbed data backfill smoke --from 2026-11-20T06:00Z --to 2026-11-20T07:00Z --dry-run",
    )  # fmt: skip
    backfill.add_argument(
        "scenario", metavar="SCENARIO", help="a name (see `testbed data scenarios`), or a path to a file"
    )
    backfill.add_argument(
        "--from",
        dest="begins",
        metavar="TIME",
        required=True,
        help="such as 2026-11-20T06:00Z, 2026-11-20, or 2d for two days ago",
    )
    backfill.add_argument("--to", dest="ends", metavar="TIME", help="the end, not included (default: now)")
    _add_sinks(backfill)
    backfill.add_argument(
        "--seed", metavar="N", type=int, default=0, help="every random choice derives from it (default: 0)"
    )
    _add_shards(backfill)
    backfill.add_argument("--dry-run", action="store_true", help="print exact counts and send nothing")
    backfill.set_defaults(duration=None)
    resume = group.add(
        "resume",
        _resume,
        "take up a run that was interrupted: send what has no known outcome, into the same ledger",
        examples="testbed data resume last\ntestbed data resume 01964c",
    )
    resume.add_argument("of", metavar="RUN|LEDGER", help="a run (unique prefix, last, last~1) or a ledger's folder")
    audit = group.add(
        "audit", _audit, "read everything of a run back and say what is lost, duplicated, leaked, corrupt or forged",
        examples="testbed data audit last\ntestbed data audit 01964c --json\ntestbed data audit ./ledger --wait 60s\n"
        "testbed data audit last --from loki+http://127.0.0.1:3100 --from tempo+http://127.0.0.1:3200",
    )  # fmt: skip
    audit.add_argument("of", metavar="RUN|LEDGER", help="a run (unique prefix, last, last~1) or a ledger's folder")
    audit.add_argument(
        "--wait",
        metavar="TIME",
        help="how long acknowledged items may stay invisible (default: 15s, for what is hours old 3m)",
    )
    audit.add_argument(
        "--from", dest="stores", metavar="STORE", action="append", default=[],
        help="read a store itself: loki+URL, prw+URL or tempo+URL, one for each signal (default: the platform that the "
        "run wrote to, or the stores)",
    )  # fmt: skip
    audit.add_argument(
        "--single-tenant", action="store_true",
        help="these stores keep all tenants as one: no X-Scope-OrgID is sent, and leaks cannot be seen",
    )  # fmt: skip
    audit.add_argument(
        "--flush", action="store_true",
        help="tell Loki to flush first (POST /flush): it does not look for lines older than two to three hours in its memory",
    )  # fmt: skip
    audit.add_argument("--findings", metavar="FILE", help="write one JSON line per item that is wrong")
    score = group.add(
        "score", _score, "compare the alerts that fired with what a run did on purpose: precision, recall, time to detect",
        examples="testbed data score last\ntestbed data score last --alertmanager http://127.0.0.1:9093\n"
        "testbed data score 01964c --min-recall 1 --json",
    )  # fmt: skip
    score.add_argument("of", metavar="RUN|LEDGER", help="a run (unique prefix, last, last~1) or a ledger's folder")
    score.add_argument(
        "--alertmanager",
        metavar="URL",
        help="read this Alertmanager, while the run lasts (default: the platform's alerts)",
    )
    score.add_argument(
        "--min-recall", metavar="X", type=float, default=0.9, help="the least that passes (default: 0.9)"
    )
    score.add_argument(
        "--min-precision", metavar="X", type=float, default=0.9, help="the least that passes (default: 0.9)"
    )
    score.add_argument("--no-wait", action="store_true", help="do not wait for deadlines that have not passed yet")
    explain = group.add(
        "explain", _explain, "draw what a scenario will do over time, by signal and tenant, and say what it answers",
        examples="testbed data explain production-day\ntestbed data explain black-friday --json",
    )  # fmt: skip
    explain.add_argument(
        "scenario", metavar="SCENARIO", help="a name (see `testbed data scenarios`), or a path to a file"
    )
    explain.add_argument("--seed", metavar="N", type=int, default=0, help="as for `generate` (default: 0)")
    explain.add_argument("--duration", metavar="TIME", help="instead of the scenario's own, such as 40s or 5m")
    explain.add_argument("--from", dest="begins", metavar="TIME", help="as a backfill of a past range from here")
    explain.add_argument("--to", dest="ends", metavar="TIME", help="to here (default: now)")
    group.add(
        "scenarios", _scenarios, "list the scenarios found here and the shipped ones", examples="testbed data scenarios"
    )


def _processes(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= MOST_SHARDS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of processes: 1 to {MOST_SHARDS}")
    return number


def _add_shards(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--shards", metavar="N", type=_processes, default=1,
        help="processes that make it together, 1 to 32 (default: 1); what is sent does not depend on it",
    )  # fmt: skip


def _add_sinks(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--sink", dest="sinks", metavar="SINK", action="append", default=[],
        help="OTLP/HTTP base URL, loki+URL, prw+URL, file:PATH, capture:FOLDER, stdout:, null: or platform: (the default: the "
        "environment's ingest); several write to all at once",
    )  # fmt: skip


def _generate(session: Session, args: argparse.Namespace) -> int:
    """The scenario is checked here, before anything is started."""
    import time

    from runners.config import lookup
    from runners.datagen.feasible import check_early
    from runners.datagen.gauging import gauged
    from runners.datagen.plan import count
    from runners.datagen.scenario import load_scenario
    from runners.datagen.sinks import parse_sinks
    from runners.lib.errors import UsageError

    path = lookup.find("scenarios", args.scenario, _makes_data)
    scenario = load_scenario(path)
    gauged(scenario)
    places = parse_sinks(args.sinks)
    if session.json and any(place.kind == "stdout" for place in places):
        raise UsageError("--sink stdout: together with --json", remedy="write to a file: --sink file:PATH")
    duration_s = _duration("--duration", args.duration) if args.duration else None
    window = _window(args)
    if window is not None:
        duration_s = window.duration_s
    check_early(scenario, args.seed, duration_s, window.start_ns if window else time.time_ns())
    if args.dry_run:
        plan = count(scenario, args.seed, duration_s, window.start_ns if window else time.time_ns())
        if window is None and plan.busy > 0.7 * args.shards:
            session.say(
                f"warning: this machine needs {plan.busy:.1f} s of one core for a second at the busiest time: it will not keep the pace"
                f" with {args.shards} process{'es' if args.shards > 1 else ''}; ask for less, or use more --shards"
            )
        session.result(plan.to_json(), _describe(path, plan))
        return 0
    from runners.cli.launch import run_stage

    length = duration_s or scenario.file.duration
    start = {} if window is None else {"start_ns": window.start_ns}
    if args.shards > 1:
        start["shards"] = args.shards
    # Paths are absolute in them: the stage runs in a folder of its own.
    told = [place.text for place in places]
    sink = (told[0] if len(told) == 1 else told) if args.sinks else None
    code, _ = run_stage(
        session, suite="data", action="generate", name=scenario.name, environment=session.environment_name(),
        params={"scenario": str(path), "duration_s": length, "sink": sink, **start}, needs_environment=any(place.signs_in for place in places),
        seed=args.seed, timeout_s=length + scenario.file.delivery.give_up + SPARE_S,
        then=_next(session, audited=any(place.signs_in for place in places)),
    )  # fmt: skip
    return code


def _next(session: Session, *, audited: bool) -> Callable[[Followed], str]:
    """The command after a run: one that was interrupted can be taken up again, of another one the items are looked for."""

    def command(ended: Followed) -> str:
        from runners.ledger.find import find_ledger
        from runners.lib.errors import TestbedError

        if ended.code == 0:
            return "data audit" if audited else ""
        if ended.state != "cancelled" and not (ended.reason or "").endswith(": lost"):
            return ""
        try:
            find_ledger(session.home.runs, ended.run)
        except TestbedError:
            return ""  # it ended before it sent anything
        return "data resume"

    return command


def _resume(session: Session, args: argparse.Namespace) -> int:
    """What can be known of the ledger is checked here, before anything is started."""
    import time

    from runners.cli.launch import run_stage
    from runners.datagen.auditing import scenario_of
    from runners.datagen.sinks import parse_sinks
    from runners.ledger.find import find_ledger
    from runners.ledger.header import read_header
    from runners.ledger.reader import being_written
    from runners.lib.errors import NotReady

    folder = find_ledger(session.home.runs, args.of)
    header = read_header(folder)
    scenario = scenario_of(folder, header)
    if being_written(folder):
        raise NotReady("this run is still going on", file=folder, remedy="cancel it, or let it end")
    left_s = max(0.0, header.start_ns / 1e9 + header.duration_s - time.time())
    code, _ = run_stage(
        session, suite="data", action="resume", name=scenario.name, environment=session.env or header.environment,
        params={"ledger": str(folder)}, needs_environment=any(place.signs_in for place in parse_sinks(header.outlets)),
        seed=header.seed, timeout_s=left_s + header.duration_s + scenario.file.delivery.give_up + SPARE_S,
        then=_next(session, audited=True),
    )  # fmt: skip
    return code


def _window(args: argparse.Namespace) -> Window | None:
    """The range of the past that is to be filled; None for a run in real time."""
    import time

    from runners.datagen.window import parse_window
    from runners.lib.errors import UsageError

    if args.begins is None:
        if args.ends is not None:
            raise UsageError("--to without --from", remedy="say where the range begins")
        return None
    if args.duration is not None:
        raise UsageError("--duration together with --from", remedy="the range says how long it is")
    return parse_window(args.begins, args.ends, time.time_ns())


def _audit(session: Session, args: argparse.Namespace) -> int:
    from pathlib import Path

    from runners.audit.run import require_writable, write_findings
    from runners.cli.liveline import LiveLine
    from runners.datagen.auditing import audit_ledger, text
    from runners.datagen.reading import parse_stores
    from runners.ledger.find import find_ledger

    stores = parse_stores(args.stores)
    if args.findings:
        require_writable(Path(args.findings))
    folder = find_ledger(session.home.runs, args.of)
    with LiveLine(session) as doing:
        found = audit_ledger(
            folder, session.home, environment=session.env, progress=doing,
            wait_s=None if args.wait is None else _duration("--wait", args.wait), stores=stores,
            shared=args.single_tenant, flush=args.flush,
        )  # fmt: skip
    if args.findings:
        write_findings(Path(args.findings), found.findings)
    session.result(found.to_json(), text(found))
    return {"passed": 0, "failed": 1, "invalid": 2}[found.verdict]


def _score(session: Session, args: argparse.Namespace) -> int:
    from runners.cli.liveline import LiveLine
    from runners.datagen.scoring import score_run, text
    from runners.ledger.find import find_ledger
    from runners.lib.errors import UsageError

    for option, value in (("--min-recall", args.min_recall), ("--min-precision", args.min_precision)):
        if not 0 <= value <= 1:
            raise UsageError(f"{option} {value:g}: must lie between 0 and 1")
    with LiveLine(session) as doing:
        found = score_run(
            find_ledger(session.home.runs, args.of), session.home, environment=session.env,
            alertmanager=args.alertmanager, recall=args.min_recall, precision=args.min_precision, wait=not args.no_wait,
            progress=doing,
        )  # fmt: skip
    session.result(found.to_json(), text(found))
    return {"passed": 0, "failed": 1, "invalid": 2}[found.verdict]


def _explain(session: Session, args: argparse.Namespace) -> int:
    import shutil
    import time

    from runners.config import lookup
    from runners.datagen.explain import explain, room, text
    from runners.datagen.scenario import load_scenario

    scenario = load_scenario(lookup.find("scenarios", args.scenario, _makes_data))
    window = _window(args)
    duration_s = window.duration_s if window else _duration("--duration", args.duration) if args.duration else None
    width = shutil.get_terminal_size((100, 24)).columns
    start_ns = window.start_ns if window else time.time_ns()
    found = explain(
        scenario,
        args.seed,
        duration_s=duration_s,
        start_ns=start_ns,
        columns=60 if session.json else room(scenario, width),
    )
    session.result(found.to_json(), text(found, width, color=session.color))
    return 0


def _makes_data(document: Mapping[str, Any]) -> bool:
    """Is this a scenario of this suite? Those of load are called scenarios, too."""
    return "scenario" in document


def _scenarios(session: Session, args: argparse.Namespace) -> int:
    import shutil

    from runners.config import lookup

    paths = lookup.available("scenarios")
    found = [
        {"name": name, "description": str(document.get("description", "")), "path": str(paths[name])}
        for name, document in lookup.matching("scenarios", _makes_data).items()
    ]
    session.result(
        {"scenarios": found}, _listed(found, shutil.get_terminal_size((100, 24)).columns, color=session.color)
    )
    return 0


def _listed(found: list[dict[str, Any]], width: int, *, color: bool) -> str:
    """Name and description of each, the latter wrapped beside the former."""
    import textwrap

    left = max((len(one["name"]) for one in found), default=0) + 2
    lines = []
    for one in found:
        name = f"{one['name']:<{left}}"
        first, *more = textwrap.wrap(one["description"], max(30, width - left)) or [""]
        lines.append((f"\x1b[1m{name}\x1b[0m" if color else name) + first)
        lines += [f"{'':{left}}{line}" for line in more]
    return "\n".join(lines)


def _duration(option: str, text: str) -> float:
    from runners.lib.errors import UsageError
    from runners.lib.units import parse_duration

    try:
        value = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if value <= 0:
        raise UsageError(f"{option} {text}: must be above 0")
    return value


def _describe(path: Path, plan: Plan) -> str:
    from runners.lib.units import format_duration

    items = plan.items
    at_once = f", {plan.active_series:,} at once" if plan.active_series < plan.series else ""
    markers = f", and {plan.markers:,} markers of series that end" if plan.markers else ""
    return "\n".join(
        (
            f"{path}",
            f"  duration   {format_duration(plan.duration_s)}, tenants {', '.join(plan.tenants)}",
            f"  logs       {items['logs']:,} records",
            f"  traces     {items['traces']:,} spans",
            f"  metrics    {items['metrics'] - plan.markers:,} samples of {plan.series:,} series{at_once}{markers}",
            f"  requests   {plan.requests:,}, {plan.resent:,} of them sent again with the same key",
            f"  bytes      about {plan.bytes_estimate / 1e6:,.1f} MB before compression",
        )
    )
