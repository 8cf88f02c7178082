"""Ending a run: in good order, at once, when something hangs, when nobody watches."""

from __future__ import annotations

import signal
import time

import pytest

from runners.lib import locks, proc
from runners.lib.errors import Leased
from runners.lib.home import Home
from runners.orchestrator import service
from runners.orchestrator.reconcile import reconcile
from runners.orchestrator.spec import CampaignSpec
from tests.integration.orchestrator.harness import (
    GRACE_S,
    campaign,
    coordinator_pid,
    endings,
    events_of,
    faults_of_bookkeeping,
    follow_quietly,
    front_end,
    runner_pid,
    shim_pid,
    stage,
    starts_of,
    usual,
    wait_for,
)


def running(home: Home, spec: CampaignSpec, *names: str) -> None:
    """Launch, and wait until the runners of these stages are at work."""
    service.launch(home, spec)
    for name in names:
        run = spec.stage(name).runs[0]
        wait_for(lambda run=run: any(event["type"] == "metric.points" for event in events_of(home, run)))


def test_a_stubborn_child_and_a_grandchild_that_holds_the_pipe_are_gone_within_grace_and_a_second(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60, "stubborn": True}))
    running(home, spec, "a")
    assert len(proc.carriers(proc.RUN_MARK, spec.stage("a").runs[0])) >= 3, "shim, runner, grandchild"
    begin = time.monotonic()
    service.request_cancel(home, spec.id)
    ended = follow_quietly(home, spec.id)
    took = time.monotonic() - begin
    assert (ended.state, ended.verdict, ended.code) == ("cancelled", None, 130)
    assert proc.carriers(proc.RUN_MARK, spec.stage("a").runs[0]) == []
    assert took < GRACE_S + 1.0 + 0.5, "and the coordinator wrote its end"
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


def test_a_willing_runner_ends_in_good_order_and_its_results_are_kept(home: Home) -> None:
    spec = usual(home.root, seconds=60)
    running(home, spec, "telemetry", "users")
    service.request_cancel(home, spec.id)
    ended = follow_quietly(home, spec.id)
    assert ended.code == 130
    kinds = [event["type"] for event in events_of(home, spec.stage("telemetry").runs[0])]
    assert "run.finished" in kinds
    assert kinds[-1] == "run.aborted"
    assert set(endings(home, spec.id).values()) == {("cancelled", None)}
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


@pytest.mark.parametrize("times", [1, 2])
def test_sigint_to_a_front_end(home: Home, times: int) -> None:
    spec = campaign(stage("a", params={"seconds": 60, "stubborn": True}, grace_s=4.0))
    running(home, spec, "a")
    watcher = front_end(home, "attach", spec.id)
    wait_for(lambda: locks.held(home.run(spec.id) / "attached"))
    begin = time.monotonic()
    for _ in range(times):
        watcher.send_signal(signal.SIGINT)
        wait_for(lambda: (home.run(spec.id) / "cancel").exists() or watcher.poll() is not None)
        time.sleep(0.1)
    assert watcher.wait(20) == 130
    took = time.monotonic() - begin
    assert took >= 4 if times == 1 else took < 4
    assert faults_of_bookkeeping(home, spec) == []


def test_sigterm_straight_to_a_shim_makes_the_campaign_invalid(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}), stage("b", needs=("a",)))
    running(home, spec, "a")
    proc.kill(shim_pid(home, spec.stage("a").runs[0]) or 0, signal.SIGTERM)
    ended = follow_quietly(home, spec.id)
    assert (ended.state, ended.verdict, ended.code) == ("finished", "invalid", 2)
    assert endings(home, spec.id) == {"a": ("cancelled", None), "b": ("finished", "passed")}


def test_a_hung_shim_is_killed(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}))
    running(home, spec, "a")
    proc.kill(shim_pid(home, spec.stage("a").runs[0]) or 0, signal.SIGSTOP)
    service.request_cancel(home, spec.id)
    ended = follow_quietly(home, spec.id)
    assert ended.code == 130
    assert endings(home, spec.id) == {"a": ("lost", "invalid")}
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


def test_a_hung_coordinator_is_killed_and_its_successor_finds_the_request(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}))
    running(home, spec, "a")
    watcher = front_end(home, "attach", spec.id)
    wait_for(lambda: locks.held(home.run(spec.id) / "attached"))
    proc.kill(coordinator_pid(home, spec.id) or 0, signal.SIGSTOP)
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(20) == 130
    assert starts_of(home, spec.id) == 2
    assert faults_of_bookkeeping(home, spec) == []


def test_a_cancel_wakes_a_dead_coordinator(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}), stage("b", needs=("a",)))
    running(home, spec, "a")
    proc.kill(coordinator_pid(home, spec.id) or 0, signal.SIGKILL)
    wait_for(lambda: coordinator_pid(home, spec.id) is None)
    assert front_end(home, "cancel", spec.id).wait(30) == 0
    assert endings(home, spec.id) == {"a": ("cancelled", None), "b": ("cancelled", None)}
    assert faults_of_bookkeeping(home, spec) == []


def test_a_run_that_nobody_watches_any_more_is_cancelled_when_it_was_told_so(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}), on_disconnect="cancel")
    service.launch(home, spec)
    watcher = front_end(home, "attach", spec.id)
    wait_for(lambda: locks.held(home.run(spec.id) / "attached"))
    time.sleep(3)  # longer than the patience with an unwatched run: it is watched
    assert coordinator_pid(home, spec.id)
    assert not (home.run(spec.id) / "cancel").exists()
    watcher.kill()
    watcher.wait()
    wait_for(lambda: not (home.live / spec.id).exists(), 10)
    assert set(endings(home, spec.id).values()) == {("cancelled", None)}
    assert faults_of_bookkeeping(home, spec) == []


def test_a_second_campaign_is_refused_while_the_first_drives_the_environment(home: Home) -> None:
    first, second = usual(home.root, seconds=60), campaign(stage("a"))
    running(home, first, "telemetry")
    with pytest.raises(Leased, match=first.id):
        service.check_lease(home, "local")
    begin = time.monotonic()
    service.launch(home, second)  # as when both look at the same moment
    ended = follow_quietly(home, second.id)
    assert (ended.code, ended.state) == (2, "skipped")
    assert first.id in str(ended.reason)
    assert time.monotonic() - begin < 5  # well before it would have given up waiting for a dying holder
    assert not (home.run(first.id) / "exit.json").exists(), "the first is undisturbed"
    service.request_cancel(home, first.id, now=True)
    assert follow_quietly(home, first.id).code == 130
    service.check_lease(home, "local")
    assert faults_of_bookkeeping(home, first) == []


def test_a_lease_of_a_dead_coordinator_is_not_robbed_its_run_is_brought_back(home: Home) -> None:
    first, second = usual(home.root, seconds=1.5), campaign(stage("a"))
    running(home, first, "telemetry")
    proc.kill(coordinator_pid(home, first.id) or 0, signal.SIGKILL)
    wait_for(lambda: coordinator_pid(home, first.id) is None)
    service.launch(home, second)
    assert follow_quietly(home, second.id).code == 2
    assert follow_quietly(home, first.id).code in (0, 2)
    assert starts_of(home, first.id) == 2
    assert faults_of_bookkeeping(home, first) == []


def test_a_queued_campaign_waits_its_turn(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = campaign(stage("a", params={"seconds": 1.5}))
    running(home, first, "a")
    second = campaign(stage("a"), queue=True)
    service.launch(home, second)
    wait_for(lambda: any(event["type"] == "queued" for event in events_of(home, second.id)))
    assert follow_quietly(home, first.id).code == 0
    ended = follow_quietly(home, second.id)
    assert (ended.code, ended.state) == (2, "skipped"), "its turn came, and this environment was never provisioned"
    assert "run.started" not in [event["type"] for event in events_of(home, second.id)]


def test_looking_at_a_run_again_and_again_does_not_disturb_it(home: Home) -> None:
    spec = usual(home.root)
    service.launch(home, spec)
    revived = []
    while (home.live / spec.id).exists():
        revived += reconcile(home)
        locks.held(home.run(spec.id) / "coord.lock")
    ended = follow_quietly(home, spec.id)
    assert ended.code == 0
    assert revived == []
    assert starts_of(home, spec.id) == 1
    assert runner_pid(home, spec.stage("telemetry").runs[0]) is None
    assert faults_of_bookkeeping(home, spec, ended=ended) == []
