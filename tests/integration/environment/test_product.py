"""An environment beside others, with a name of its own: checked, compared, reset, rotated, rolled back; by plain Ansible too."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from runners.config.lookup import PROJECT
from runners.environment import releases, service
from runners.environment.host import ports, processes, secrets
from runners.environment.host.supervisor import Control, Unreachable
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.target import open_target

pytestmark = [pytest.mark.environment, pytest.mark.timeout(180)]

NAME = "blue"
ONLY = ("backend", "ingest")


@dataclass
class Stack:
    """One environment of this module; its inventory is a copy that tests may change."""

    home: Home
    inventory: Path
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> Environment:
        return self.home.env(NAME)

    @property
    def state(self) -> dict[str, Any]:
        return dict(read_json(self.environment.state))

    def up(self, **options: Any) -> service.Up:
        return service.up(self.home, NAME, source=str(self.inventory), only=ONLY, **options)

    def set(self, text: str) -> None:
        (self.inventory / "group_vars" / "all" / "own.yml").write_text(f"---\n{text}\n")

    def ansible(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As somebody without the testbed command does it."""
        return subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", self.inventory, PROJECT / "playbooks" / playbook,
             "-e", f"testbed_environment='{self.environment.root}'", *arguments],
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "playbooks" / "ansible.cfg"),
                 "ANSIBLE_HOME": str(self.home.root / "ansible")},
            capture_output=True, text=True, cwd=PROJECT,
        )  # fmt: skip

    def telemetry(self) -> int:
        """What the test-data API counts as stored."""
        with open_target(self.environment) as target:
            summary = target.call("test_data.summary", target.identity(None, "admin"))
            return int(re.sub(r"\D", "", summary.text) or 0)

    def seed(self) -> None:
        with open_target(self.environment) as target:
            target.call(
                "test_data.seed", target.identity(None, "admin"), tenant=target.tenants[0], run="before-reset", count=3
            )  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("product")
    inventory = shutil.copytree(PROJECT / "inventories" / "local", root / "inventories" / "mine")
    found = Stack(Home(root / "home"), Path(inventory))
    assert found.up().status["state"] == "ready"
    yield found
    service.down(found.home, NAME, force=True)


def pids(stack: Stack) -> dict[str, int]:
    return {item["name"]: item["pid"] for item in service.status(stack.home, NAME)["services"] if item["pid"]}


def changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def drifted(stack: Stack) -> set[tuple[str | None, str, str]]:
    found = service.drift(stack.home, NAME)
    assert found["drifted"] == bool(found["items"])
    assert all(set(item) == {"service", "kind", "path", "expected", "found"} for item in found["items"])
    values = [value for value in secrets.values(stack.environment.secrets) if len(value) > 8]
    assert not any(value in str(found) for value in values)
    return {(item["service"], item["kind"], Path(item["path"] or "").name) for item in found["items"]}


def test_a_running_stack_is_as_check_mode_would_make_it(stack: Stack) -> None:
    before = service.status(stack.home, NAME)
    arguments = ("-e", '{"testbed_only": ["backend", "ingest"]}')
    assert changed(stack.ansible("provision.yml", "--check", "--diff", *arguments)) == 0
    assert drifted(stack) == set()
    assert service.status(stack.home, NAME) == before


def test_an_edited_file_is_named_by_check_mode_and_up_mends_it_and_who_has_read_it(stack: Stack) -> None:
    file = stack.environment.config / "observastack.json"
    good, before = file.read_text(), pids(stack)
    file.write_text(good.replace('"writers": 2', '"writers": 3'))
    done = stack.ansible("provision.yml", "--check", "--diff", "-e", '{"testbed_only": ["backend", "ingest"]}')
    assert changed(done) == 1
    assert str(file) in done.stdout and '-        "writers": 3' in done.stdout
    service.restart(stack.home, NAME, "backend")  # it reads the edited file, the gateway does not
    assert drifted(stack) == {
        ("backend", "configuration", "observastack.json"),
        ("backend", "configuration", "backend.conf"),
    }
    before["backend"] = pids(stack)["backend"]
    assert stack.up().status["state"] == "ready"
    assert file.read_text() == good
    assert {name for name, pid in pids(stack).items() if pid != before[name]} == {"backend"}


def test_drift_is_what_check_mode_cannot_see_too_and_up_mends_it_all(stack: Stack) -> None:
    control = Control(stack.state["supervisor"])
    (stack.environment.secrets / "jwt_private.pem").chmod(0o644)
    lost = (stack.environment.secrets / "postgres_password").read_text()
    (stack.environment.secrets / "postgres_password").unlink()  # and nobody else knows it
    pid = control.processes()["backend"].pid
    os.kill(pid, 19)
    control.stop("ingest")
    port = stack.state["ports"]["ingest"]
    try:
        with socket.create_server(("127.0.0.1", port)):
            found = drifted(stack)
    finally:
        os.kill(pid, 18)
    assert found >= {
        (None, "secret", "jwt_private.pem"),
        (None, "secret", "postgres_password"),
        ("backend", "process", f"pid {pid}"),
        ("ingest", "process", "ingest.conf"),
        ("ingest", "listener", f"port {port}"),
    }
    with pytest.raises(NotReady):
        service.require_ready(stack.home, NAME)
    assert stack.up().status["state"] == "ready"
    assert (stack.environment.secrets / "postgres_password").read_text() != lost


def test_who_may_log_in_to_the_database_is_as_it_was_made(stack: Stack) -> None:
    outside = stack.state["outside"]
    cluster = Path(outside[0]) / "postgres" if outside else stack.environment.data / "postgres"
    rules = cluster / "pg_hba.conf"
    good = rules.read_text()
    rules.write_text("host all all 127.0.0.1/32 trust\n")
    service.restart(stack.home, NAME, "postgres")  # it reads them
    for path in map(Path, outside):
        path.chmod(0o777)
    found = drifted(stack)
    assert ("postgres", "configuration", "postgres.conf") in found
    assert {(None, "configuration", Path(path).name) for path in outside} <= found
    assert stack.up().status["state"] == "ready"
    assert rules.read_text() == good and drifted(stack) == set()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(
            host="127.0.0.1", port=stack.state["ports"]["postgres"], user="postgres", dbname="postgres", password="no"
        )


def test_what_is_not_fit_for_tests_starts_none(stack: Stack) -> None:
    service.require_ready(stack.home, NAME)
    (stack.environment.secrets / "redis_password").chmod(0o640)
    with pytest.raises(NotReady, match="secret redis_password: its mode is 0640"):
        service.require_ready(stack.home, NAME)
    (stack.environment.secrets / "redis_password").chmod(0o600)
    document = service.verify(stack.home, NAME)
    edges = {item["name"]: item["state"] for item in document["checks"] if item["kind"] == "connection"}
    assert edges == dict.fromkeys(("backend → postgres", "backend → redis", "ingest → postgres"), "ok")
    assert document["ready"]


def test_reset_takes_the_data_and_nothing_else(stack: Stack) -> None:
    stack.seed()
    before, kept, filled = stack.state, sorted(secrets.values(stack.environment.secrets)), stack.telemetry()
    done = service.reset(stack.home, NAME)
    assert done.status["state"] == "ready"
    assert sorted(secrets.values(stack.environment.secrets)) == kept
    assert {key: stack.state[key] for key in ("ports", "env_id", "wanted")} == {
        key: before[key] for key in ("ports", "env_id", "wanted")
    }
    assert filled > 0 and stack.telemetry() == 0


def test_rotated_secrets_are_all_new_and_the_old_ones_are_refused(stack: Stack) -> None:
    folder = stack.environment.secrets
    stack.seed()
    old = {path.name: path.read_text() for path in folder.glob("*_password")}
    users = {user["username"]: user["password"] for user in read_json(folder / "identities.json")["users"]}
    with open_target(stack.environment) as target:
        token = target.call("auth.login", None, username="acme-viewer", password=users["acme-viewer"]).json[
            "access_token"
        ]
    facts = dict(stack.state["supervisor"])
    filled = stack.telemetry()
    assert stack.up(rotate=True).status["state"] == "ready"
    assert [name for name, text in old.items() if (folder / name).read_text() == text] == []
    now = {user["username"]: user["password"] for user in read_json(folder / "identities.json")["users"]}
    assert [name for name in now if now[name] == users[name]] == []
    assert stack.telemetry() == filled  # the data is the same
    with open_target(stack.environment) as target:
        answer = target.call("auth.login", None, username="acme-viewer", password=users["acme-viewer"])
        assert answer.status == 401
    import httpx

    me = httpx.get(stack.state["urls"]["api"] + "/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert me.status_code == 401
    for role in ("postgres", "obs_read", "obs_ingest", "obs_app"):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(
                host="127.0.0.1", port=stack.state["ports"]["postgres"], user=role, dbname="postgres",
                password=old[f"{role}_password"].strip(),
            )  # fmt: skip
    with socket.create_connection(("127.0.0.1", stack.state["ports"]["redis"])) as redis:
        redis.sendall(b"AUTH %s\r\n" % old["redis_password"].strip().encode())
        assert redis.recv(100).startswith(b"-WRONGPASS")
    stale = stack.home.root / "old_supervisor_password"
    stale.write_text(old["supervisor_password"])
    with pytest.raises(Unreachable, match="Unauthorized"):
        Control(facts | {"password_file": str(stale)}).pid()


def test_rollback_brings_the_setting_before_back(stack: Stack) -> None:
    configuration = stack.environment.config / "redis.conf"
    first = stack.state["release"]
    stack.set("redis_maxmemory: 96mb")
    assert stack.up().status["state"] == "ready"
    assert "maxmemory 96mb" in configuration.read_text() and stack.state["release"] == first + 1
    done = service.rollback(stack.home, NAME)
    assert done.release == first and done.up.status["state"] == "ready"
    assert "maxmemory 128mb" in configuration.read_text()
    assert stack.state["release"] == first and stack.state["inventory"] == str(stack.inventory)


def test_rollback_after_a_failed_up_makes_the_last_good_release_again(stack: Stack) -> None:
    good = stack.state["release"]
    stack.set("redis_maxmemory: much")
    with pytest.raises(NotReady, match="redis"):
        stack.up()
    failure = read_json(stack.environment.failure)
    assert [cause["service"] for cause in failure["root_causes"]] == ["redis"]
    assert service.status(stack.home, NAME)["state"] == "failed"
    (stack.inventory / "group_vars" / "all" / "own.yml").write_text("not: [valid")  # nothing of it is needed
    done = service.rollback(stack.home, NAME)
    assert (done.release, done.up.status["state"]) == (good, "ready")
    (stack.inventory / "group_vars" / "all" / "own.yml").unlink()
    assert stack.up().changed == 0
    assert [item.number for item in releases.known(stack.environment)] == [good, good + 1]


@pytest.mark.parametrize("playbook", ["verify.yml", "drift.yml", "reset.yml", "rotate.yml", "rollback.yml"])
def test_every_playbook_has_a_check_mode_that_changes_nothing(stack: Stack, playbook: str) -> None:
    release = ("-e", f"testbed_release={stack.state['release']}")
    before, running = stack.state, pids(stack)
    assert stack.ansible(playbook, "--check", *release).returncode == 0
    assert (stack.state, pids(stack)) == (before, running)


@pytest.mark.parametrize("playbook", ["verify.yml", "rollback.yml"])
def test_what_is_as_it_should_be_is_left_so(stack: Stack, playbook: str) -> None:
    """Without the testbed command. Resetting and rotating again is what those two are for."""
    before, running = stack.state, pids(stack)
    assert changed(stack.ansible(playbook, "-e", f"testbed_release={before['release']}")) == 0
    assert (stack.state, pids(stack)) == (before, running)


def test_one_role_is_played_by_its_tag(stack: Stack) -> None:
    done = stack.ansible("provision.yml", "--tags", "redis", "-e", '{"testbed_only": ["backend", "ingest"]}')
    assert changed(done) == 0
    assert "redis : Configure" in done.stdout and "postgres : Create" not in done.stdout


def test_plain_ansible_takes_down_provisions_and_takes_down_again(stack: Stack) -> None:
    recorded = stack.state
    only = ("-e", '{"testbed_only": ["redis"]}')
    assert changed(stack.ansible("teardown.yml", "--check")) > 0
    assert stack.environment.state.exists()
    assert changed(stack.ansible("teardown.yml")) > 0
    assert {path.name for path in stack.environment.root.iterdir()} <= {"lease", "chaos"}
    assert processes.members(processes.ENV_MARK, recorded["env_id"]) == {}
    assert changed(stack.ansible("teardown.yml")) == 0
    assert changed(stack.ansible("provision.yml", "--check", *only)) > 0  # and makes nothing
    assert not stack.environment.state.exists() and not stack.environment.config.exists()
    assert changed(stack.ansible("provision.yml", *only)) > 0
    assert service.status(stack.home, NAME)["state"] == "ready"
    assert changed(stack.ansible("provision.yml", *only)) == 0
    service.down(stack.home, NAME)
    deadline = time.monotonic() + 5
    while not all(ports.is_free(port) for port in recorded["ports"].values()):
        assert time.monotonic() < deadline
