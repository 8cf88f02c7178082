"""Two environments of one home at once: made together, driven together, and one goes without the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runners.config.lookup import find
from runners.environment import service
from runners.lib.files import read_json
from runners.lib.home import Home
from runners.target import open_target
from tests.system.test_end_to_end import absent

pytestmark = [
    pytest.mark.environment, pytest.mark.timeout(300), pytest.mark.skipif(absent() is not None, reason=str(absent())),
]  # fmt: skip

NAMES = ("blue", "green")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    found = Home(tmp_path_factory.mktemp("home"))
    try:
        for name, (code, output) in both(found, "up", "--only", "backend", "ingest").items():
            assert code == 0, f"{name}: {output}"
        yield found
    finally:
        for name in NAMES:
            service.down(found, name, force=True)


def both(home: Home, *arguments: str) -> dict[str, tuple[int, str]]:
    """The same command on both at once; exit code and output of each."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "runners", *arguments, "--env", name], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, "TESTBED_HOME": str(home.root)},
        )
        for name in NAMES
    }  # fmt: skip
    output = {name: process.communicate()[0] for name, process in started.items()}
    return {name: (process.returncode, output[name]) for name, process in started.items()}


def test_each_has_its_own_ports_and_secrets(home: Home) -> None:
    blue, green = (read_json(home.env(name).state) for name in NAMES)
    assert not set(blue["ports"].values()) & set(green["ports"].values())
    assert Path(blue["inventory"]).name == Path(green["inventory"]).name == "local"
    passwords = [(home.env(name).secrets / "postgres_password").read_text() for name in NAMES]
    assert passwords[0] != passwords[1]
    assert [service.status(home, name)["state"] for name in NAMES] == ["ready", "ready"]


def test_a_token_of_one_is_nobodys_in_the_other(home: Home) -> None:
    with open_target(home.env("blue")) as target:
        token = target.tokens.bearer(target.identity("acme", "viewer"))
    url = read_json(home.env("green").state)["urls"]["api"]
    assert httpx.get(f"{url}/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_campaigns_run_on_both_at_once_and_each_accounts_for_its_own(home: Home, tmp_path: Path) -> None:
    """On a machine that is too busy for two at once, the users of one may not get a turn: that is not assessed, and no
    failure. What was sent to each must be found in it, and nothing else."""
    drill = tmp_path / "drill.yaml"  # with time for two at once to get going
    drill.write_text(find("campaigns", "drill").read_text().replace("duration: 8s", "duration: 20s"))
    for name, (code, output) in both(home, "run", str(drill)).items():
        assert code in (0, 2), f"{name}: {output}"
    runs = {item["environment"]: item for item in asked(home, "results", "list")["items"]}
    for name in NAMES:
        document = asked(home, "results", "show", runs[name]["run"])
        gate = next(gate for gate in document["gates"] if gate["expr"].startswith("audit.lost == 0"))
        assert gate["verdict"] == "passed", f"{name}: {gate}"
        assert {stage["verdict"] for stage in document["stages"]} <= {"passed", "invalid"}
    begun = [runs[name]["started_at"] for name in NAMES]
    ended = [runs[name]["finished_at"] for name in NAMES]
    assert max(begun) < min(ended), "they did not run at the same time"


def asked(home: Home, *arguments: str) -> Any:
    """The document of a query."""
    done = subprocess.run(
        [sys.executable, "-m", "runners", *arguments, "--json"], text=True, capture_output=True,
        env={**os.environ, "TESTBED_HOME": str(home.root)},
    )  # fmt: skip
    return json.loads(done.stdout)


def test_one_goes_and_the_other_does_not_notice(home: Home) -> None:
    before = {item["name"]: item["pid"] for item in service.status(home, "green")["services"]}
    assert service.down(home, "blue")
    after = service.status(home, "green")
    assert after["state"] == "ready"
    assert {item["name"]: item["pid"] for item in after["services"]} == before
