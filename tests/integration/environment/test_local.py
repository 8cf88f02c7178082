"""The local environment for real: provisioned, looked at, broken in every way, gone without a trace."""

import json
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.environment import service
from runners.environment.host import ports, processes, secrets
from runners.environment.host.supervisor import Control
from runners.lib import proc
from runners.lib.errors import Leased, NotReady, UsageError
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.target import journeys, open_target

pytestmark = [pytest.mark.environment, pytest.mark.timeout(180)]

NAME = "local"
KEPT = {"lease", "chaos"}


def wait_for(condition: Callable[[], object], patience_s: float = 30) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


def assert_gone(environment: Environment, state: dict[str, Any] | None, *, kept: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """0 processes, listeners, files but lock files, folders elsewhere, shared memory."""
    assert {path.name for path in environment.root.iterdir()} <= KEPT | kept
    assert not any(environment.chaos.iterdir()) if environment.chaos.exists() else True
    if state is not None:
        assert processes.members(processes.ENV_MARK, state["env_id"]) == {}
        assert [port for port in state["ports"].values() if not ports.is_free(port)] == []
        assert [path for path in state["outside"] if Path(path).exists()] == []
    assert proc.carriers("TMPDIR", str(environment.root / "job" / "tmp")) == []


def segment_of(state: dict[str, Any], environment: Environment) -> int:
    folder = Path(state["outside"][0]) if state["outside"] else environment.data
    segment = processes.shared_memory_of(folder / "postgres")
    assert segment is not None
    return segment


def segments() -> set[int]:
    return {int(line.split()[1]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


@pytest.fixture(scope="module")
def long_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Longer than a socket's path may be, with a space and a percent sign."""
    root = tmp_path_factory.mktemp("homes") / ("a long name " * 6) / ("100%" * 30)
    home = Home(root)
    assert len(str(root)) > 200
    return home


@pytest.fixture(scope="module")
def stack(long_home: Home) -> Iterator[tuple[Home, Environment, list[dict[str, Any]], service.Up]]:
    events: list[dict[str, Any]] = []
    done = service.up(long_home, NAME, on_event=events.append)
    yield long_home, long_home.env(NAME), events, done
    service.down(long_home, NAME, force=True)


Stack = tuple[Home, Environment, list[dict[str, Any]], service.Up]


def test_up_is_ready_within_its_budget_of_module_executions(stack: Stack) -> None:
    _, environment, _, done = stack
    assert done.status["state"] == "ready"
    there = {item["name"] for item in done.status["services"] if item["state"] != "absent"}
    assert {"postgres", "redis", "backend", "ingest"} <= there
    assert done.modules <= 10 + len(there)
    assert read_json(environment.state)["state"] == "ready"


def test_status_tells_each_service_with_its_process(stack: Stack) -> None:
    home, _, _, _ = stack
    document = service.status(home, NAME)
    assert document["state"] == "ready" and document["lease"] == {"run": None}
    for item in document["services"]:
        if item["state"] == "absent":
            assert item["reason"] and item["pid"] is None
            continue
        assert (item["state"], item["health"], item["reason"]) == ("running", "healthy", None)
        assert (found := proc.stat(item["pid"])) is not None and found.alive
    implementations = {item["name"]: item["implementation"] for item in document["services"]}
    assert implementations.items() >= {
        "postgres": "real", "redis": "real", "backend": "reference", "ingest": "reference", "loki": "embedded",
    }.items()  # fmt: skip
    assert document["stores"] == {"logs": "embedded", "metrics": "embedded", "traces": "embedded"}
    service.require_ready(home, NAME)


def test_up_again_changes_nothing_and_disturbs_no_process(stack: Stack) -> None:
    home, _, _, _ = stack
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    again = service.up(home, NAME)
    assert again.changed == 0
    assert again.modules <= 12
    assert {item["name"]: item["pid"] for item in again.status["services"]} == before


def test_the_target_does_what_it_must(stack: Stack) -> None:
    home, _, _, _ = stack
    document = service.verify(home, NAME)
    assert document["ready"], [item for item in document["operations"] if item["state"] == "failed"]


def test_a_verification_leaves_nothing_behind_but_one_resolved_alert(stack: Stack) -> None:
    home, environment, _, _ = stack
    states = {item["name"]: item["state"] for item in service.verify(home, NAME)["operations"]}
    made = {"admin.create_user", "admin.create_tenant", "test_data.seed", "alerts.silence", "alerts.webhook"}
    assert {states[name] for name in made} == {"ok"}
    with open_target(environment) as target:
        admin, tenant = target.identity(None, "admin"), target.tenants[0]
        users = target.call("admin.users", target.identity(tenant, "tenant_admin"), free_text="verify-")
        assert users.json["items"] == []
        tenants = target.call("admin.tenants", admin).json["items"]
        assert {item["id"] for item in tenants} == set(target.tenants)
        assert "verify-" not in target.call("test_data.summary", admin).text
        alerts = target.call("alerts.list", target.identity(tenant, "viewer"), free_text=journeys.TITLE).json["items"]
        assert [item["status"] for item in alerts] == ["resolved"]


def test_everything_is_private(stack: Stack) -> None:
    _, environment, _, _ = stack
    open_ones = [
        path
        for path in environment.root.rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & 0o077 and environment.journal not in path.parents
    ]
    assert open_ones == []


def test_no_secret_is_in_events_logs_configuration_or_command_lines(stack: Stack) -> None:
    _, environment, events, done = stack
    values = secrets.values(environment.secrets)
    texts = {"events": json.dumps(events), "status": json.dumps(done.status)}
    texts |= {str(path): path.read_text(errors="replace") for path in environment.logs.iterdir()}
    texts["observastack.json"] = (environment.config / "observastack.json").read_text()
    texts["supervisord.conf"] = (environment.config / "supervisord.conf").read_text()
    texts["state.json"] = environment.state.read_text()
    env_id = read_json(environment.state)["env_id"]
    for pid in processes.members(processes.ENV_MARK, env_id):
        texts[f"argv of {pid}"] = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    assert [name for name, text in texts.items() for value in values if value in text] == []


def test_services_listen_on_loopback_only(stack: Stack) -> None:
    _, environment, _, _ = stack
    numbers = {f"{port:04X}" for port in read_json(environment.state)["ports"].values()}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and port in numbers:
                assert address == "0100007F"


@pytest.mark.parametrize("name", ["redis", "ingest", "backend", "postgres"])
def test_a_killed_service_is_started_again_at_once(stack: Stack, name: str) -> None:
    home, environment, _, _ = stack
    control = Control(read_json(environment.state)["supervisor"])
    pid = control.processes()[name].pid
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: control.processes()[name].pid not in (0, pid))
    assert time.monotonic() - began < 1  # supervisord alone would sleep for up to two seconds
    wait_for(lambda: service.status(home, NAME)["state"] == "ready")


def test_restart_gives_a_new_process_that_is_healthy(stack: Stack) -> None:
    home, _, _, _ = stack
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    done = service.restart(home, NAME, "ingest")
    after = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    assert done["pid"] == after["ingest"] != before["ingest"]
    assert after | {"ingest": 0} == before | {"ingest": 0}


def test_a_leased_environment_is_left_alone(stack: Stack) -> None:
    from runners.lib import locks

    home, environment, _, _ = stack
    fd = locks.open_lock(environment.lease)
    try:
        assert locks.try_lock(fd)
        os.pwrite(fd, json.dumps({"run": "01890000-aaaa", "pid": 1}).encode().ljust(512), 0)
        assert service.status(home, NAME)["lease"] == {"run": "01890000-aaaa"}
        for action in (lambda: service.down(home, NAME), lambda: service.up(home, NAME),
                       lambda: service.restart(home, NAME, "redis")):  # fmt: skip
            with pytest.raises(Leased, match="01890000-aaaa"):
                action()
    finally:
        os.pwrite(fd, b"{}".ljust(512), 0)
        os.close(fd)
    assert service.status(home, NAME)["state"] == "ready"


def test_defects_reach_backend_and_ingest_and_go_again(stack: Stack) -> None:
    home, _, _, _ = stack
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    done = service.up(home, NAME, defects=["dup_on_retry"])
    after = {item["name"]: item["pid"] for item in done.status["services"]}
    assert done.status["defects"] == ["dup_on_retry"] and done.status["state"] == "ready"
    assert {name for name in before if before[name] != after[name]} - {"web"} == {"backend", "ingest"}
    assert service.up(home, NAME).status["defects"] == []
    with pytest.raises(UsageError, match="did you mean dup_on_retry"):
        service.up(home, NAME, defects=["dup_on_rety"])
    assert service.status(home, NAME)["state"] == "ready"


def test_supervisord_killed_takes_all_with_it_and_up_mends_it(stack: Stack) -> None:
    home, environment, _, _ = stack
    recorded = read_json(environment.state)
    os.kill(recorded["supervisor"]["pid"], signal.SIGKILL)
    wait_for(lambda: processes.members(processes.ENV_MARK, recorded["env_id"]) == {})
    document = service.status(home, NAME)
    assert document["state"] == "failed"
    with pytest.raises(NotReady, match="is failed"):
        service.require_ready(home, NAME)
    assert service.up(home, NAME).status["state"] == "ready"


def test_down_keeps_data_when_asked_and_then_leaves_nothing(stack: Stack) -> None:
    home, environment, _, _ = stack
    recorded = read_json(environment.state)
    segment = segment_of(recorded, environment)
    assert service.down(home, NAME, keep_data=True)
    assert service.status(home, NAME)["state"] == "absent"
    assert segment not in segments()
    again = service.up(home, NAME)
    assert again.status["state"] == "ready"
    assert read_json(environment.state)["ports"] == recorded["ports"]
    recorded, segment = read_json(environment.state), segment_of(recorded, environment)
    processes.end_all(processes.ENV_MARK, recorded["env_id"])  # kill -9 of everything at once
    assert service.down(home, NAME)
    assert_gone(environment, recorded)
    assert segment not in segments()
    assert not service.down(home, NAME)  # once more is no error, there is nothing
    assert_gone(environment, recorded)
