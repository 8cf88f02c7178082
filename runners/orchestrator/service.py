"""What front ends do with campaigns: launch, follow, cancel. They attach only; they own nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runners.events import Event
from runners.lib import locks
from runners.lib.errors import FileError, Leased
from runners.lib.files import read_json, write_json
from runners.lib.home import Home
from runners.lib.ids import new_run_id
from runners.orchestrator import lease
from runners.orchestrator.journal import EVENTS
from runners.orchestrator.reconcile import reconcile
from runners.orchestrator.spec import CampaignSpec, load_spec
from runners.orchestrator.starting import request_cancel as _request
from runners.orchestrator.starting import signal_coordinator, start_coordinator
from runners.orchestrator.tail import Tail

if TYPE_CHECKING:
    from runners.faults.record import FaultRecord

POLL_S = 0.02
REVIVE_S = 0.25
HUNG_S = 6.0
LIVE_IDS_MIN = 6

__all__ = [
    "Followed",
    "check_lease",
    "find_run",
    "follow",
    "launch",
    "live_runs",
    "new_spec_id",
    "reconcile",
    "request_cancel",
    "settle_all_faults",
]


def check_lease(home: Home, environment: str) -> None:
    """Raises Leased, naming the holder, when a run drives the environment or died doing so."""
    place = home.env(environment)
    found = lease.holder(place)
    run = str(found["run"]) if found and found.get("run") else lease.orphan(home, place)
    if found is None and run is None:
        return
    content = found or {}
    who = f"run {run}" if run else f"'testbed {content.get('operation', '?')}' (process {content.get('pid', '?')})"
    raise Leased(
        f"environment {environment} is leased by {who}",
        remedy=f"wait (--queue), watch it (testbed attach {run}) or end it (testbed cancel {run})" if run else
        "wait until it is done",
    )  # fmt: skip


def launch(home: Home, spec: CampaignSpec, *, results_url: str | None = None) -> str:
    """Create the run and start its coordinator; returns its id. The live mark makes it a run, so it comes last.

    results_url: of the database, when it is not the home's own.
    """
    home.create()
    folder = home.run(spec.id)
    hidden = home.runs / f".{spec.id}"  # a folder without its mark would be junk after an early interrupt
    hidden.mkdir(mode=0o700)
    write_json(hidden / "spec.json", spec.to_json(), sync=False)
    if results_url is not None and results_url != home.results_url:
        target = hidden / "results.url"
        target.touch(mode=0o600)
        target.write_text(results_url)
    os.close(locks.open_lock(hidden / "attached"))
    hidden.rename(folder)
    (home.live / spec.id).touch(mode=0o600)
    start_coordinator(home, spec.id)
    return spec.id


def new_spec_id() -> str:
    """The id of a run to be launched."""
    return new_run_id()


def request_cancel(home: Home, run: str, *, now: bool = False, grace: float | None = None) -> None:
    """Ask a run to end: in good order, or at once. Works on a dead coordinator too, by starting it."""
    folder = home.run(run)
    if grace is None:
        grace = _grace(folder)
    _request(folder, 0.0 if now else grace)
    start_coordinator(home, run)


def _grace(folder: Path) -> float:
    try:
        stages = load_spec(folder).stages
    except FileError:
        return 5.0
    return max((stage.grace_s for stage in stages), default=5.0)


@dataclass
class Followed:
    """How the run ended. code: exit code; state, verdict, reason as in `run.finished`; warning: for people."""

    run: str
    code: int
    state: str
    verdict: str | None
    reason: str | None
    warning: str | None = None
    revived: int = 0


@dataclass
class _Feed:
    """The event files of a campaign and of its stages, in order of appearance."""

    home: Home
    run: str
    tails: dict[str, Tail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tails[self.run] = Tail(self.home.run(self.run) / EVENTS)

    def drain(self, on_event: Callable[[Event], None]) -> None:
        again = True
        while again:
            again = False
            for run, tail in list(self.tails.items()):
                for event in tail.read(5000):
                    on_event(event)
                    started = event.get("run_id") if run == self.run else None
                    if event["type"] == "stage.starting" and started and started not in self.tails:
                        self.tails[started] = Tail(self.home.run(started) / EVENTS)
                        again = True

    def close(self) -> None:
        for tail in self.tails.values():
            tail.close()


def follow(
    home: Home,
    run: str,
    on_event: Callable[[Event], None],
    *,
    interrupts: Callable[[], int] = lambda: 0,
    on_tick: Callable[[], None] = lambda: None,
) -> Followed:
    """Watch a run to its end, giving every event of campaign and stages once; the campaign's `run.finished` last.

    interrupts: how often the user asked to stop so far: once is an orderly cancel, twice is at once. A dead
    coordinator is started anew; a hung one, after the grace of a cancel, is killed and started anew.
    """
    folder = home.run(run)
    presence = locks.open_lock(folder / "attached")
    locks.try_lock(presence, shared=True)
    feed = _Feed(home, run)
    last: list[Event] = []

    def pass_on(event: Event) -> None:
        if event["type"] == "run.finished" and event["run"] == run:
            last.append(event)
        else:
            on_event(event)

    asked, revived, next_look, patience = 0, 0, 0.0, float("inf")
    mourned = 0
    try:
        while True:
            over = (folder / "exit.json").exists()
            marked = (home.live / run).exists()
            feed.drain(pass_on)
            on_tick()
            if over and not marked:
                break
            now = time.monotonic()
            if (count := interrupts()) > asked:
                asked = count
                grace = 0.0 if asked > 1 else _grace(folder)
                patience = now + max(grace, 1.0) + HUNG_S
                request_cancel(home, run, grace=grace)
            if now > patience:
                patience = float("inf")
                signal_coordinator(folder, signal.SIGKILL)  # it hangs; its successor will find the request
            if now > next_look:
                next_look = now + REVIVE_S
                if marked and not locks.held(folder / "coord.lock"):
                    if over and mourned:
                        break  # ended, but the database could not take it: that needs another command
                    mourned += over
                    revived += start_coordinator(home, run)
            time.sleep(POLL_S)
        feed.drain(pass_on)
        for event in last:
            on_event(event)
    finally:
        feed.close()
        os.close(presence)
    return _ended(home, run, revived)


def _ended(home: Home, run: str, revived: int) -> Followed:
    end: dict[str, Any] = read_json(home.run(run) / "exit.json") or {}
    warning = None
    if (home.live / run).exists() or (end.get("stored") is False and end.get("state") == "error"):
        problem = end.get("problem") or "it was not reachable"
        warning = f"the results database could not take this run ({problem}); `testbed results reindex` rebuilds it"
    return Followed(
        run, int(end.get("exit_code", 3)), str(end.get("state", "error")), end.get("verdict"), end.get("reason"),
        warning, revived,
    )  # fmt: skip


def find_run(home: Home, reference: str) -> str:
    """A campaign's run by id, unique prefix of at least 6 characters, `last` or `last~N`; from the folders alone.

    Raises FileError when there is none, or more than one.
    """
    try:
        names = sorted((name for name in os.listdir(home.runs) if not name.startswith(".")), reverse=True)
    except FileNotFoundError:
        names = []
    remedy = "testbed results list shows the runs"
    if reference == "last" or reference.startswith("last~"):
        number = reference.removeprefix("last").removeprefix("~") or "0"
        if not number.isdigit():
            raise FileError(f"'{reference}' is not a run", remedy="write last or last~2")
        campaigns = (name for name in names if _is_campaign(home, name))
        for index, name in enumerate(campaigns):
            if index == int(number):
                return name
        raise FileError(f"there is no run '{reference}' yet", remedy=remedy)
    found = [
        name for name in names if name == reference or (len(reference) >= LIVE_IDS_MIN and name.startswith(reference))
    ]
    found = [_campaign_of(home, name) for name in found]
    if not found:
        raise FileError(f"no run '{reference}' in {home.root}", remedy=remedy)
    if len(set(found)) > 1:
        raise FileError(f"'{reference}' is the beginning of {len(found)} run ids", remedy="give more of it")
    return found[0]


def live_runs(home: Home) -> list[str]:
    """Campaigns that are not finished, oldest first."""
    try:
        return sorted(os.listdir(home.live))
    except FileNotFoundError:
        return []


def settle_all_faults(home: Home) -> list[FaultRecord]:
    """Revert what no living watchdog will, also what failed to revert before; the faults that were touched."""
    from runners.faults import recover

    try:
        names = sorted(os.listdir(home.root / "env"))
    except FileNotFoundError:
        return []
    return [record for name in names for record in recover.recover(home.env(name), failed=True)]


def _is_campaign(home: Home, run: str) -> bool:
    document = read_json(home.run(run) / "spec.json")
    return isinstance(document, dict) and "stages" in document


def _campaign_of(home: Home, run: str) -> str:
    document = read_json(home.run(run) / "spec.json")
    return str(document["campaign_run"]) if isinstance(document, dict) and "campaign_run" in document else run
