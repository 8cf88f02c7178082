"""A run as people see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.cli.progress import Progress
from runners.cli.session import Session
from runners.lib.home import Home

RUN = "run-1"


def shown(capsys: pytest.CaptureFixture[str], *events: dict[str, Any], **session: Any) -> tuple[str, str]:
    progress = Progress(Session(Home(Path("/nowhere")), **session), RUN)
    for event in events:
        progress.event({"run": RUN, "ts": 1.0} | event)
    progress.tick()
    progress.close()
    out, err = capsys.readouterr()
    return out, err


STARTED = {
    "type": "run.started", "campaign": "smoke", "environment": "local", "seed": 42,
    "stages": [{"name": "telemetry", "estimate_s": 40.0}],
}  # fmt: skip
FINISHED = {
    "type": "stage.finished", "stage_name": "telemetry", "state": "finished", "verdict": "failed",
    "reason": "3 items\nlost \x1b[31m", "ts": 4.5,
}  # fmt: skip


def test_a_line_a_phase_with_verdict_time_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    starting = {"type": "stage.starting", "stage_name": "telemetry", "run_id": "s"}
    out, err = shown(capsys, STARTED, starting, FINISHED)
    assert out == ""
    assert err.splitlines() == [
        "smoke on local · seed 42 · stages: telemetry",
        "▶ telemetry",
        "✗ telemetry failed in 3.50 s: 3 items lost",
    ]


def test_with_json_every_event_is_a_line_and_nothing_else_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, STARTED, FINISHED, json=True)
    assert [line[:10] for line in out.splitlines()] == ['{"run": "r', '{"run": "r']
    assert err == ""


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, STARTED, FINISHED, quiet=True) == ("", "")


def test_faults_and_warnings_of_stages_are_told_points_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    stage = {"run": "s", "stage": "crash"}
    _, err = shown(
        capsys,
        stage | {"type": "fault.injected", "fault": "kill", "target": "ingest"},
        stage | {"type": "recovery", "time_to_recover_s": 1.5},
        stage | {"type": "log", "level": "warn", "message": "late"},
        stage | {"type": "log", "level": "info", "message": "nothing"},
        stage | {"type": "metric.points", "series": "n", "t": [1], "v": [1]},
    )
    assert err.splitlines() == ["  crash: kill of ingest", "  crash: recovered in 1.50 s", "  crash: late"]
