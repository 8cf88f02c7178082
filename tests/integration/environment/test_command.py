"""The commands as a user or a pipeline calls them: exit codes, one JSON document, sentences."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAPABILITIES = [
    "python", "postgres", "redis", "prometheus", "alertmanager", "loki", "tempo", "keycloak", "grafana", "docker",
    "compose", "netem", "nfqueue", "root", "browser", "node", "platform",
]  # fmt: skip


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "TESTBED_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "runners", *arguments], env=environ, capture_output=True, text=True, timeout=60
    )


def test_doctor_names_every_capability_and_what_a_missing_one_would_give(tmp_path: Path) -> None:
    done = command(tmp_path, "doctor", "--json")
    document = json.loads(done.stdout)
    assert [item["name"] for item in document["capabilities"]] == CAPABILITIES
    assert all(item["gives"] and item["detail"] for item in document["capabilities"])
    assert all((item["remedy"] is None) == item["available"] for item in document["capabilities"])
    python = document["capabilities"][0]
    assert python["available"] and sys.executable in python["detail"]


def test_status_of_nothing_is_absent_and_makes_nothing(tmp_path: Path) -> None:
    done = command(tmp_path / "home", "status", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["state"], document["services"], document["lease"]) == (
        0,
        "absent",
        [],
        {"run": None},
    )
    assert not (tmp_path / "home").exists()


def test_down_of_nothing_is_no_error(tmp_path: Path) -> None:
    done = command(tmp_path, "down")
    assert (done.returncode, done.stdout) == (0, "there is no environment local\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("up", "locl"), 2, "did you mean 'local'?"),
        (("up", "--only", "postgers"), 2, "did you mean 'postgres'?"),
        (("up", "--set", "defects=slow_serch"), 64, "did you mean slow_search?"),
        (("up", "../other", "--inventory", "local"), 64, "is not the name of an environment"),
        (("restart", "ingest"), 2, "testbed up local"),
        (("logs", "ingest"), 2, "testbed up local"),
        (("verify",), 2, "testbed up local"),
    ],
)
def test_mistakes_are_told_with_a_remedy_and_start_nothing(
    tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = command(tmp_path, *arguments)
    assert done.returncode == code
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "env" / "local" / "state.json").exists()
