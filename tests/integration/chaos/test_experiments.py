"""Experiments from file to verdict, against real services under a real supervisord."""

import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from runners.faults import journal, lever, recover
from runners.lib import proc
from tests.chaos_stage import Stage, until
from tests.supervised import Supervised

SHIPPED = Path(__file__).resolve().parents[3] / "runners" / "shipped" / "experiments"
PLANNED = ["steady-state-before", "inject", "recovery", "steady-state-after"]


def experiment(provider: str, extension: str = "", more: str = "") -> str:
    return f"""\
title: t
description: d
steady-state-hypothesis:
  title: s
  probes:
    - {{type: probe, name: well, tolerance: true, provider: {{type: testbed, probe: health, target: ingest}}}}
method:
  - {{type: action, name: break, provider: {{type: testbed, {provider}}}}}
{more}
extensions:
  - {{name: testbed{extension}}}
"""


def test_the_shipped_crash_is_detected_recovered_and_passed(stand: Supervised, tmp_path: Path) -> None:
    before = stand.snapshot()
    port = stand.ports["ingest"]
    truth = Onlooker(port)
    stage = Stage(stand, tmp_path, SHIPPED / "ingest-crash.yaml")
    finished = stage.finish()
    truth.end()
    assert finished["verdict"] == "passed" and stage.process.returncode == 0, finished
    assert stage.events[0]["type"] == "run.started" and stage.events[0]["plan"] == PLANNED
    assert stage.outcomes() == dict.fromkeys(PLANNED, "passed")
    injected, reverted, recovery = stage.one("fault.injected"), stage.one("fault.reverted"), stage.one("recovery")
    assert injected["fault"] == "kill" and injected["target"] == "ingest" and "is dead" in injected["effect"]
    assert reverted["id"] == injected["id"] == recovery["id"] and reverted["by"] == "runner"
    # An onlooker that asks every 10 ms saw the same outage.
    down, up = truth.outage()
    assert injected["injected_at"] <= recovery["detected_at"] <= down + 0.15
    assert abs(recovery["recovered_at"] - up) <= 0.15
    assert recovery["time_to_recover_s"] == pytest.approx(recovery["recovered_at"] - injected["injected_at"], abs=1e-3)
    assert stage.one("phase")["name"] == "steady"
    stand.wait_clean(before, 1.0)
    # Every attempt the series calls a success is one the service stored, and nothing else carries this mark.
    points = [value for event in stage.of("metric.points") for item in event["many"]
              if item["series"] == "probe.write" for value in item["v"]]  # fmt: skip
    lines = [json.loads(line) for line in stand.stored.read_bytes().splitlines() if stage.run.encode() in line]
    assert sum(points) == len(lines) and points.count(0) >= 1
    assert not proc.carriers(proc.WATCHDOG_MARK, stage.run) or until(
        lambda: not proc.carriers(proc.WATCHDOG_MARK, stage.run)
    )


class Onlooker:
    """Asks the service every 10 ms in a thread of its own and notes when it did not answer."""

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self._seen: list[tuple[float, bool]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            at = time.time()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=0.5)
            try:
                connection.request("GET", "/health/live")
                answered = connection.getresponse().status == 200
            except OSError:
                answered = False
            finally:
                connection.close()
            self._seen.append((at, answered))

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def outage(self) -> tuple[float, float]:
        """(first look that failed, first that succeeded after it)."""
        down = next(at for at, answered in self._seen if not answered)
        return down, next(at for at, answered in self._seen if answered and at > down)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_held_fault_is_reverted_by_the_runner_and_recovers_after_it(
    stand: Supervised, tmp_path: Path, fault: str
) -> None:
    before = stand.snapshot()
    stage = Stage(stand, tmp_path, experiment(f"fault: {fault}, target: ingest, ttl: 20s, hold: 2500ms"))
    finished = stage.finish()
    assert finished["verdict"] == "passed", finished
    injected, reverted, recovery = stage.one("fault.injected"), stage.one("fault.reverted"), stage.one("recovery")
    assert 2.5 <= reverted["reverted_at"] - injected["injected_at"] < 6
    assert reverted["reverted_at"] - 0.1 <= recovery["recovered_at"] <= reverted["reverted_at"] + 2
    assert recovery["symptom"] and recovery["recover_after_fault_s"] < 2
    during = [value for event in stage.of("metric.points") for item in event.get("many", [])
              if item["series"] == "chaos.steady{phase=during}" for value in item["v"]]  # fmt: skip
    assert 0 in during  # the hypothesis was asked while the fault was in force
    stand.wait_clean(before, 1.0)


def test_a_fault_that_nobody_notices_has_no_figures(stand: Supervised, tmp_path: Path) -> None:
    stage = Stage(stand, tmp_path, experiment("fault: pause, target: redis, ttl: 20s, hold: 500ms"))
    assert stage.finish()["verdict"] == "passed"
    recovery = stage.one("recovery")
    assert recovery["symptom"] is False
    assert recovery["time_to_detect_s"] is None and recovery["time_to_recover_s"] is None
    (message,) = [event["message"] for event in stage.of("test.finished") if event["id"] == "recovery"]
    assert "no symptom" in message


def test_too_slow_a_recovery_fails(stand: Supervised, tmp_path: Path) -> None:
    text = experiment(
        "fault: kill, target: redis, ttl: 20s", ", recovery: {probe: health, target: redis, objective: 100ms}"
    )
    stage = Stage(stand, tmp_path, text)
    finished = stage.finish()
    assert finished["verdict"] == "failed" and "objective 0.1 s" in finished["reason"]
    assert stage.process.returncode == 1
    assert stage.outcomes()["recovery"] == "failed" and stage.one("fault.reverted")


def test_a_refused_fault_is_invalid_and_nothing_happened(stand: Supervised, tmp_path: Path) -> None:
    before = stand.main_pid("shy")
    stage = Stage(stand, tmp_path, experiment("fault: kill, target: shy"))
    finished = stage.finish()
    assert finished["verdict"] == "invalid" and "opted in" in finished["reason"]
    assert stage.outcomes()["inject"] == "invalid" and not stage.of("fault.injected")
    assert stand.main_pid("shy") == before


def test_no_steady_state_no_fault(stand: Supervised, tmp_path: Path) -> None:
    text = experiment("fault: kill, target: redis").replace(
        "probe: health, target: ingest", "probe: health, target: shy"
    )
    os.kill(stand.main_pid("shy") or 0, signal.SIGSTOP)
    try:
        stage = Stage(stand, tmp_path, text)
        finished = stage.finish()
    finally:
        os.kill(stand.main_pid("shy") or 0, signal.SIGCONT)
    assert finished["verdict"] == "invalid" and "before the fault" in finished["reason"]
    assert stage.outcomes() == {
        "steady-state-before": "invalid", "inject": "skipped", "recovery": "skipped", "steady-state-after": "skipped",
    }  # fmt: skip
    assert not journal.entries(stand.journal, stage.run)


def test_stopped_with_its_host_it_reverts_at_once_and_assesses_what_was_begun(
    stand: Supervised, tmp_path: Path
) -> None:
    stage = Stage(stand, tmp_path, experiment("fault: pause, target: ingest, ttl: 60s, hold: 50s"))
    stage.wait_for("fault.injected")
    begun = time.monotonic()
    stage.order("stop")
    finished = stage.finish(10)
    assert time.monotonic() - begun < 5
    assert finished["verdict"] == "passed" and stage.outcomes() == dict.fromkeys(PLANNED, "passed")


def test_stopped_before_its_fault_it_injects_nothing(stand: Supervised, tmp_path: Path) -> None:
    stage = Stage(stand, tmp_path, experiment("fault: pause, target: ingest, ttl: 60s, hold: 50s"))
    stage.wait_for("run.started")
    stage.order("stop")
    finished = stage.finish(10)
    assert finished["verdict"] == "invalid" and finished["reason"] == "stopped"
    assert not stage.of("fault.injected") and set(stage.outcomes()) == set(PLANNED)


@pytest.mark.parametrize("how", ["SIGTERM", "halt"])
def test_ended_from_outside_it_reverts_first_and_ends_in_good_order(
    stand: Supervised, tmp_path: Path, how: str
) -> None:
    before = stand.snapshot()
    stage = Stage(stand, tmp_path, experiment("fault: pause, target: ingest, ttl: 60s, hold: 50s"))
    stage.wait_for("fault.injected")
    assert stand.snapshot() != before
    begun = time.monotonic()
    if how == "SIGTERM":
        stage.process.send_signal(signal.SIGTERM)
    else:
        lever.pull(stand.environment, "tester", "enough")
    try:
        stage.wait_for("fault.reverted", 3)
        stand.wait_clean(before, 1.0)
        assert time.monotonic() - begun < 3.0
        finished = stage.finish(10)
    finally:
        lever.release(stand.environment)
    assert finished["verdict"] == "invalid" and stage.process.returncode == 2
    assert finished["reason"] == ("halted by tester: enough" if how == "halt" else "stopped")
    assert stage.one("fault.reverted")["by"] == "runner"
    assert set(stage.outcomes()) == set(PLANNED)
    assert stage.outcomes()["recovery"] == "skipped"


def test_killed_it_leaves_no_fault(stand: Supervised, tmp_path: Path) -> None:
    before = stand.snapshot()
    stage = Stage(stand, tmp_path, experiment("fault: stop, target: ingest, ttl: 60s, hold: 50s"))
    stage.wait_for("fault.injected")
    stage.process.kill()
    stage.process.wait()
    stand.wait_clean(before, 15)
    (record,) = until(lambda: [item for item in journal.entries(stand.journal, stage.run) if not item.open])
    assert record.by == "watchdog"
    for stream in (stage.process.stdin, stage.process.stderr):
        assert stream is not None
        stream.close()


def test_reverted_by_hand_it_does_not_hold_on_and_was_not_what_was_asked_for(stand: Supervised, tmp_path: Path) -> None:
    stage = Stage(stand, tmp_path, experiment("fault: pause, target: ingest, ttl: 60s, hold: 50s"))
    stage.wait_for("fault.injected")
    (record,) = journal.open_entries(stand.journal, stage.run)
    recover.settle(stand.journal, record, "recover")
    finished = stage.finish(15)
    assert finished["verdict"] == "invalid" and "reverted by recover before its 50 s" in finished["reason"]
    assert stage.one("fault.reverted")["by"] == "recover"


def test_an_abort_condition_ends_it(stand: Supervised, tmp_path: Path) -> None:
    before = stand.snapshot()
    text = experiment("fault: stop, target: ingest, ttl: 60s, hold: 50s", ", abort_when: [{failing_for: 1s}]")
    stage = Stage(stand, tmp_path, text)
    finished = stage.finish(20)
    assert finished["verdict"] == "invalid" and "failing for 1 s" in finished["reason"]
    stand.wait_clean(before, 1.0)


def test_a_second_run_on_the_same_environment_is_refused(stand: Supervised, tmp_path: Path) -> None:
    first = Stage(stand, tmp_path, experiment("fault: pause, target: redis, ttl: 30s, hold: 20s"))
    first.wait_for("fault.injected")
    second = Stage(stand, tmp_path, experiment("fault: kill, target: ingest"))
    finished = second.finish()
    assert finished["verdict"] == "invalid" and "another chaos run" in finished["reason"]
    first.process.send_signal(signal.SIGTERM)
    first.finish(10)


PLAIN = """\
{
    "version": "1.0.0",
    "title": "Moving a file from under our feet is forgivable",
    "description": "Our application should re-create a file that was removed",
    "contributions": {"reliability": "high", "availability": "high"},
    "steady-state-hypothesis": {
        "title": "The file must be around first",
        "probes": [
            {"type": "probe", "name": "file-must-exist", "tolerance": true,
             "provider": {"type": "python", "module": "os.path", "func": "exists",
                          "arguments": {"path": "FOLDER/some/file"}}},
            {"type": "probe", "name": "service-answers", "tolerance": 200,
             "provider": {"type": "http", "url": "http://127.0.0.1:PORT/health/live", "timeout": 2}}
        ]
    },
    "method": [
        {"type": "action", "name": "file-be-gone",
         "provider": {"type": "python", "module": "os", "func": "rename",
                      "arguments": {"src": "FOLDER/some/file", "dst": "FOLDER/some/file.old"}},
         "pauses": {"after": 0.1}},
        {"type": "probe", "name": "list", "provider": {"type": "process", "path": "ls", "arguments": "FOLDER/some"}},
        {"type": "action", "name": "application-recreates", "provider":
         {"type": "process", "path": "touch", "arguments": ["FOLDER/some/TOUCHED"]}}
    ],
    "rollbacks": [
        {"type": "action", "name": "back", "provider": {"type": "process", "path": "mv",
         "arguments": ["FOLDER/some/file.old", "FOLDER/some/file.kept"]}}
    ]
}
"""


@pytest.mark.parametrize(("touched", "verdict"), [("file", "passed"), ("other", "failed")])
def test_a_plain_experiment_runs_unchanged(stand: Supervised, tmp_path: Path, touched: str, verdict: str) -> None:
    some = tmp_path / "some"
    some.mkdir()
    (some / "file").touch()
    path = tmp_path / "experiment.json"
    path.write_text(
        PLAIN.replace("FOLDER", str(tmp_path)).replace("PORT", str(stand.ports["shy"])).replace("TOUCHED", touched)
    )
    stage = Stage(stand, tmp_path, path)
    finished = stage.finish()
    assert finished["verdict"] == verdict, finished
    assert list(stage.outcomes()) == ["steady-state-before", "method", "steady-state-after"]
    assert (some / "file.kept").exists()  # rollbacks are played
    kept = json.loads((stage.folder / stage.one("artifact")["path"]).read_text())
    assert [run["status"] for run in kept["run"]] == ["succeeded"] * 3
