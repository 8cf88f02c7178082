"""The control center's only door to the runners: calls become services of theirs, their events become happenings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from runners.events import Event, iter_points, split_series
from runners.lib.errors import TestbedError
from runners.lib.histogram import Histogram
from runners.lib.home import Home
from runners.lib.text import one_line, plain
from tui.gateway import CampaignInfo, EnvironmentView, GatewayError, Happening, OperationPoint, PageSource, RunRow, Tail

if TYPE_CHECKING:
    from runners.orchestrator.tail import Tail as FileTail

P = ParamSpec("P")
T = TypeVar("T")


def _door(call: Callable[P, T]) -> Callable[P, T]:
    """Errors of the runners become GatewayErrors with the sentence that a person is meant to read."""

    @functools.wraps(call)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except GatewayError:
            raise
        except TestbedError as error:
            raise GatewayError(one_line(str(error))) from error
        except Exception as error:
            raise GatewayError(one_line(f"{type(error).__name__}: {error}")) from error

    return wrapped


def _safe(value: Any) -> Any:
    """Every text in a JSON value without control characters."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if isinstance(value, dict):
        return {plain(str(key)): _safe(item) for key, item in value.items()}
    return value


class LiveGateway:
    """See `tui.gateway.Gateway`. home: the folder of all state; database: URL of the results."""

    def __init__(self, home: Path, database: str) -> None:
        self._home, self._database = Home(home), database
        self._store: Any = None

    def _results(self) -> Any:
        if self._store is None:
            from runners.results.store import open_store

            self._home.create()
            self._store = open_store(self._database)
        return self._store

    @_door
    def runs(self, limit: int = 200) -> list[RunRow]:
        from runners.orchestrator import service
        from runners.results import queries

        rows = [_row(item) for item in queries.list_runs(self._results(), limit=limit)["items"]]
        known = {row.run for row in rows}
        starting = [run for run in service.live_runs(self._home) if run not in known]
        return [*(_from_folder(self._home, run) for run in reversed(starting)), *rows][:limit]

    @_door
    def results(self, expression: str, newest_first: bool = True) -> PageSource:
        from runners.results.pages import RunPages

        return _Pages(RunPages(self._results(), expression, newest_first=newest_first))

    @_door
    def detail(self, run: str) -> dict[str, Any]:
        from runners.results import queries

        document = _safe(queries.show_run(self._results(), run))
        assert isinstance(document, dict)
        return document

    @_door
    def campaigns(self) -> list[CampaignInfo]:
        from runners.config import lookup, settings
        from runners.orchestrator import campaign, plan

        found = []
        for name, path in sorted(lookup.available("campaigns").items()):
            try:
                loaded = campaign.load(path)
                estimate = plan.describe(plan.plan(loaded, settings.resolve({}, campaign=loaded.document)))[
                    "estimate_s"
                ]
            except TestbedError:
                continue  # some other YAML file, or a broken one: `testbed campaigns` says why
            found.append(
                CampaignInfo(name, plain(loaded.model.description), [stage.name for stage in loaded.stages], estimate)
            )
        return found

    @_door
    def environment(self, name: str) -> EnvironmentView:
        from runners.environment import service

        status = service.status(self._home, name)
        services = [item for item in status.get("services") or [] if item.get("state") != "absent"]
        healthy = sum(item.get("health") == "healthy" for item in services)
        halted = self._home.env(name).halted.exists()
        return EnvironmentView(
            name,
            str(status.get("state", "unknown")),
            healthy,
            len(services),
            tuple(status.get("defects") or ()),
            halted,
        )

    @_door
    def launch(self, campaign: str, environment: str) -> str:
        from runners.cli import launch
        from runners.cli.session import Session
        from runners.config import lookup, settings
        from runners.orchestrator import campaign as campaigns
        from runners.orchestrator import plan, service

        session = Session(self._home, self._database, environment, quiet=True)
        found = campaigns.load(lookup.find("campaigns", campaign))
        effective = settings.resolve({"environment": environment}, campaign=found.document)
        spec = launch.prepare(session, plan.plan(found, effective, commit=launch.commit()), up=False)
        return service.launch(self._home, spec, results_url=self._database)

    @_door
    def cancel(self, run: str) -> None:
        from runners.orchestrator import service

        service.request_cancel(self._home, run)

    @_door
    def abort_all(self) -> str:
        from runners.orchestrator import service

        runs = service.live_runs(self._home)
        for run in runs:
            service.request_cancel(self._home, run)
        for run in runs:
            service.follow(self._home, run, lambda _: None)
        faults = service.settle_all_faults(self._home)
        stuck = [record for record in faults if record.state == "FAILED"]
        if stuck:
            raise GatewayError(f"{len(stuck)} faults could not be reverted: testbed chaos recover says why")
        return f"{len(runs)} run{'' if len(runs) == 1 else 's'} cancelled · no fault is left"

    @_door
    def report(self, run: str) -> str:
        from runners.report import service

        return str(service.write(self._home, run)[0])

    @_door
    def tail(self, run: str) -> Tail:
        return LiveTail(self._home, run)


class _Pages:
    """Rows of the results database as rows of the screen."""

    def __init__(self, pages: Any) -> None:
        self._pages = pages

    def __len__(self) -> int:
        return len(self._pages)

    def rows(self, start: int, count: int) -> Sequence[RunRow]:
        return [_row(item) for item in self._pages.rows(start, count)]


def _row(item: dict[str, Any]) -> RunRow:
    return RunRow(
        str(item["run"]), plain(str(item.get("campaign") or "?")), plain(str(item.get("environment") or "")), str(item["state"]),
        item.get("verdict"), item.get("started_at"), item.get("duration_s"), dict(item.get("tests") or {}), item.get("commit"),
        one_line(str(item.get("reason") or "")),
    )  # fmt: skip


def _from_folder(home: Home, run: str) -> RunRow:
    """A live run that the database does not know yet."""
    from runners.lib.files import read_json

    spec = read_json(home.run(run) / "spec.json") or {}
    return RunRow(
        run,
        plain(str(spec.get("campaign", "?"))),
        plain(str(spec.get("environment", ""))),
        "starting",
        None,
        None,
        None,
    )


class LiveTail:
    """Follows a campaign's event file and those of its stages."""

    def __init__(self, home: Home, run: str) -> None:
        self._home, self._run = home, run
        self._files = {run: self._open(run)}
        self._stage = {run: ""}
        self._totals: dict[str, Histogram] = {}
        self._finished = False

    def _open(self, run: str) -> FileTail:
        from runners.orchestrator.tail import Tail as Reader

        return Reader(self._home.run(run) / "events.jsonl")

    @property
    def over(self) -> bool:
        return self._finished

    @_door
    def poll(self) -> list[Happening]:
        found: list[tuple[float, Happening]] = []
        ended = False
        more = True
        while more:
            more = False
            for run, file in list(self._files.items()):
                for event in file.read(20_000):
                    stage = self._stage[run]
                    found.append((float(event["ts"]), self._translate(stage, event)))
                    if run == self._run:
                        started = event.get("run_id")
                        if event["type"] == "stage.starting" and started and started not in self._files:
                            self._files[started] = self._open(started)
                            self._stage[started] = plain(str(event["stage_name"]))
                            more = True
                        ended = ended or event["type"] == "run.finished"
        self._finished = self._finished or ended or self._dead()
        return [happening for _, happening in sorted(found, key=lambda item: item[0])]

    def _dead(self) -> bool:
        """Ended without a word: nothing will come any more."""
        folder = self._home.run(self._run)
        return (folder / "exit.json").exists() and not (self._home.live / self._run).exists()

    def _translate(self, stage: str, event: Event) -> Happening:
        t = float(event["ts"])
        if event["type"] != "metric.points":
            return Happening(
                stage,
                str(event["type"]),
                t,
                _safe({k: v for k, v in event.items() if k not in ("v", "seq", "ts", "mono_ns", "run")}),
            )
        seconds: dict[tuple[str, float], Histogram] = {}
        points: list[tuple[str, float, float]] = []
        for series, at, value in iter_points(event):
            if isinstance(value, dict):
                name = split_series(series)[0]
                if name.startswith("probe."):
                    continue  # the independent probe is no traffic of users
                seconds.setdefault((name, at), Histogram()).merge(Histogram.from_json(value))
            elif isinstance(value, int | float):
                points.append((plain(series), at, float(value)))
        return Happening(
            stage, "metric.points", t, {}, [self._operation(name, at, h) for (name, at), h in seconds.items()], points
        )

    def _operation(self, name: str, at: float, second: Histogram) -> OperationPoint:
        total = self._totals.setdefault(name, Histogram())
        total.merge(second)
        return OperationPoint(
            plain(name), at, second.count, second.errors, second.quantile(0.95), total.count, total.errors,
            total.quantile(0.5), total.quantile(0.95), total.quantile(0.99),
        )  # fmt: skip
