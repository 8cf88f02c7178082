"""Launch a run and stay with it: shared by `run`, `attach` and the commands that run one suite."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from runners.cli.again import again
from runners.cli.progress import Progress
from runners.cli.session import Session
from runners.lib.units import format_duration

if TYPE_CHECKING:
    from runners.orchestrator.service import Followed
    from runners.orchestrator.spec import CampaignSpec


class Interrupts:
    """How often SIGINT or SIGTERM came: once asks for an orderly end, twice for one at once."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        return self.count

    def take(self, *_: int | FrameType | None) -> None:
        self.count += 1


@contextmanager
def counted_interrupts() -> Iterator[Interrupts]:
    """Signals are counted instead of raised, until the run has ended."""
    interrupts = Interrupts()
    before = {number: signal.signal(number, interrupts.take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(session: Session, run: str, interrupts: Interrupts, *, detail: bool = False) -> Followed:
    """Show a run to its end. detail: a run of one stage, whose name is the command's."""
    from runners.orchestrator import service

    progress = Progress(session, run, detail=detail)
    try:
        ended = service.follow(
            session.home, run, progress.event, interrupts=interrupts, on_tick=progress.tick
        )  # fmt: skip
    finally:
        progress.close()
    if ended.warning:
        session.say(f"warning: {ended.warning}")
    return ended


def conclude(session: Session, ended: Followed, *, then: str = "") -> str:
    """The last words for people: the verdict, why, and where to look. then: the command that comes next, its run left out."""
    from runners.orchestrator.timing import duration_of

    word = ended.verdict if ended.state == "finished" else ended.state
    took = duration_of(session.home, ended.run)
    return (
        f"{str(word).upper()}" + (f" in {format_duration(took)}" if took else "")
        + (f"\n  {ended.reason}" if ended.reason not in (None, ended.state) else "")
        + f"\n  run {ended.run}\n  → "
        + " · ".join(f"testbed {command} {ended.run[:13]}" for command in (then or "results show", "report"))
    )  # fmt: skip


def run_stage(
    session: Session,
    *,
    suite: str,
    action: str,
    name: str,
    params: dict[str, Any],
    environment: str,
    needs_environment: bool = True,
    timeout_s: float = 3600,
    seed: int = 0,
    then: Callable[[Followed], str] | None = None,
) -> tuple[int, str]:
    """A campaign of one stage: recorded, attached, its events printed with --json. (exit code, campaign run id)

    name: of the stage, and in `testbed results list`; then: as of `conclude`, by how the run ended. Raises NotReady when the environment is not ready or leased.
    """
    from runners.lib.ids import new_run_id
    from runners.orchestrator import service
    from runners.orchestrator.spec import MODULES, CampaignSpec, StageSpec

    if needs_environment:
        require(session, environment)
    stage = StageSpec(
        name=name, suite=suite, action=action, module=MODULES[suite], runs=(new_run_id(),), timeout_s=timeout_s,
        duration_s=params.get("duration_s"), estimate_s=params.get("duration_s"), params=params,
    )  # fmt: skip
    spec = CampaignSpec(
        id=new_run_id(), campaign=f"{suite} {action} {name}", environment=environment, stages=(stage,), seed=seed,
        timeout_s=timeout_s + 60, lease=needs_environment, commit=commit(), on_disconnect=on_disconnect_default(),
        defects=defects_of(session, environment), command=again(session.typed, environment) if session.typed else "",
    )  # fmt: skip
    with counted_interrupts() as interrupts:
        service.launch(session.home, spec, results_url=session.results_url)
        ended = follow(session, spec.id, interrupts, detail=True)
    session.say(conclude(session, ended, then=then(ended) if then else ""))
    return ended.code, ended.run


def require(session: Session, environment: str, *, queue: bool = False) -> None:
    """Raises NotReady unless the environment is ready and, without queue, nobody drives it. Starts nothing."""
    from runners.environment.service import require_ready
    from runners.orchestrator import service

    if not queue:
        service.check_lease(session.home, environment)
    require_ready(session.home, environment)


def inventory_of(session: Session, environment: str, source: str | None = None) -> Path | None:
    """The inventory that an environment was, or would be, provisioned from: its settings count. None: there is none.

    source: `--inventory` as given.
    """
    from runners.environment.inventory import find, of_environment
    from runners.lib.errors import FileError
    from runners.lib.files import read_json

    state = read_json(session.home.env(session.environment_name(environment)).state)
    recorded = state.get("inventory") if isinstance(state, dict) else None
    if source is None and recorded and Path(recorded).is_dir():
        return Path(recorded)
    try:
        return find(source) if source else of_environment(environment)
    except FileError:
        return None  # who needs it says what is wrong


def defects_of(session: Session, environment: str) -> tuple[str, ...]:
    """The defect switches that the environment's platform was started with."""
    from runners.lib.files import read_json

    state = read_json(session.home.env(environment).state)
    return tuple(state.get("defects") or ()) if isinstance(state, dict) else ()


def on_disconnect_default() -> str:
    """In CI nobody would come back to a run whose job has ended."""
    return "cancel" if os.environ.get("CI", "").lower() in ("true", "1") else "continue"


def commit() -> str | None:
    """The commit of the current directory, with `+` when it has changes; None outside a repository."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def launch(session: Session, spec: CampaignSpec, *, detach: bool) -> Followed | None:
    """Start a campaign and stay until it ends; None when detached."""
    from runners.orchestrator import service

    with counted_interrupts() as interrupts:
        service.launch(session.home, spec, results_url=session.results_url)
        if detach:
            return None
        return follow(session, spec.id, interrupts)


def prepare(
    session: Session, spec: CampaignSpec, *, up: bool = False, defects: tuple[str, ...] | None = None
) -> CampaignSpec:
    """The files are sound, the environment is free, ready and as the campaign wants it, or nothing is started.

    up: provision first when it is not. defects: switches that the platform must run with; None: as they are. Raises
    FileError, Leased, NotReady, Cancelled.
    """
    from dataclasses import replace

    from runners.lib.errors import NotReady
    from runners.orchestrator import service

    check_sources(spec)
    name = spec.environment
    if not spec.queue:
        service.check_lease(session.home, name)
    if up and not _as_wanted(session, name, defects):
        provision(session, name, defects_of(session, name) if defects is None else defects)
    require(session, name, queue=spec.queue)
    there = defects_of(session, name)
    if defects is not None and set(defects) != set(there):
        raise NotReady(
            f"environment {name} runs with defects {', '.join(there) or 'none'}, not {', '.join(defects) or 'none'}",
            remedy="add --up, which restarts what must change",
        )
    return replace(spec, defects=there)


def check_sources(spec: CampaignSpec) -> None:
    """Scenarios and experiments of all stages, by the code that will run them. Raises FileError."""
    from runners.chaos import experiment
    from runners.datagen.gauging import gauged
    from runners.datagen.scenario import load_scenario
    from runners.load import scenario

    for stage in spec.stages:
        if path := stage.params.get("experiment"):
            experiment.load(Path(path), allow_foreign_actions=bool(stage.params.get("allow_foreign_actions")))
        elif path := stage.params.get("scenario"):
            if stage.suite == "load":
                scenario.load(Path(path), scenario.changes_of(stage.params))
            else:
                gauged(load_scenario(Path(path)))


def _as_wanted(session: Session, environment: str, defects: tuple[str, ...] | None) -> bool:
    from runners.environment.service import require_ready
    from runners.lib.errors import NotReady

    try:
        require_ready(session.home, environment)
    except NotReady:
        return False
    return defects is None or set(defects) == set(defects_of(session, environment))


def provision(session: Session, name: str, defects: tuple[str, ...]) -> None:
    """As `testbed up`, before a campaign. Raises NotReady, Cancelled."""
    from runners.cli.provisioning import Interrupts as Provisioning
    from runners.cli.provisioning import Progress as Steps
    from runners.config.settings import resolve
    from runners.environment import service

    chosen = resolve(session.overrides, inventory=inventory_of(session, name))
    steps = Steps(session, name)
    try:
        with Provisioning(session, "rolling back; once more to stop at once") as interrupts:
            done = service.up(
                session.home, name, defects=defects, stores=chosen["stores"], identity=chosen["identity"],
                on_event=steps.take, cancel=interrupts.count,
            )  # fmt: skip
        steps.end(done.status)
    finally:
        steps.clear()


def write_report(session: Session, run: str, folder: str) -> None:
    """All documents of a run into a folder."""
    from runners.report import service

    for path in service.write(session.home, run, folder=Path(folder)):
        session.say(f"  {path}")
