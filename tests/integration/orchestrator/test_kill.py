"""kill -9 of whatever takes part, at random moments: the run still reaches the right end, and every event counts once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runners.lib import proc
from runners.lib.home import Home
from runners.orchestrator import service
from runners.orchestrator.crashpoints import CRASH, CRASH_MARK
from runners.orchestrator.spec import CampaignSpec
from tests.integration.orchestrator.harness import (
    campaign,
    coordinator_pid,
    endings,
    events_of,
    faults_of_bookkeeping,
    follow_quietly,
    runner_pid,
    shim_pid,
    stage,
    starts_of,
    usual,
    wait_for,
)


def kill(pid: int | None) -> bool:
    if pid is None:
        return False
    proc.kill(pid, signal.SIGKILL)
    return True


def live_stages(home: Home, spec: CampaignSpec) -> list[str]:
    return [item.runs[0] for item in spec.stages if shim_pid(home, item.runs[0])]


def kill_coordinator(home: Home, spec: CampaignSpec, _: random.Random) -> bool:
    return kill(coordinator_pid(home, spec.id))


def kill_coordinator_thrice(home: Home, spec: CampaignSpec, rng: random.Random) -> bool:
    hit = False
    for _ in range(3):
        hit |= kill(coordinator_pid(home, spec.id))
        time.sleep(rng.uniform(0, 0.5))
    return hit


def kill_shim(home: Home, spec: CampaignSpec, rng: random.Random) -> bool:
    runs = live_stages(home, spec)
    return bool(runs) and kill(shim_pid(home, rng.choice(runs)))


def kill_runner(home: Home, spec: CampaignSpec, rng: random.Random) -> bool:
    runs = live_stages(home, spec)
    return bool(runs) and kill(runner_pid(home, rng.choice(runs)))


def kill_all(home: Home, spec: CampaignSpec, rng: random.Random) -> bool:
    hit = kill(coordinator_pid(home, spec.id))
    for run in live_stages(home, spec):
        hit |= kill(runner_pid(home, run)) | kill(shim_pid(home, run))
    return hit


VICTIMS: dict[str, Callable[[Home, CampaignSpec, random.Random], bool]] = {
    "coordinator": kill_coordinator,
    "coordinator thrice": kill_coordinator_thrice,
    "shim": kill_shim,
    "runner": kill_runner,
    "everything": kill_all,
}


def test_random_kills(home: Home) -> None:
    def trial(task: tuple[str, int]) -> list[str]:
        victim, number = task
        rng = random.Random(f"{victim}/{number}")
        place = Home(home.root / f"{victim}-{number}")
        place.create()
        spec = usual(place.root, seconds=1.2)
        service.launch(place, spec)
        time.sleep(rng.uniform(0, 2.0))  # the moment is the random variable of this experiment
        hit = VICTIMS[victim](place, spec, rng)
        ended = follow_quietly(place, spec.id)
        wrong = faults_of_bookkeeping(place, spec, ended=ended)
        if ended.state != "finished":
            wrong.append(f"state {ended.state}")
        if not hit and ended.verdict != "passed":
            wrong.append(f"nothing was killed, yet {ended.verdict}")
        if hit and victim.startswith("coordinator"):
            skipped = [name for name, (state, _) in endings(place, spec.id).items() if state == "skipped"]
            if ended.verdict != "passed" and not skipped:
                wrong.append(f"a coordinator's death changed the verdict: {ended.reason}")
        return [f"{victim} {number}: {item}" for item in wrong]

    tasks = [(victim, number) for victim in VICTIMS for number in range(3)]
    with ThreadPoolExecutor(6) as pool:
        assert [item for wrong in pool.map(trial, tasks) for item in wrong] == []


def test_a_killed_shim_makes_its_stage_lost_and_is_never_started_again(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60, "stubborn": True}), stage("b", after=("a",)))
    service.launch(home, spec)
    run = spec.stage("a").runs[0]
    wait_for(lambda: any(event["type"] == "metric.points" for event in events_of(home, run)))
    kill(shim_pid(home, run))
    ended = follow_quietly(home, spec.id)
    assert endings(home, spec.id) == {"a": ("lost", "invalid"), "b": ("finished", "passed")}
    assert events_of(home, run)[-1]["type"] == "run.aborted"
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


def test_half_lines_in_both_journals_are_cut_off(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}))
    service.launch(home, spec)
    run = spec.stage("a").runs[0]
    wait_for(lambda: any(event["type"] == "metric.points" for event in events_of(home, run)))
    kill_all(home, spec, random.Random(0))
    wait_for(lambda: coordinator_pid(home, spec.id) is None)
    for folder in (home.run(spec.id), home.run(run)):
        with (folder / "events.jsonl").open("ab") as file:
            file.write(b'{"v":1,"seq":77,"ty')
    ended = follow_quietly(home, spec.id)
    assert endings(home, spec.id) == {"a": ("lost", "invalid")}
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


def test_after_a_reboot_what_ran_is_lost_and_nothing_starts_twice(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60, "copies": str(home.root / "copies")}), stage("b", after=("a",)))
    service.launch(home, spec)
    run = spec.stage("a").runs[0]
    wait_for(lambda: any(event["type"] == "metric.points" for event in events_of(home, run)))
    kill_all(home, spec, random.Random(0))
    wait_for(lambda: coordinator_pid(home, spec.id) is None)
    (home.run(run) / "started").unlink()  # as if the disk had lost it: the boot id in the journal still tells
    journal = home.run(spec.id) / "events.jsonl"
    journal.write_text(journal.read_text().replace(proc.boot_id(), "an-earlier-boot"))
    ended = follow_quietly(home, spec.id)
    assert ended.code == 2
    assert endings(home, spec.id) == {"a": ("lost", "invalid"), "b": ("finished", "passed")}
    assert (home.root / "copies").read_text().count(run) == 1


def test_five_starts_without_a_new_event_end_the_run_as_error(home: Home) -> None:
    spec = campaign(stage("a"))
    folder = home.run(spec.id)
    folder.mkdir()
    broken = spec.to_json()
    del broken["campaign"]  # a specification that no coordinator can load
    (folder / "spec.json").write_text(json.dumps(broken))
    (home.live / spec.id).touch()
    begin = time.monotonic()
    ended = follow_quietly(home, spec.id)
    assert (ended.code, ended.state, ended.verdict) == (3, "error", "invalid")
    assert "not the specification of a campaign run" in str(ended.reason)
    assert time.monotonic() - begin < 15
    assert starts_of(home, spec.id) == 5
    assert not (home.live / spec.id).exists()


def test_a_mark_without_its_folder_does_not_break_commands(home: Home) -> None:
    (home.live / "0000").touch()
    assert service.reconcile(home) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("full", ["runs", "home"])
def test_a_full_disk_loses_no_whole_line_and_ends_by_itself(tmp_path: Path, home: Home, full: str) -> None:
    place = Home(tmp_path / "small")
    place.create()
    mount = place.runs if full == "runs" else place.root
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], capture_output=True)
    if done.returncode:
        pytest.skip(f"no mount: {done.stderr.decode().strip()}")
    try:
        place.create()
        spec = campaign(stage("a", params={"seconds": 30, "rate": 4000}), stage("b", after=("a",)))
        service.launch(place, spec)
        wait_for((place.run(spec.stage("a").runs[0]) / "exit.json").exists, 60)
        if full == "home":
            subprocess.run(["mount", "-o", "remount,size=40m", str(mount)], check=True)
        ended = follow_quietly(place, spec.id)
        assert endings(place, spec.id)["a"] == ("error", "invalid")
        assert ended.code == 2
        for run in spec.run_ids:
            seqs = [event["seq"] for event in events_of(place, run)]
            assert seqs == list(range(len(seqs)))
        assert starts_of(place, spec.id) <= 2
    finally:
        wait_for(lambda: subprocess.run(["umount", str(mount)], capture_output=True).returncode == 0, 10)


@pytest.mark.parametrize("point", ["start:spawned", "shim:marked", "store:before", "close:exit"])
def test_dying_at_a_chosen_moment(home: Home, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CRASH, point)
    monkeypatch.setenv(CRASH_MARK, str(home.root / "crashed"))
    spec = usual(home.root, seconds=0.6)
    service.launch(home, spec)
    ended = follow_quietly(home, spec.id)
    assert (home.root / "crashed").exists(), "the moment was reached"
    assert ended.code == (2 if point.startswith("shim") else 0)
    assert faults_of_bookkeeping(home, spec, ended=ended) == []
