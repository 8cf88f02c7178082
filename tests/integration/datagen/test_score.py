"""`testbed data score` against a platform's list of alerts and against a real Alertmanager."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.stage import SCENARIO, Stage, generate
from tests.integration.datagen.test_cli import testbed
from tests.servers import free_port

LABELLED = (
    SCENARIO
    + """
anomalies:
  - {name: dip, kind: dip, target: {tenant: acme}, at: 500ms, lasts: 500ms, magnitude: 10%, alert: {name: TrafficDropped, within: 1s}}
quiet: [{at: 0s, lasts: 500ms}]
"""
)


def alert(at: float, name: str = "TrafficDropped", **more: str) -> dict[str, Any]:
    labels = {"alertname": name, "severity": "warning", **more}
    return {"id": f"{name}-{at}", "title": name, "labels": labels, "starts_at": stamp(at), "resolved_at": None}


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def labels_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "artifacts" / "labels.json").read_text())
    return document


def test_the_platforms_alerts_are_compared_with_the_labels(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, LABELLED)
        assert stage.end() == 0
        start = labels_of(stage.folder)["from"]
        old = [alert(start - number, "Old") for number in (60, 70, 80)]
        platform.alerts["acme"] = [*old, alert(start + 0.8)]
        done = testbed(tmp_path, "data", "score", "last", "--json")
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        found = json.loads(line)
        assert (found["verdict"], found["precision"], found["recall"]) == ("passed", 1, 1)
        assert found["time_to_detect_s"]["max"] == pytest.approx(0.3, abs=0.002)
        shown = testbed(tmp_path, "data", "score", "last")
        assert "TrafficDropped" in shown.stdout and "detected" in shown.stdout

        of = {"of": {"stage": "generate", "run": stage.run, "folder": str(stage.folder)}}
        judged = Stage(tmp_path, "score", of)
        assert judged.end() == 0 and judged.of("test.finished")[0]["outcome"] == "passed"
        assert json.loads((judged.folder / "artifacts" / "score.json").read_text())["recall"] == 1
        assert judged.of("score")[0]["document"]["detected"] == 1
        points = {one["series"]: one["v"] for event in judged.of("metric.points") for one in event["many"]}
        assert points == {"score.recall": [1], "score.precision": [1]}
        assert Stage(tmp_path, "score", of | {"min_recall": "most"}).end() == 2

        platform.alerts["globex"] = [alert(start + 0.2, "Odd")]
        done = testbed(tmp_path, "data", "score", stage.run, "--json")
        assert (done.returncode, json.loads(done.stdout)["false_alerts"][0]["reason"]) == (1, "in a quiet window")
        assert testbed(tmp_path, "data", "score", "last", "--min-precision", "0.5").returncode == 0

        platform.alerts["acme"] = old
        done = testbed(tmp_path, "data", "score", "last", "--json")
        assert (done.returncode, json.loads(done.stdout)["missed"]) == (1, 1)
    done = testbed(tmp_path, "data", "score", "last", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"]) == (2, "invalid") and "cannot be read" in found["reason"]
    done = testbed(tmp_path, "data", "score", "last", "--min-recall", "90")
    assert (done.returncode, done.stdout) == (64, "") and "between 0 and 1" in done.stderr


def test_what_another_tenant_was_shown_and_half_a_list_prove_nothing(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, LABELLED)
        assert stage.end() == 0
        start = labels_of(stage.folder)["from"]
        platform.alerts["globex"] = [alert(start + 0.8, tenant="acme")]
        found = json.loads(testbed(tmp_path, "data", "score", "last", "--json").stdout)
        assert (found["verdict"], found["missed"]) == ("failed", 1)

        platform.alerts = {"acme": [alert(start + 0.8), *(alert(start - number, "Old") for number in (60, 70))]}
        assert testbed(tmp_path, "data", "score", "last").returncode == 0
        target = tmp_path / "env" / "local" / "target.yml"
        target.write_text(target.read_text().replace('query: {cursor: "{cursor?}"}, ', ""))
        done = testbed(tmp_path, "data", "score", "last", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["verdict"]) == (2, "invalid") and "further pages" in found["reason"]


def test_a_run_that_is_not_over_or_was_cut_short_is_not_assessed(tmp_path: Path) -> None:
    long = LABELLED.replace("duration: 2s", "duration: 40m").replace("within: 1s", "within: 3s")
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        for ago_s, reason in ((0, "so far"), (3000, "cut short")):
            backfill = {"start_ns": time.time_ns() - ago_s * 10**9} if ago_s else {}
            stage = generate(tmp_path, long, **backfill)
            stage.wait_for(lambda stage=stage: bool(stage.of("phase")))  # type: ignore[misc]
            platform.alerts["acme"] = [alert(labels_of(stage.folder)["from"] + 0.7)]
            stage.process.kill()
            stage.end()
            done = testbed(tmp_path, "data", "score", stage.run, "--no-wait", "--json")
            found = json.loads(done.stdout)
            assert (done.returncode, found["verdict"], found["recall"]) == (2, "invalid", 1), found
            assert reason in found["reason"]


def test_where_no_rule_sees_the_metrics_it_is_said_before_and_nothing_is_held_against_the_alerts(
    tmp_path: Path,
) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        state = tmp_path / "env" / "local" / "state.json"
        state.write_text(json.dumps(json.loads(state.read_text()) | {"stores": {"metrics": "embedded"}}))
        stage = generate(tmp_path, LABELLED)
        assert stage.end() == 0
        (warning,) = [one["message"] for one in stage.of("log") if one["level"] == "warn"]
        assert "alerts are due" in warning and "--set stores=real" in warning
        done = testbed(tmp_path, "data", "score", "last")
        assert done.returncode == 2 and "its embedded store keeps them" in done.stdout and "recall" not in done.stdout


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        pytest.skip("no Alertmanager on PATH")
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = free_port()
    server = subprocess.Popen(
        [
            binary, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"{url}/-/ready", timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None
                time.sleep(0.05)
        yield url
    finally:
        server.kill()
        server.wait()


def raise_alert(url: str, at: float, **labels: str) -> None:
    body = {"labels": labels, "startsAt": stamp(at), "endsAt": stamp(time.time() + 300)}
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", json.dumps([body]).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).close()


def test_an_alertmanager_can_be_asked_while_alerts_fire_and_is_not_believed_afterwards(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(LABELLED)
    done = testbed(tmp_path, "data", "generate", str(tmp_path / "quick.yaml"), "--sink", "null:")
    assert done.returncode == 0, done.stderr
    (folder,) = [path.parents[1] for path in tmp_path.glob("runs/*/artifacts/labels.json")]
    start = labels_of(folder)["from"]
    with alertmanager(tmp_path) as url:
        done = testbed(tmp_path, "data", "score", "last", "--alertmanager", url, "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["verdict"], found["unseen"]) == (2, "invalid", 1)

        raise_alert(url, start + 0.7, alertname="TrafficDropped", tenant="acme")
        done = testbed(tmp_path, "data", "score", "last", "--alertmanager", url, "--json")
        assert (done.returncode, json.loads(done.stdout)["recall"]) == (0, 1), done.stdout

        raise_alert(url, start + 0.8, alertname="PlatformSlow")
        done = testbed(tmp_path, "data", "score", "last", "--alertmanager", url)
        assert (done.returncode, "precision 0.500" in done.stdout) == (2, True), done.stdout
        assert "doubtful: PlatformSlow, which names no tenant" in done.stdout
    done = testbed(tmp_path, "data", "score", "last", "--alertmanager", url)
    assert done.returncode == 2 and "cannot be read" in done.stdout and "Traceback" not in done.stderr
