"""Provisioning that is broken, cancelled or killed: the cause is named, and nothing stays."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runners.config.lookup import PROJECT
from runners.environment import service
from runners.environment.host import ports, processes
from runners.lib import proc
from runners.lib.errors import FileError, NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment, Home

pytestmark = [pytest.mark.environment, pytest.mark.timeout(180)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "inventories" / "local", tmp_path / "inventories" / "mine"))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def leftovers(environment: Environment, state: dict[str, Any] | None) -> dict[str, Any]:
    """What is there though it should be gone; all empty after a rollback."""
    names = {path.name for path in environment.root.iterdir()}
    return {
        "files": names - {"lease", "chaos", "logs", "failure.json", "state.json"},
        "processes": processes.members(processes.ENV_MARK, state["env_id"]) if state else {},
        "listeners": [port for port in state["ports"].values() if not ports.is_free(port)] if state else [],
        "outside": [path for path in state["outside"] if Path(path).exists()] if state else [],
        "jobs": proc.carriers("TMPDIR", str(environment.root / "job" / "tmp")),
    }


def clean(found: dict[str, Any]) -> bool:
    return not any(found.values())


def command(home: Home, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "runners", *arguments], env={**os.environ, "TESTBED_HOME": str(home.root)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "old", "new", "blocked"),
    [
        ("redis", "daemonize no", "no-such-directive yes", {"backend", "ingest"}),
        ("postgres", "jit = off", "no_such_setting = 1", {"backend", "ingest"}),
    ],
)
def test_a_broken_service_is_the_root_cause_and_all_is_rolled_back(  # noqa: PLR0917  (a parameter each)
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str, old: str, new: str, blocked: set[str]
) -> None:
    books = Path(shutil.copytree(PROJECT / "playbooks", tmp_path / "playbooks"))
    (tmp_path / "runners").symlink_to(PROJECT / "runners")
    template = next((books / "roles" / role / "templates").glob("*.j2"))
    replace(template, old, new)
    monkeypatch.setattr("runners.config.lookup.playbooks", lambda: books)
    environment = home.env("local")
    with pytest.raises(NotReady, match=f"{role}: .*\n"):
        service.up(home, "local")
    failure = read_json(environment.failure)
    assert [cause["service"] for cause in failure["root_causes"]] == [role]
    assert any(new.split(maxsplit=1)[0] in line for line in failure["root_causes"][0]["log"])
    # The web server waits for the backend, where the pages are built.
    assert {item["service"] for item in failure["blocked"]} - {"web"} == blocked
    assert all(item["by"] == [role] for item in failure["blocked"])
    assert failure["rolled_back"]
    assert (environment.logs / f"{role}.log").exists()
    assert clean(found := leftovers(environment, read_json(environment.state))), found
    assert service.status(home, "local")["state"] == "failed"
    assert service.down(home, "local")
    assert {path.name for path in environment.root.iterdir()} <= {"lease", "chaos"}


def test_a_typing_error_in_the_inventory_starts_nothing(home: Home, inventory: Path) -> None:
    replace(inventory / "group_vars/all/services.yml", "    scheme: redis", "    schema: redis")
    with pytest.raises(FileError, match=r"services\.yml:\d+: unknown key 'schema'"):
        service.up(home, "local", source=str(inventory))
    assert not home.env("local").state.exists()


def test_ctrl_c_rolls_back(home: Home) -> None:
    process = command(home, "up")
    environment = home.env("local")
    wait_for_state(environment, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    state = read_json(environment.state)
    assert clean(found := leftovers(environment, state)), found
    assert service.status(home, "local")["state"] == "failed"
    service.down(home, "local")


@pytest.mark.parametrize("moment", [0.0, 1.5, 3.0])
def test_a_killed_up_leaves_nothing_after_down(home: Home, moment: float) -> None:
    """moment: seconds after state.json was written, spread over folders, cluster, processes and start."""
    process = command(home, "up")
    environment = home.env("local")
    wait_for_state(environment, process)
    end = time.monotonic() + moment
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    state = read_json(environment.state)
    down = command(home, "down")
    output, _ = down.communicate(timeout=60)
    assert down.returncode == 0, output
    found = leftovers(environment, state)
    assert clean(found) and {path.name for path in environment.root.iterdir()} <= {"lease", "chaos"}, found


def test_a_killed_ansible_is_a_failed_up_that_is_rolled_back(home: Home) -> None:
    """Nothing of the playbook's own rescue runs then."""
    environment = home.env("local")
    process = command(home, "up", "--json")
    wait_for_state(environment, process)
    for pid in proc.carriers("TMPDIR", str(environment.root / "job" / "tmp")):
        proc.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 2, output
    failure = read_json(environment.failure)
    assert failure["rolled_back"] and failure["root_causes"]
    assert clean(found := leftovers(environment, read_json(environment.state))), found
    service.down(home, "local")


def wait_for_state(environment: Environment, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not environment.state.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
