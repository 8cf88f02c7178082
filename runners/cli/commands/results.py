"""`testbed results`, `report`, `gate`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from runners.cli.main import Commands
from runners.cli.session import Session
from runners.lib.errors import EXIT_FAILED, EXIT_INVALID, EXIT_PASSED, NotReady, UsageError

if TYPE_CHECKING:
    from runners.results.store import Store

_RUN = "id, unique prefix of 6 or more, last, last~2"
_EXIT = {"passed": EXIT_PASSED, "failed": EXIT_FAILED, "invalid": EXIT_INVALID}


def register(commands: Commands) -> None:
    """Commands that look at what was recorded."""
    results = commands.group("results", "what was recorded: lists, one run in full")
    listing = results.add(
        "list", _list, "list runs, newest first",
        examples="testbed results list\ntestbed results list --filter 'verdict == failed and campaign ~ smoke'\n"
        "testbed results list --sort -duration --limit 10",
    )  # fmt: skip
    listing.add_argument(
        "--filter", metavar="EXPR", default="", help="for example: verdict == failed and duration_s > 1m"
    )
    listing.add_argument("--limit", metavar="N", type=int, default=20, help="runs a page (default: 20)")
    listing.add_argument("--after", metavar="CURSOR", help="`next` of the page before")
    listing.add_argument(
        "--sort", metavar="KEY", default="-started", help="started, duration, failed; - for descending"
    )
    show = results.add(
        "show", _show, "one run: stages, audit, faults, gates, metrics", examples="testbed results show last"
    )
    show.add_argument("run_id", metavar="RUN", help=_RUN)
    results.add("reindex", _reindex, "rebuild the database from the event files", examples="testbed results reindex")
    report = commands.add(
        "report", _report, "write the report of a run",
        examples="testbed report last -o report/\ntestbed report last~1 --format md,junit",
    )  # fmt: skip
    report.add_argument("run_id", metavar="RUN", help=_RUN)
    report.add_argument("--format", metavar="LIST", help="html,md,junit,json (default: all)")
    report.add_argument("-o", "--output", metavar="DIR", help="folder (default: the run's own report/)")
    gate = commands.add(
        "gate", _gate, "evaluate a run's gates anew, from its event files",
        examples="testbed gate last\ntestbed gate last --expr 'p95(users.search) < 2s'",
    )  # fmt: skip
    gate.add_argument("run_id", metavar="RUN", help=_RUN)
    gate.add_argument("--expr", action="append", metavar="EXPR", help="this gate instead of the campaign's; repeatable")


# ------------------------------------------------------------------ finding things


def _store(session: Session, *, create: bool = False) -> Store | None:
    """The database; None when there is none yet. A query makes no files."""
    from runners.results.store import open_store

    if not create and session.db is None and not (session.home.root / "results.db").exists():
        return None
    return open_store(session.results_url, create=create)


def _resolved(session: Session, store: Store | None, ref: str) -> str:
    from runners.results.queries import resolve

    return resolve(store, session.home, ref)


def _resolved_by_files_if_need_be(session: Session, ref: str) -> str:
    """For commands that read event files: a broken or absent database is no reason not to answer."""
    from runners.results.database import DatabaseBusy, DatabaseDamaged

    try:
        store = _store(session)
    except (DatabaseBusy, DatabaseDamaged) as error:
        session.say(f"testbed: {error.what}; looking at the folders of this home")
        store = None
    try:
        run = _resolved(session, store, ref)
    finally:
        if store is not None:
            store.close()
    if not (session.home.run(run) / "events.jsonl").exists():
        raise NotReady(
            f"the event files of run {run} are not in {session.home.root}",
            remedy="name the home of the run with --home",
        )
    return run


# ------------------------------------------------------------------ commands


def _list(session: Session, args: argparse.Namespace) -> int:
    from runners.results.filters import Filter
    from runners.results.queries import list_runs

    store = _store(session)
    if store is None:
        Filter(args.filter)
        session.result({"items": [], "next": None}, "no runs yet; start one with: testbed run smoke")
        return EXIT_PASSED
    page = list_runs(store, filter=args.filter, limit=args.limit, after=args.after, sort=args.sort)
    store.close()
    text = _table(page["items"]) if page["items"] else "no runs" + (" match" if args.filter else " yet")
    session.result(page, text)
    if page["next"] and not session.json:
        session.say(f"more: --after {page['next']}")
    return EXIT_PASSED


def _show(session: Session, args: argparse.Namespace) -> int:
    from runners.cli.resultview import run_text
    from runners.results.queries import show_run
    from runners.results.store import open_store

    store = _store(session) or open_store("sqlite://")
    run = _resolved(session, store, args.run_id)
    found = show_run(store, run, session.home)
    store.close()
    session.result(found, run_text(found))
    return EXIT_PASSED


def _reindex(session: Session, _: argparse.Namespace) -> int:
    from runners.results.reindex import reindex

    if not session.home.root.is_dir():
        raise NotReady(f"there is no {session.home.root}", remedy="name the folder with --home")
    store = _store(session, create=True)
    assert store is not None
    started = time.monotonic()
    progress = _redrawn if session.interactive else session.say
    done = reindex(session.home, store, progress)
    store.close()
    took = time.monotonic() - started
    if session.interactive:
        _redrawn("")
    text = f"{done['runs']} runs, {done['events']:,} events read anew in {took:.1f} s"
    session.result(done | {"duration_s": round(took, 3)}, text + (f"; {done['live']} live" if done["live"] else ""))
    return EXIT_PASSED


def _redrawn(line: str) -> None:
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _report(session: Session, args: argparse.Namespace) -> int:
    from pathlib import Path

    from runners.report import service

    formats = service.DEFAULT_FORMATS
    if args.format is not None:
        formats = tuple(dict.fromkeys(part.strip() for part in args.format.split(",") if part.strip()))
        if not formats:
            raise UsageError("--format names nothing", remedy=f"choose from {','.join(service.DEFAULT_FORMATS)}")
    run = _resolved_by_files_if_need_be(session, args.run_id)
    paths = service.write(session.home, run, formats, Path(args.output).absolute() if args.output else None)
    session.result({"run": run, "files": [str(path) for path in paths]}, "\n".join(str(path) for path in paths))
    return EXIT_PASSED


def _gate(session: Session, args: argparse.Namespace) -> int:
    from runners.results.gates import evaluate, gates_of, measures_of, optional_of

    run = _resolved_by_files_if_need_be(session, args.run_id)
    expressions = args.expr or gates_of(session.home, run)
    measures = measures_of(session.home, run)
    gates = [evaluate(expr, measures) for expr in expressions]
    optional = frozenset() if args.expr else optional_of(session.home, run)
    verdicts = [gate.verdict for gate in gates if gate.verdict != "invalid" or gate.expr not in optional]
    verdict = "failed" if "failed" in verdicts else "invalid" if "invalid" in verdicts or not verdicts else "passed"
    document: dict[str, Any] = {
        "run": run,
        "verdict": verdict,
        "gates": [vars(gate) | {"optional": gate.expr in optional} for gate in gates],
    }
    lines = [
        f"{_GLYPH[gate.verdict]} {gate.verdict:<8} {gate.expr}{' (optional)' if gate.expr in optional else ''}\n    {gate.reason}"
        for gate in gates
    ]
    session.result(document, "\n".join(lines) or "this run has no gates: nothing was assessed")
    return _EXIT[verdict]


_GLYPH = {"passed": "✓", "failed": "✗", "invalid": "?"}


def _table(items: list[dict[str, Any]]) -> str:
    from runners.cli.resultview import columns, moment, seconds

    rows = [["RUN", "CAMPAIGN", "ENVIRONMENT", "STATE", "VERDICT", "STARTED", "TOOK", "TESTS", "COMMIT"]]
    for item in items:
        tests = item["tests"]
        rows.append(
            [
                item["run"], item["campaign"] or "?", item["environment"] or "", item["state"], item["verdict"] or "–",
                moment(item["started_at"]), seconds(item["duration_s"]), f"{tests['passed']}/{tests['planned']}",
                (item["commit"] or "")[:8],
            ]
        )  # fmt: skip
    return columns(rows)
