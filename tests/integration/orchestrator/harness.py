"""Campaigns of fake suites in a home of their own, and what must hold after any of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runners.events import Event, iter_points, read_events
from runners.lib import locks, proc
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.lib.ids import new_run_id
from runners.orchestrator import service
from runners.orchestrator.spec import CampaignSpec, StageSpec
from runners.orchestrator.verdicts import exit_code
from runners.results.store import open_store

HERE = Path(__file__).resolve().parent
GRACE_S = 0.5


def wait_for(condition: Callable[[], Any], seconds: float = 10.0, what: str = "the condition") -> Any:
    """The first true value of the condition. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come true within {seconds} s")
        time.sleep(0.005)
    return found


@contextmanager
def fake_suites_importable() -> Iterator[None]:
    """Coordinators started in this block find `fake_suite`."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(HERE)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def stage(name: str, *, tries: int = 1, suite: str = "data", module: str = "fake_suite", **keys: Any) -> StageSpec:
    """A stage of the fake suite; `params` say how it behaves."""
    keys.setdefault("grace_s", GRACE_S)
    runs = tuple(new_run_id() for _ in range(tries))
    return StageSpec(name=name, suite=suite, action="work", module=module, runs=runs, **keys)


def campaign(*stages: StageSpec, **keys: Any) -> CampaignSpec:
    return CampaignSpec(id=new_run_id(), campaign="test", environment="local", stages=stages, **keys)


def usual(home: Path, seconds: float = 2.0) -> CampaignSpec:
    """Telemetry with company, then an audit that counts what telemetry said."""
    copies = str(home / "copies")
    return campaign(
        stage("telemetry", params={"seconds": seconds, "rate": 50, "copies": copies}),
        stage("users", during="telemetry", params={"seconds": 60, "copies": copies}),
        stage("crash", during="telemetry", at_s=0.3, params={"seconds": 0.4, "copies": copies}),
        stage("audit", needs=("telemetry", "crash"), of="telemetry", params={"copies": copies}),
    )


def events_of(home: Home, run: str) -> list[Event]:
    return list(read_events(home.run(run) / "events.jsonl"))


def endings(home: Home, run: str) -> dict[str, tuple[str, str | None]]:
    """(state, verdict) of each stage, as the campaign's journal says."""
    return {
        event["stage_name"]: (event["state"], event["verdict"])
        for event in events_of(home, run)
        if event["type"] == "stage.finished" and not event.get("retry")
    }


def follow_quietly(home: Home, run: str) -> service.Followed:
    return service.follow(home, run, lambda _: None)


def front_end(home: Home, *arguments: str, **keys: Any) -> subprocess.Popen[bytes]:
    """A real `testbed` command in a session of its own."""
    keys.setdefault("stdout", subprocess.DEVNULL)
    keys.setdefault("stderr", subprocess.STDOUT)
    command = [sys.executable, "-m", "runners", "--home", str(home.root), *arguments]
    return subprocess.Popen(command, start_new_session=True, **keys)


def coordinator_pid(home: Home, run: str) -> int | None:
    """Of the one that lives."""
    if not locks.held(home.run(run) / "coord.lock"):
        return None
    identity = read_json(home.run(run) / "pid.json") or {}
    found = proc.stat(identity["pid"]) if identity else None
    return identity["pid"] if found and found.alive and found.start == identity["start"] else None


def shim_pid(home: Home, run: str) -> int | None:
    """Of a stage run whose runner has been started and has not ended."""
    folder = home.run(run)
    if not (folder / "started").exists() or (folder / "exit.json").exists():
        return None
    identity = read_json(folder / "pid.json") or {}
    found = proc.stat(identity["pid"]) if identity else None
    return identity["pid"] if found and found.alive and found.start == identity["start"] else None


def runner_pid(home: Home, run: str) -> int | None:
    """The runner is the shim's child that leads a session with the run's mark."""
    shim = shim_pid(home, run)
    for pid in proc.carriers(proc.RUN_MARK, run):
        found = proc.stat(pid)
        if shim and found and found.parent == shim:
            return pid
    return None


def processes_of(home: Home, spec: CampaignSpec) -> list[int]:
    """Living processes that belong to the run by mark or by command line."""
    marked = {pid for run in spec.run_ids for pid in proc.carriers(proc.RUN_MARK, run)}
    named = set()
    for pid in proc.pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if spec.id.encode() in words and b"start_coordinator" in words and (found := proc.stat(pid)) and found.alive:
            named.add(pid)
    return sorted(marked | named)


def starts_of(home: Home, run: str) -> int:
    """How often a coordinator was started."""
    return len((home.run(run) / "coord.starts").read_text().split())


def faults_of_bookkeeping(home: Home, spec: CampaignSpec, *, ended: service.Followed | None = None) -> list[str]:
    """Everything that must hold after any run, however it was disturbed; the sentences that do not."""
    wrong: list[str] = []
    own = events_of(home, spec.id)
    end = read_json(home.run(spec.id) / "exit.json")
    if end is None:
        return ["no exit.json"]
    if (home.live / spec.id).exists():
        wrong.append("live mark left")
    kinds = [event["type"] for event in own]
    if kinds.count("run.finished") != 1 or kinds[-1] != "run.finished":
        wrong.append(f"run.finished {kinds.count('run.finished')} times, last is {kinds[-1]}")
    if sorted(endings(home, spec.id)) != sorted(item.name for item in spec.stages) and "run.started" in kinds:
        wrong.append(f"stages ended: {sorted(endings(home, spec.id))}")
    if end["exit_code"] != exit_code(end["state"], end["verdict"]):
        wrong.append(f"exit code {end['exit_code']} for {end['state']} {end['verdict']}")
    if ended is not None and ended.code != end["exit_code"]:
        wrong.append(f"front end ended with {ended.code}, not {end['exit_code']}")
    wrong += _wrong_in_files_and_database(home, spec)
    copies = home.root / "copies"
    started = [line.split()[1] for line in copies.read_text().splitlines()] if copies.exists() else []
    if len(started) != len(set(started)):
        wrong.append(f"a runner was started twice: {started}")
    try:
        wait_for(lambda: not processes_of(home, spec), 5.0)  # a coordinator's interpreter takes a while to end
    except TimeoutError:
        wrong.append(f"processes left: {processes_of(home, spec)}")
    lease = home.env(spec.environment).lease
    if lease.exists() and (locks.held(lease) or json.loads(lease.read_bytes() or b"{}")):
        wrong.append("lease not released")
    log = home.run(spec.id) / "coord.log"
    if log.exists() and "Traceback" in log.read_text():
        wrong.append("coord.log: " + log.read_text().strip().splitlines()[-1])
    return wrong


def _wrong_in_files_and_database(home: Home, spec: CampaignSpec) -> list[str]:
    wrong: list[str] = []
    store = open_store(home.results_url)
    try:
        with store.read() as connection:
            rows = {
                row[0]: (row[1], row[2])
                for row in connection.exec_driver_sql("SELECT id, state, verdict FROM test_executions")
            }
            counted = dict(
                connection.exec_driver_sql(
                    "SELECT execution_id, SUM(n) FROM metric_chunks GROUP BY execution_id"
                ).fetchall()
            )
        for run in spec.run_ids:
            path = home.run(run) / "events.jsonl"
            if not path.exists():
                continue
            data = path.read_bytes()
            if data and not data.endswith(b"\n"):
                wrong.append(f"{run}: torn end")
            events = [json.loads(line) for line in data.splitlines()]
            if [event["seq"] for event in events] != list(range(len(events))):
                wrong.append(f"{run}: seq is not contiguous")
            progress = store.progress(run)
            if (progress[0] if progress else 0) != len(data):
                wrong.append(f"{run}: {progress} ingested of {len(data)} bytes")
            points = sum(1 for event in events if event["type"] == "metric.points" for _ in iter_points(event))
            if (counted.get(run) or 0) != points:
                wrong.append(f"{run}: {counted.get(run)} of {points} points in the database")
        for name, ending in endings(home, spec.id).items():
            runs = spec.stage(name).runs
            if ending not in [rows.get(run) for run in runs]:
                wrong.append(f"{name}: row {rows.get(runs[0])}, journal {ending}")
        end = read_json(home.run(spec.id) / "exit.json") or {}
        if rows.get(spec.id) != (end.get("state"), end.get("verdict")):
            wrong.append(f"campaign: row {rows.get(spec.id)}, exit.json {end.get('state')} {end.get('verdict')}")
    finally:
        store.close()
    return wrong
