"""What an undisturbed campaign does: order, company, verdicts, retries, orders."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from runners.lib.home import Home
from runners.orchestrator import service
from runners.orchestrator.starting import send_order
from tests.integration.orchestrator.harness import (
    campaign,
    endings,
    events_of,
    faults_of_bookkeeping,
    follow_quietly,
    front_end,
    stage,
    usual,
    wait_for,
)


def run(home: Home, spec: object) -> service.Followed:
    return follow_quietly(home, service.launch(home, spec))  # type: ignore[arg-type]


def test_stages_keep_their_order_and_every_event_is_ingested_once(home: Home) -> None:
    spec = usual(home.root)
    seen: list[tuple[str, int]] = []
    last: list[str] = []

    def note(event: dict[str, object]) -> None:
        seen.append((str(event["run"]), int(str(event["seq"]))))
        last[:] = [str(event["type"])]

    service.launch(home, spec)
    ended = service.follow(home, spec.id, note)
    assert (ended.code, ended.state, ended.verdict) == (0, "finished", "passed")
    assert faults_of_bookkeeping(home, spec, ended=ended) == []
    files = [(item, event["seq"]) for item in spec.run_ids for event in events_of(home, item)]
    assert sorted(seen) == sorted(files), "a front end gets every event once"
    assert last == ["run.finished"]
    at = {
        (event["type"], event["stage_name"]): event["mono_ns"]
        for event in events_of(home, spec.id)
        if event["type"].startswith("stage.")
    }
    steady = next(event for event in events_of(home, spec.stage("telemetry").runs[0]) if event["type"] == "phase")
    assert at["stage.starting", "crash"] >= steady["mono_ns"] + 0.3e9
    assert at["stage.starting", "users"] >= steady["mono_ns"]
    assert at["stage.starting", "audit"] >= max(at["stage.finished", "telemetry"], at["stage.finished", "crash"])
    ledger = next(event for event in events_of(home, spec.stage("audit").runs[0]) if event["type"] == "ledger")
    points = sum(event["type"] == "metric.points" for event in events_of(home, spec.stage("telemetry").runs[0]))
    assert ledger["seen"] == points, "an audit gets the folder of the run it audits"


def test_a_stage_during_another_is_stopped_in_good_order_with_it(home: Home) -> None:
    spec = campaign(stage("host", params={"seconds": 0.5}), stage("guest", during="host", params={"seconds": 60}))
    assert run(home, spec).code == 0
    guest = [event["type"] for event in events_of(home, spec.stage("guest").runs[0])]
    assert "control" in guest
    assert guest[-1] == "run.finished"


@pytest.mark.parametrize(
    ("params", "ending", "code"),
    [
        ({"outcome": "failed"}, ("finished", "failed"), 1),
        ({"outcome": "invalid"}, ("finished", "invalid"), 2),
        ({"skip": ["t1"]}, ("finished", "invalid"), 2),
        ({"exit": 0, "outcome": "failed"}, ("error", "invalid"), 2),
        ({"silent": True}, ("error", "invalid"), 2),
        ({"crash": True}, ("lost", "invalid"), 2),
        ({"seconds": 60}, ("timed_out", "invalid"), 2),
    ],
)
def test_no_false_green(home: Home, params: dict[str, object], ending: tuple[str, str], code: int) -> None:
    spec = campaign(stage("only", params=params, timeout_s=1.0))
    ended = run(home, spec)
    assert endings(home, spec.id) == {"only": ending}
    assert ended.code == code
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


def test_who_needs_a_lost_stage_is_skipped_and_so_is_who_needs_that(home: Home) -> None:
    spec = campaign(
        stage("a", params={"crash": True}),
        stage("b", needs=("a",)),
        stage("c", needs=("b",)),
        stage("d", after=("a",)),
    )
    assert run(home, spec).code == 2
    assert endings(home, spec.id) == {
        "a": ("lost", "invalid"),
        "b": ("skipped", "invalid"),
        "c": ("skipped", "invalid"),
        "d": ("finished", "passed"),
    }


def test_who_needs_a_failed_stage_still_runs(home: Home) -> None:
    spec = campaign(stage("a", params={"outcome": "failed"}), stage("b", needs=("a",)))
    assert run(home, spec).code == 1
    assert endings(home, spec.id)["b"] == ("finished", "passed")


def test_a_critical_stage_that_does_not_pass_stops_the_campaign(home: Home) -> None:
    spec = campaign(stage("first", critical=True, params={"outcome": "failed"}), stage("then", after=("first",)))
    assert run(home, spec).code == 1
    assert endings(home, spec.id)["then"] == ("skipped", "invalid")


def test_an_optional_stage_that_is_lost_is_listed_but_spares_the_verdict(home: Home) -> None:
    spec = campaign(stage("a"), stage("extra", optional=True, params={"crash": True}))
    ended = run(home, spec)
    assert (ended.code, ended.verdict) == (0, "passed")
    assert "extra (lost)" in str(ended.reason)


def test_every_attempt_is_kept_and_the_last_one_counts(home: Home, tmp_path: Path) -> None:
    params = {"fail_times": 2, "counter": str(tmp_path / "counter")}
    spec = campaign(stage("flaky", tries=3, params=params), stage("reader", needs=("flaky",), of="flaky"))
    ended = run(home, spec)
    assert ended.code == 0
    ends = [
        (event["run_id"], event["verdict"])
        for event in events_of(home, spec.id)
        if event["type"] == "stage.finished" and event["stage_name"] == "flaky"
    ]
    flaky = spec.stage("flaky").runs
    assert ends == [(flaky[0], "failed"), (flaky[1], "failed"), (flaky[2], "passed")]
    params_read = json.loads((home.run(spec.stage("reader").runs[0]) / "params.json").read_text())
    assert params_read["of"]["run"] == flaky[2]
    assert faults_of_bookkeeping(home, spec, ended=ended) == []


def test_a_campaign_that_lasts_too_long_is_ended_as_timed_out(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}), stage("b", needs=("a",)), timeout_s=1.0)
    ended = run(home, spec)
    assert (ended.state, ended.code) == ("timed_out", 2)
    assert endings(home, spec.id) == {"a": ("timed_out", "invalid"), "b": ("skipped", "invalid")}


def test_an_order_reaches_the_runner_and_is_answered_by_an_event(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 60}))
    service.launch(home, spec)
    folder = home.run(spec.stage("a").runs[0])
    wait_for(lambda: any(event["type"] == "metric.points" for event in events_of(home, folder.name)))
    assert send_order(folder, "set", {"rate": 7})
    wait_for(lambda: any(event["type"] == "log" and event.get("rate") == 7 for event in events_of(home, folder.name)))
    assert send_order(folder, "stop")
    assert follow_quietly(home, spec.id).code == 0
    accepted = [event["accepted"] for event in events_of(home, folder.name) if event["type"] == "control"]
    assert accepted == [True, True]


def test_a_home_with_a_very_long_path_works(tmp_path: Path, home: Home) -> None:
    deep = Home(tmp_path / ("x" * 120) / ("y" * 60))
    spec = campaign(stage("host", params={"seconds": 0.3}), stage("guest", during="host", params={"seconds": 60}))
    assert run(deep, spec).code == 0


def test_two_front_ends_watch_one_run(home: Home) -> None:
    spec = campaign(stage("a", params={"seconds": 1}))
    service.launch(home, spec)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(follow_quietly(home, spec.id).code))
    thread.start()
    assert front_end(home, "attach", spec.id[:13]).wait(30) == 0
    thread.join(30)
    assert codes == [0]
