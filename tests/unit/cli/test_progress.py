"""A run as people see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners.cli.launch import conclude
from runners.cli.progress import Progress
from runners.cli.session import Session
from runners.lib.home import Home
from runners.orchestrator.service import Followed

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


SENT = {
    "type": "ledger", "kind": "sent", "run": "s", "stage": "telemetry", "sent": 62_878, "acked": 62_878, "rejected": 0,
    "unknown": 0, "cpu_s": 2.114, "rss_mb": 90.84, "signals": {"logs": 17_538, "traces": 16_237, "metrics": 29_103},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "62,878 items, all acknowledged (17,538 log records, 16,237 spans, 29,103 samples) · generator: 2.1 s"),
        ({"acked": 62_000, "rejected": 78, "unknown": 800}, "62,000 acknowledged, 78 rejected, 800 of unknown fate ("),
        ({"settled_before": 60_000}, "29,103 samples); 60,000 of them before it was taken up again · generator"),
        ({"settled_before": 62_878}, "29,103 samples); nothing had been missing · generator"),
        ({"sent": 0, "acked": 0, "signals": {}}, "telemetry: 0 items: 0 acknowledged · generator"),
    ],
)
def test_what_a_generator_sent_is_summed_up(
    changed: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in shown(capsys, SENT | changed)[1]


HEARD = {
    "expected": 7, "detected": 6, "false": 1, "recall": 6 / 7, "precision": 0.857,
    "time_to_detect_s": {"n": 6, "median": 64.5, "max": 99.4},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "  score: 6 of 7 alerts in time, 1 false: recall 0.857, precision 0.857, after 64 s, 99 s at most\n"),
        (
            {"detected": 0, "false": 0, "recall": 0, "precision": None, "time_to_detect_s": {"median": None}},
            "  score: 0 of 7 alerts in time, 0 false: recall 0.000\n",
        ),
        (
            {"doubtful": 2, "recall": None, "precision": None, "time_to_detect_s": {"median": None}},
            "  score: 6 of 7 alerts in time, 1 false, 2 that name no tenant\n",
        ),
        ({"expected": None}, ""),
    ],
)
def test_which_alerts_were_heard_is_summed_up(
    changed: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, {"type": "score", "run": "s", "stage": "score", "document": HEARD | changed})[1] == line


def test_while_a_generator_sends_one_sees_what_has_become_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "interactive", True)
    monkeypatch.setenv("COLUMNS", "120")
    many = [
        {"series": "data.sent{signal=logs}", "t": [1, 2], "v": [2_000, 1_000]},
        {"series": "data.acked{signal=logs}", "t": [1], "v": [1_500]},
        {"series": "data.acked{signal=traces}", "t": [1], "v": [500]},
        {"series": "data.unknown{signal=traces}", "t": [1], "v": [7]},
        {"series": "data.late", "t": [1], "v": [3.2]},
    ]
    starting = {"type": "stage.starting", "stage_name": "telemetry", "run_id": "s"}
    points = {"type": "metric.points", "run": "s", "stage": "telemetry", "many": many}
    assert "2,000 items acknowledged, 7 unknown, 3 s late" in shown(capsys, STARTED, starting, points)[1]


def test_a_gate_that_passed_says_its_value_and_one_that_failed_why(capsys: pytest.CaptureFixture[str]) -> None:
    gate = {
        "type": "gate",
        "expr": "p95(users) < 5s",
        "verdict": "passed",
        "value": 1.554691,
        "reason": "p95(users) is 1.555 s",
    }
    _, err = shown(capsys, gate, gate | {"verdict": "failed"}, gate | {"expr": "audit.lost == 0", "value": True})
    assert err.splitlines() == [
        "✓ gate p95(users) < 5s passed (1.555)",
        "✗ gate p95(users) < 5s failed: p95(users) is 1.555 s",
        "✓ gate audit.lost == 0 passed",
    ]  # fmt: skip


def test_a_reason_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    test = {"type": "test.finished", "run": "s", "stage": "telemetry", "id": "data.generate", "outcome": "failed"}
    _, err = shown(capsys, STARTED, test | {"message": FINISHED["reason"]}, FINISHED)
    assert err.count("3 items lost") == 1
    _, err = shown(capsys, STARTED, test | {"message": "another"}, FINISHED)
    assert "another" in err and "3 items lost" in err


def test_the_last_words_name_what_comes_next_with_the_run(tmp_path: Path) -> None:
    ended = Followed("01964c00-aaaa-7000-8000-000000000001", 0, "finished", "passed", None)
    words = conclude(Session(Home(tmp_path)), ended, then="data audit").splitlines()
    assert words[0] == "PASSED"
    assert words[-1] == ("  → testbed data audit 01964c00-aaaa · testbed report 01964c00-aaaa")
    assert conclude(Session(Home(tmp_path)), ended).endswith(
        "results show 01964c00-aaaa · testbed report 01964c00-aaaa"
    )
    stopped = replace(ended, code=130, state="cancelled", verdict=None, reason="cancelled")
    assert conclude(Session(Home(tmp_path)), stopped).lower().count("cancelled") == 1


def test_a_stage_does_not_say_twice_that_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = shown(capsys, STARTED, FINISHED | {"reason": "failed: audit.logs"})
    assert err.splitlines()[-1].endswith("telemetry failed: audit.logs")
