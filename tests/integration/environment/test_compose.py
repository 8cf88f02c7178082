"""The environment of containers for real: provisioned twice, looked at, broken, beside others, gone without a trace.

Most of it with Redis alone, whose image is made in seconds; the whole platform where its images are there already.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners.environment import service
from runners.environment.containers import bring_up, engine, usage
from runners.environment.host import ports
from runners.environment.inventory import find
from runners.environment.provisioner import Provisioner
from runners.faults import services
from runners.faults.injection import Injector
from runners.lib import proc
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.lib.ids import new_run_id
from runners.target import open_target
from tests.command import ROOT
from tests.engines import engine as engine_or_skip

pytestmark = [pytest.mark.environment, pytest.mark.timeout(300)]

NAME = "Box 1"


def up(home: Home, name: str = NAME, **more: Any) -> service.Up:
    return service.up(home, name, source=more.pop("source", "compose"), **({"only": ["redis"]} | more))


def left(home: Home, name: str, state: dict[str, Any]) -> list[str]:
    """What there is of an environment: on the engine, on the machine, in its folder."""
    environment = home.env(name)
    found = engine.leftovers(engine.connect(), state["env_id"], state["engine"]["project"])
    own = [item["port"] for item in state["services"] if item["port"]]  # of the others somebody else may make use
    found += [f"port {port}" for port in own if not ports.is_free(port)]
    return found + [path.name for path in environment.root.iterdir() if path.name not in ("lease", "chaos")]


def state_of(home: Home, name: str = NAME) -> dict[str, Any]:
    found = read_json(home.env(name).state)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def client() -> Any:
    return engine_or_skip()


@pytest.fixture(scope="module")
def home(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With what a path may have: spaces and a percent sign."""
    return Home(tmp_path_factory.mktemp("homes") / "a long name" / "100%")


@pytest.fixture(scope="module")
def redis(home: Home) -> Iterator[tuple[Home, Environment, service.Up]]:
    done = up(home)
    yield home, home.env(NAME), done
    service.down(home, NAME, force=True)


Stack = tuple[Home, Environment, service.Up]


def test_up_is_ready_with_a_handful_of_module_executions(redis: Stack) -> None:
    _, _, done = redis
    assert done.status["state"] == "ready"
    assert done.modules <= 6


def test_a_second_up_changes_nothing(redis: Stack) -> None:
    home, environment, _ = redis
    before = containers(home)
    done = up(home)
    assert (done.changed, containers(home)) == (0, before)
    assert playbook(environment, "--check")["changed"] == 0


def test_status_names_the_container_and_its_memory(redis: Stack) -> None:
    home, _, _ = redis
    document = service.status(home, NAME)
    (found,) = [item for item in document["services"] if item["name"] == "redis"]
    assert (document["kind"], found["state"], found["health"]) == ("compose", "running", "healthy")
    assert found["container"] == containers(home)["redis"] and found["memory_bytes"] > 100_000
    assert found["version"].startswith("7") and found["port"] is None


def test_all_of_it_carries_the_label_and_nothing_is_published_but_on_loopback(redis: Stack, client: Any) -> None:
    home, _, _ = redis
    state = state_of(home)
    for item in client.api.containers(all=True, filters={"label": f"testbed.env_id={state['env_id']}"}):
        assert all(port["IP"] == "127.0.0.1" for port in item["Ports"] if "IP" in port)
    names = engine.leftovers(client, state["env_id"], "")
    assert sorted(names) == sorted(engine.leftovers(client, "", state["engine"]["project"]))
    assert any(name.startswith("network ") for name in names)


def test_secrets_are_readable_for_containers_and_for_nobody_else(redis: Stack) -> None:
    _, environment, _ = redis
    assert environment.root.stat().st_mode & 0o777 == 0o700
    assert environment.secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in environment.secrets.iterdir()} == {0o644}
    variables = (environment.config / "compose.env").read_text()
    assert not [path for path in environment.secrets.glob("*_password") if path.read_text().strip() in variables]


def test_a_log_is_read_from_the_engine(redis: Stack) -> None:
    home, _, _ = redis
    lines = list(service.log(home, NAME, "redis", 5))
    assert 0 < len(lines) <= 5


def test_a_restart_keeps_the_container_and_waits_for_it(redis: Stack) -> None:
    home, _, _ = redis
    before = containers(home)
    done = service.restart(home, NAME, "redis")
    assert done["container"] == before["redis"] and containers(home) == before
    assert service.status(home, NAME)["state"] == "ready"


def test_another_secret_replaces_what_mounts_it(redis: Stack) -> None:
    home, environment, _ = redis
    before = containers(home)
    (environment.secrets / "redis_password").unlink()
    assert up(home).changed > 0
    assert containers(home)["redis"] != before["redis"]
    assert up(home).changed == 0


def test_drift_names_what_differs_and_reset_and_rollback_end_without_any(redis: Stack) -> None:
    home, environment, _ = redis
    password = environment.secrets / "redis_password"
    release, kept = state_of(home)["release"], password.read_text()
    assert service.drift(home, NAME)["items"] == []
    password.chmod(0o600)
    container = engine.connect().containers.get(containers(home)["redis"])
    container.stop(timeout=2)
    found = {(item["service"], item["kind"]) for item in service.drift(home, NAME)["items"]}
    assert found >= {(None, "secret"), ("redis", "process")}
    done = service.reset(home, NAME)
    assert done.status["state"] == "ready" and password.read_text() == kept
    before = containers(home)
    again = service.rollback(home, NAME, to=release)
    assert (again.release, again.up.changed, containers(home)) == (release, 0, before)


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_fault_on_its_container_shows_in_the_status_and_is_undone(redis: Stack, client: Any, fault: str) -> None:
    home, environment, _ = redis
    began = time.time()
    injector = Injector(services.load(environment), new_run_id())
    record = injector.inject(fault, "redis", 20)
    if fault == "pause":
        (found,) = [item for item in service.status(home, NAME)["services"] if item["name"] == "redis"]
        assert (found["state"], found["health"], found["reason"]) == ("running", "unhealthy", "it is paused")
    assert injector.end(record).state == "REVERTED"
    wait_for(lambda: service.status(home, NAME)["state"] == "ready")
    told = list(usage.events(client, state_of(home)["env_id"], since=began - 1, until=time.time()))
    assert ("redis", fault) in [(event.service, event.what) for event in told]
    for pid in proc.carriers(proc.WATCHDOG_MARK, injector.run):
        proc.kill(pid, signal.SIGKILL)


def test_two_side_by_side_know_nothing_of_each_other_and_data_can_be_kept(redis: Stack, client: Any) -> None:
    home, _, _ = redis
    before = containers(home)
    assert up(home, "box-2").status["state"] == "ready"
    state = state_of(home, "box-2")
    project = state["engine"]["project"]
    volume = client.volumes.create(f"{project}_data", labels={"testbed.env_id": state["env_id"]})
    assert not set(state_of(home)["ports"].values()) & set(state["ports"].values())
    service.down(home, "box-2", keep_data=True)
    kept = engine.leftovers(client, state["env_id"], project)
    assert f"volume {volume.name}" in kept and all(name.startswith("volume ") for name in kept)
    assert state_of(home, "box-2")["env_id"] == state["env_id"] and home.env("box-2").secrets.is_dir()
    service.down(home, "box-2")
    assert left(home, "box-2", state) == []
    assert containers(home) == before and service.status(home, NAME)["state"] == "ready"


def test_a_killed_provisioning_is_cleared_away_by_down(home: Home, client: Any) -> None:
    program = "import sys; from runners.cli.main import run; sys.exit(run())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--home", str(home.root), "up", "killed", "--inventory", "compose", "--only", "redis"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=ROOT,
    )  # fmt: skip
    try:
        wait_for(lambda: home.env("killed").state.exists() and engine.boxes(client, state_of(home, "killed")["env_id"]))
    finally:
        process.kill()
        process.wait()
    state = state_of(home, "killed")
    assert service.down(home, "killed", force=True)
    assert left(home, "killed", state) == []


def test_a_missing_image_is_named_with_the_remedy_before_anything_starts(home: Home, client: Any) -> None:
    inventory = find("compose")
    environment = home.env("lacking")
    environment.root.mkdir(parents=True)
    absent = {"redis": "testbed/redis:never-built"}
    done = Provisioner(environment, inventory).play("provision", testbed_only=["redis"], compose_images=absent)
    failure = read_json(environment.failure)
    assert done.status == "failed" and failure is not None
    (cause,) = failure["root_causes"]
    assert cause["service"] == "redis" and "testbed/redis:never-built is not on this engine" in cause["reason"]
    assert "ansible-playbook playbooks/images.yml" in cause["reason"] and failure["rolled_back"]
    service.down(home, "lacking")


def test_an_image_that_no_registry_has_is_the_cause_with_the_registrys_words(
    home: Home, client: Any, tmp_path: Path
) -> None:
    source = _inventory(tmp_path)
    given = yaml.safe_load((source / "group_vars" / "engine.yml").read_text())
    nowhere = {"repository": "127.0.0.1:1/nobody/redis", "tag": "7", "digest": "", "user": "10001:10001"}
    given |= {"testbed_images_source": "official", "testbed_images": {**_images(), "redis": nowhere}}
    (source / "group_vars" / "engine.yml").write_text(yaml.safe_dump(given))
    with pytest.raises(NotReady, match=r"redis: its image 127\.0\.0\.1:1/nobody/redis:7 cannot be pulled: .*refused"):
        up(home, "unpulled", source=str(source))
    state = state_of(home, "unpulled")
    service.down(home, "unpulled")
    assert left(home, "unpulled", state) == []


def test_an_unhealthy_container_is_the_cause_with_its_last_words(home: Home, client: Any, tmp_path: Path) -> None:
    broken = tmp_path / "compose.broken.yaml"
    broken.write_text(yaml.safe_dump({"services": {"redis": {"command": ["redis-server", "/no-such-file"]}}}))
    source = _inventory(tmp_path, broken)
    with pytest.raises(NotReady, match="redis: it ends after its start"):
        up(home, "sick", source=str(source))
    failure = read_json(home.env("sick").failure)
    assert failure is not None and failure["rolled_back"]
    (cause,) = failure["root_causes"]
    assert cause["service"] == "redis" and any("no-such-file" in line for line in cause["log"])
    state = state_of(home, "sick")
    assert engine.leftovers(client, state["env_id"], state["engine"]["project"]) == []
    service.down(home, "sick")
    assert left(home, "sick", state) == []


def test_an_engine_that_is_away_is_said_so_and_leaves_nothing(
    home: Home, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(NotReady, match="does not answer: there is no such socket"):
        up(home, "nowhere")
    service.down(home, "nowhere")
    assert not home.env("nowhere").state.exists()


@pytest.fixture(scope="module")
def whole(home: Home, client: Any) -> Iterator[Environment]:
    if missing := _to_build():
        pytest.skip(f"the images of {', '.join(missing)} would have to be built: ansible-playbook playbooks/images.yml")
    assert up(home, "whole", only=["web", "ingest"]).status["state"] == "ready"
    yield home.env("whole")
    service.down(home, "whole", force=True)


def test_the_whole_platform_is_the_target_that_it_is_as_processes(home: Home, whole: Environment) -> None:
    verified = service.verify(home, "whole")
    assert verified["ready"], [item for item in verified["operations"] if item["state"] == "failed"]
    (migrate,) = [item for item in service.status(home, "whole")["services"] if item["name"] == "migrate"]
    assert (migrate["state"], migrate["health"]) == ("stopped", "healthy")


def test_rotated_secrets_are_all_new_the_old_ones_are_refused_and_the_data_stays(
    home: Home, whole: Environment
) -> None:
    _start_results(whole)
    servers = {"postgres": "postgres", "results-db": "results"}  # each with its superuser
    old = {path.name: path.read_text().strip() for path in whole.secrets.glob("*_password")}
    login, cluster = _password(whole), {name: _system(home, name, user) for name, user in servers.items()}
    # An earlier rotation was killed half-way, and the server that knew the password has ended since: nobody can ask it.
    (whole.secrets / "postgres_password").write_text("of-a-rotation-that-was-killed")
    engine.connect().containers.get(containers(home, "whole")["postgres"]).kill()
    assert up(home, "whole", only=["web", "ingest"], rotate=True).status["state"] == "ready"
    _start_results(whole)
    now = {path.name: path.read_text().strip() for path in whole.secrets.glob("*_password")}
    assert now.keys() == old.keys() and not set(now.values()) & set(old.values())
    assert {name: _system(home, name, user) for name, user in servers.items()} == cluster
    for name, user in {**servers, "postgres": "obs_app"}.items():
        assert "password authentication failed" in _ask(home, name, user, old[f"{user}_password"])
    with open_target(whole) as target:
        assert target.call("auth.login", None, username="acme-viewer", password=login).status == 401
        assert target.call("auth.login", None, username="acme-viewer", password=_password(whole)).status == 200
    assert service.verify(home, "whole")["ready"]
    assert up(home, "whole", only=["web", "ingest"]).changed == 0


def test_the_whole_platform_goes_without_a_trace(home: Home, whole: Environment) -> None:
    state = state_of(home, "whole")
    service.down(home, "whole", force=True)
    assert left(home, "whole", state) == []


def _start_results(environment: Environment) -> None:
    """As `testing.yml` does, without the runner's image."""
    state = read_json(environment.state)
    assert isinstance(state, dict)
    images = {name: {**entry, "digest": ""} for name, entry in _images().items()}
    bring_up.bring_up(environment, state, state["engine"]["files"], images, {}, patience_s=120, further=["results-db"])


def _password(environment: Environment) -> str:
    users = (read_json(environment.secrets / "identities.json") or {})["users"]
    return next(str(user["password"]) for user in users if user["username"] == "acme-viewer")


def _system(home: Home, name: str, user: str) -> str:
    """What tells one data directory from all others."""
    found = _ask(home, name, user, (home.env("whole").secrets / f"{user}_password").read_text().strip())
    assert found.isdigit(), found
    return found


def _ask(home: Home, name: str, user: str, password: str) -> str:
    """Over TCP, so that the server wants the password."""
    question = [
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        user,
        "-d",
        "postgres",
        "-Atc",
        "SELECT system_identifier FROM pg_control_system()",
    ]
    container = engine.connect().containers.get(containers(home, "whole")[name])
    return str(container.exec_run(question, environment={"PGPASSWORD": password}).output.decode().strip())


def containers(home: Home, name: str = NAME) -> dict[str, str]:
    return {box.service: box.id for box in engine.boxes(engine.connect(), state_of(home, name)["env_id"])}


def playbook(environment: Environment, *options: str) -> dict[str, int]:
    """Figures of the recap of a plain ansible-playbook, told what the last `up` was asked for."""
    given = json.dumps({"testbed_environment": str(environment.root), "testbed_only": ["redis"]})
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", ROOT / "inventories" / "compose", *options,
         "-e", given, ROOT / "playbooks" / "provision.yml"],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "playbooks/ansible.cfg")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    recap = next(line for line in reversed(done.stdout.splitlines()) if "changed=" in line)
    return {name: int(value) for name, value in (part.split("=") for part in recap.split() if "=" in part)}


def wait_for(condition: Callable[[], object], patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


def _inventory(folder: Path, *more: Path) -> Path:
    """The shipped one, which lets compose read further files."""
    made = folder / "inventory"
    (made / "group_vars").mkdir(parents=True)
    shipped = find("compose")
    for name in ("hosts.yml", "target.yml", "target-keycloak.yml"):
        text = (shipped / name).read_text().replace("../local/", f"{shipped.parent}/local/")
        (made / name).write_text(text)
    (made / "group_vars" / "all").symlink_to(shipped / "group_vars" / "all")
    files = [ROOT / "observastack" / "compose.yaml", ROOT / "observastack" / "compose.test.yaml", *more]
    given = {"testbed_compose_files": [str(file) for file in files]}
    (made / "group_vars" / "engine.yml").write_text(yaml.safe_dump(given))
    return made


def _to_build() -> list[str]:
    from runners.environment.images import provide

    return sorted(provide.provide(["postgres", "redis", "backend", "ingest", "web"], _images(), dry=True).built)


def _images() -> dict[str, Any]:
    described = yaml.safe_load((find("compose") / "group_vars" / "all" / "images.yml").read_text())
    return dict(described["testbed_images"])
