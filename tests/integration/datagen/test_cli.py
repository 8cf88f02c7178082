"""The commands of `testbed data`, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.stage import SCENARIO, generate


def testbed(home: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runners", "--home", str(home), *arguments], capture_output=True, text=True, timeout=60,
        check=False, env={"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin"}, cwd=cwd,
    )  # fmt: skip


testbed.__test__ = False  # type: ignore[attr-defined]


def test_a_dry_run_prints_exact_counts_and_sends_nothing(tmp_path: Path) -> None:
    done = testbed(tmp_path, "data", "generate", "smoke", "--dry-run", "--json", "--seed", "42")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    plan = json.loads(line)
    assert {"items", "series", "bytes_estimate", "duration_s", "tenants"} <= set(plan)
    assert plan["items"]["logs"] >= 20_000 and plan["items"]["traces"] >= 20_000 and plan["items"]["metrics"] >= 50_000
    assert not (tmp_path / "runs").exists()


def test_a_scenario_is_drawn_with_what_it_answers(tmp_path: Path) -> None:
    done = testbed(tmp_path, "data", "explain", "black-friday")
    assert done.returncode == 0, done.stderr
    assert "grows tenfold" in done.stdout and "doors-open" in done.stdout and "█" in done.stdout
    done = testbed(tmp_path, "data", "explain", "drill", "--json", "--duration", "4s")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["duration_s"], len(found["columns_s"])) == (4, 8)
    plan = json.loads(testbed(tmp_path, "data", "generate", "drill", "--duration", "4s", "--dry-run", "--json").stdout)
    assert {name: of["items"] + 3 for name, of in found["signals"].items()} == plan["items"]  # the sentinels


def test_scenarios_lists_those_for_data_only(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text(SCENARIO)
    done = testbed(tmp_path, "data", "scenarios", "--json", cwd=tmp_path)
    names = {one["name"] for one in json.loads(done.stdout)["scenarios"]}
    assert {"smoke", "drill", "mine"} <= names and "browse" not in names


def test_an_audit_prints_one_document_and_its_exit_code_is_the_verdict(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        assert stage.end() == 0
        done = testbed(tmp_path, "data", "audit", "last", "--json")
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        assert json.loads(line)["verdict"] == "passed"
        assert "exactly once" in testbed(tmp_path, "data", "audit", stage.run).stdout
        platform.rows["acme", "logs"].pop(3)
        done = testbed(tmp_path, "data", "audit", str(stage.ledger), "--json", "--findings", str(tmp_path / "f"))
        assert (done.returncode, json.loads(done.stdout)["signals"]["logs"]["lost"]) == (1, 1)
        assert len((tmp_path / "f").read_text().splitlines()) == 1
        platform.cut_export = True
        done = testbed(tmp_path, "data", "audit", "last", "--json")
        assert (done.returncode, json.loads(done.stdout)["verdict"]) == (2, "invalid")


def test_mistakes_are_answered_with_a_sentence_and_the_right_exit_code(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SCENARIO.replace("errors: 5%", "erors: 5%"))
    (tmp_path / "few.yaml").write_text(SCENARIO.replace("metrics: {", "metrics: {series: 3, "))
    for code, part, arguments in (
        (64, "write a URL", ("data", "generate", "smoke", "--sink", "ftp://x")),
        (64, "--duration", ("data", "generate", "smoke", "--duration", "soon")),
        (2, "did you mean 'smoke'", ("data", "generate", "smok", "--dry-run")),
        (2, "bad.yaml:8: unknown key 'erors'", ("data", "generate", str(tmp_path / "bad.yaml"))),
        (2, "metrics.series is 3", ("data", "generate", str(tmp_path / "few.yaml"), "--sink", "null:")),
        (64, "Port out of range", ("data", "generate", "smoke", "--sink", "http://127.0.0.1:99999")),
        (2, "testbed load run", ("data", "generate", "browse", "--dry-run")),
        (2, "0 runs have a ledger", ("data", "audit", "last")),
        (2, "testbed up", ("data", "generate", "smoke", "--env", "nowhere")),
        (2, "ends in the future", ("data", "backfill", "drill", "--from", "1h", "--to", "2999-01-01")),
    ):
        done = testbed(tmp_path, *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert part in done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*"))  # nothing was begun


def test_a_run_to_null_needs_no_environment_and_is_recorded(tmp_path: Path) -> None:
    done = testbed(tmp_path, "data", "generate", "drill", "--sink", "null:", "--duration", "2s", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    sent = [event for event in events if event["type"] == "ledger"]
    assert sent and sent[-1]["acked"] == sent[-1]["sent"] > 5000
    assert events[-1]["type"] == "run.finished"


def test_standard_output_carries_nothing_but_the_requests(tmp_path: Path) -> None:
    done = testbed(tmp_path, "data", "generate", "drill", "--duration", "1s", "--sink", "stdout:")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["signal"] for line in lines} == {"logs", "traces", "metrics"} and "PASSED" in done.stderr
    done = testbed(tmp_path, "data", "generate", "drill", "--sink", "stdout:", "--json")
    assert done.returncode == 64 and "write to a file" in done.stderr and not done.stdout


def test_a_past_range_is_filled_at_full_speed_and_what_it_did_is_labelled(tmp_path: Path) -> None:
    source = SCENARIO + "anomalies: [{name: dip, kind: dip, target: {tenant: acme}, at: 1s, lasts: 1s, magnitude: 0}]\n"
    (tmp_path / "mine.yaml").write_text(source)
    window = ("--from", "2026-01-05T06:00Z", "--to", "2026-01-05T06:00:20Z")
    done = testbed(tmp_path, "data", "backfill", str(tmp_path / "mine.yaml"), *window, "--sink", "null:", "--json")
    assert done.returncode == 0, done.stderr
    (told,) = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/artifacts/labels.json")]
    assert (told["from"], told["to"]) == (1767592800, 1767592820)
    assert [(one["name"], one["from"]) for one in told["anomalies"]] == [("dip", 1767592801)]
    (header,) = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/artifacts/ledger/header.json")]
    assert (header["start_ns"], header["duration_s"]) == (1767592800 * 10**9, 20)
    planned = testbed(tmp_path, "data", "backfill", str(tmp_path / "mine.yaml"), *window, "--dry-run", "--json")
    sent = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(json.loads(planned.stdout)["items"].values()) == next(
        one["sent"] for one in sent if one["type"] == "ledger"
    )
