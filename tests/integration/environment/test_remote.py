"""A host that is not this machine, for real: provisioned over SSH, looked at, tested, broken by playbook, left without a trace."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.config.lookup import PROJECT
from runners.environment import service
from runners.environment.host import processes, secrets
from runners.environment.remote import ssh
from runners.lib import proc
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from tests import hosts
from tests.command import ROOT, Testbed

REASON = hosts.why_not()
pytestmark = [
    pytest.mark.environment,
    pytest.mark.timeout(240),
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]
NAME = "far"
GIVEN = "given-by-a-vault-and-not-generated"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hosts.SshHost]:
    folder = tmp_path_factory.mktemp("host", numbered=True)
    with hosts.ssh_host(folder) as found:
        yield found


@pytest.fixture(scope="module")
def inventory(host: hosts.SshHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped sample with this host in it. It has no way to a package index: its image has the dependencies."""
    folder = Path(shutil.copytree(PROJECT / "inventories" / "remote", tmp_path_factory.mktemp("inventories") / "far"))
    (folder / "hosts.yml").write_text(
        f"platform: {{hosts: {{{NAME}1: {{ansible_host: {host.address}}}}}}}\nrunner_hosts: {{hosts: {{{NAME}1: }}}}\n"
    )
    (folder / "group_vars" / "platform.yml").write_text(
        f"ansible_user: root\ntestbed_home: {host.home}\nansible_ssh_private_key_file: {host.key}\n"
        f"ansible_ssh_common_args: -o UserKnownHostsFile={host.known_hosts} -o IdentitiesOnly=yes\n"
        f"testbed_bootstrap_python: {sys._base_executable}\n"
        "testbed_pip_options: [--no-index, --no-deps]\n"
    )
    target = folder / "target.yml"
    target.write_text(target.read_text().replace("hosts: []", f"hosts: [{host.address}]"))
    password = folder.parent / "vault-password"
    password.write_text("the right one\n")
    vault = folder / "group_vars" / "all" / "vault.yml"
    vault.write_text(f"testbed_given_secrets: {{redis_password: {GIVEN}}}\n")
    subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "encrypt", "--vault-password-file", password, vault],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def as_image_has_it(host: hosts.SshHost) -> None:
    """A virtual environment whose packages are those of this one, but ours."""
    made = host.home / "venv"
    venv.create(made, with_pip=True, symlinks=True)
    site = made / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (site / "dependencies.pth").write_text(str(Path(pytest.__file__).parents[1]) + "\n")


@pytest.fixture(scope="module")
def opened(inventory: Path) -> Iterator[None]:
    before = os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
    os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = str(inventory.parent / "vault-password")
    yield
    if before is None:
        del os.environ["ANSIBLE_VAULT_PASSWORD_FILE"]
    else:
        os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = before


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("here") / "home")


Far = tuple[Home, Environment, hosts.SshHost, service.Up]


@pytest.fixture(scope="module")
def far(home: Home, inventory: Path, host: hosts.SshHost, opened: None) -> Iterator[Far]:
    as_image_has_it(host)
    done = service.up(home, NAME, source=str(inventory))
    yield home, home.env(NAME), host, done
    service.down(home, NAME, force=True)


def shared(home: Home) -> list[str]:
    """Folders of shared connections that were left, and who keeps one open."""
    begin = ssh.control_path(home.env(NAME).root)
    return [str(path) for path in begin.parent.glob(f"{begin.name}*")] + [
        text for pid in proc.pids() if begin.name in (text := command_line(pid))
    ]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("what", "word"),
    [("host", "does not answer"), ("known", "host's key"), ("vault", "vault")],
)
def test_what_is_wrong_with_the_way_there_is_said_and_nothing_is_written(  # noqa: PLR0917  (a fixture each)
    inventory: Path,
    host: hosts.SshHost,
    opened: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    word: str,
) -> None:
    mine = Path(shutil.copytree(inventory, tmp_path / "mine"))
    group = mine / "group_vars" / "platform.yml"
    if what == "host":
        replace(mine / "hosts.yml", host.address, host.address.rsplit(".", 1)[0] + ".253")
        group.write_text(group.read_text() + "ansible_timeout: 1\n")
    elif what == "known":
        (tmp_path / "other").write_text(f"{host.address} {host.key.with_suffix('.pub').read_text()}")
        replace(group, str(host.known_hosts), str(tmp_path / "other"))
    else:
        (tmp_path / "wrong").write_text("the wrong one\n")
        monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "wrong"))
    home = Home(tmp_path / "home")
    with pytest.raises(NotReady, match=word) as told:
        service.up(home, NAME, source=str(mine))
    assert told.value.exit_code == 2 and told.value.remedy
    assert {path.name for path in home.env(NAME).root.iterdir()} <= {"lease", "chaos"}
    assert service.status(home, NAME)["state"] == "absent"
    assert list(host.home.iterdir()) == [] and not shared(home)


def test_what_was_half_installed_on_a_host_goes_again(
    inventory: Path, host: hosts.SshHost, opened: None, tmp_path: Path
) -> None:
    """The modules of the removal need the testbed there; where it is not, nothing else can be."""
    mine = Path(shutil.copytree(inventory, tmp_path / "mine"))
    group = mine / "group_vars" / "platform.yml"
    group.write_text(group.read_text() + "testbed_requirements: [no-such-distribution]\n")
    home = Home(tmp_path / "home")
    with pytest.raises(NotReady, match="no-such-distribution"):
        service.up(home, NAME, source=str(mine))
    assert not host.home.exists() or list(host.home.iterdir()) == []
    assert service.down(home, NAME)
    assert {path.name for path in home.env(NAME).root.iterdir()} <= {"lease", "chaos"}
    host.home.mkdir(mode=0o700, exist_ok=True)


def test_up_provisions_the_host_and_keeps_a_copy_of_its_state(far: Far) -> None:
    _, environment, host, done = far
    assert (done.status["state"], done.status["kind"]) == ("ready", "remote")
    there = read_json(host.home / "env" / NAME / "state.json")
    here = read_json(environment.state)
    assert (there["kind"], here["kind"]) == ("local", "remote")
    assert there["services"] == here["services"] and there["env_id"] == here["env_id"]
    assert here["urls"]["api"].startswith(f"http://{host.address}:")
    running = processes.members(processes.ENV_MARK, here["env_id"])
    assert running and set(running) <= set(host.pids())


def test_clients_reach_the_platform_and_nobody_the_stores(far: Far) -> None:
    _, environment, host, _ = far
    ports = read_json(environment.state)["ports"]
    public = {f"{host.address}:{ports[name]}" for name in ("backend", "ingest")}
    listening = host.listeners()
    assert public <= listening
    ours = {line for line in listening if line.startswith(host.address) and not line.endswith(":22")}
    assert ours - public <= {f"{host.address}:{ports['web']}"}
    assert {f"127.0.0.1:{ports[name]}" for name in ("postgres", "redis", "supervisor")} <= listening


def test_the_given_secret_is_used_and_no_secret_is_seen(far: Far) -> None:
    _, environment, host, done = far
    assert (host.home / "env" / NAME / "secrets" / "redis_password").read_text() == GIVEN
    assert (environment.secrets / "redis_password").read_text() == GIVEN
    values = secrets.values(environment.secrets)
    texts = [json.dumps(done.status), environment.state.read_text()]
    texts += [path.read_text(errors="replace") for path in environment.logs.iterdir()]
    texts += [Path(f"/proc/{pid}/cmdline").read_text(errors="replace") for pid in host.pids()]
    assert [value for value in values for text in texts if value in text] == []


def test_a_second_controller_is_refused_and_changes_nothing(far: Far, inventory: Path, tmp_path: Path) -> None:
    """Its lease is another one: without a note on the host both would provision it."""
    home, _, _, _ = far
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    other = Home(tmp_path / "other")
    with pytest.raises(NotReady, match="another controller drives") as told:
        service.up(other, NAME, source=str(inventory))
    assert str(home.root) in told.value.what and "testbed_takeover" in str(told.value.remedy)
    assert {path.name for path in other.env(NAME).root.iterdir()} <= {"lease", "chaos"}
    shutil.copytree(home.env(NAME).root, other.env(NAME).root, dirs_exist_ok=True)  # one that drove it before
    with pytest.raises(NotReady, match="is driven from"):
        service.down(other, NAME)
    assert {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]} == before


def test_up_again_changes_nothing(far: Far) -> None:
    home, _, _, _ = far
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    again = service.up(home, NAME)
    assert again.changed == 0 and again.status["state"] == "ready"
    assert {item["name"]: item["pid"] for item in again.status["services"]} == before


def test_the_commands_work_as_they_do_here(far: Far) -> None:
    home, _, host, _ = far
    verified = service.verify(home, NAME)
    assert verified["ready"], [item for item in verified["operations"] if item["state"] == "failed"]
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    done = service.restart(home, NAME, "ingest")
    assert done["pid"] != before["ingest"] and done["pid"] in host.pids()
    lines = list(service.log(home, NAME, "backend", 20))
    assert lines and len(lines) <= 20
    followed = service.log(home, NAME, "redis", 1, follow=True)
    assert next(followed)
    followed.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while any("redis.log" in command_line(pid) for pid in host.pids()):  # Redis has nothing more to say
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(Exception, match="did you mean 'backend'"):
        service.log(home, NAME, "backnd", 5)
    service.require_ready(home, NAME)


def test_a_campaign_runs_against_it_and_nothing_is_lost(far: Far, tmp_path: Path) -> None:
    home, _, _, _ = far
    campaign = tmp_path / "short.yaml"
    campaign.write_text(
        "campaign: short\nenvironment: local\nseed: 7\ntimeout: 2m\nstages:\n"
        "  - {name: telemetry, suite: data, scenario: drill, duration: 3s}\n"
        "  - {name: audit, suite: data, action: audit, of: telemetry, needs: [telemetry], timeout: 1m}\n"
        "gates:\n  - audit.lost == 0 and audit.leaked == 0\n"
    )
    events = Testbed(home.root).events("run", str(campaign), "--env", NAME)
    assert events[-1]["type"] == "run.finished" and events[-1]["verdict"] == "passed"


def books(inventory: Path, home: Home, book: str, *, code: int = 0, **variables: str) -> str:
    extra = [f"--extra-vars={name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(ROOT / "playbooks" / book),
         f"--extra-vars=testbed_name={NAME}", *extra],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ | {"TESTBED_HOME": str(home.root)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_fault_on_the_host_ends_there_and_is_in_the_audit_log_here(far: Far, inventory: Path) -> None:
    home, _, _, _ = far
    assert "chaos playbooks" in Testbed(home.root).run("chaos", "run", "ingest-crash", "--env", NAME, code=2).stderr
    output = books(inventory, home, "chaos/inject.yml", chaos_fault="pause", chaos_target="ingest", chaos_ttl="4s")
    assert "processes stopped" in output
    paused = {item["name"]: item["reason"] for item in service.status(home, NAME)["services"]}["ingest"]
    assert paused is None or "paused" in paused  # reverted already on a slow machine
    deadline = time.monotonic() + 30
    while service.status(home, NAME)["state"] != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    books(inventory, home, "chaos/recover.yml")
    log = Testbed(home.root).json("chaos", "audit", "--env", NAME)["items"]
    told = [(item["action"], item["result"]) for item in log if item.get("host") == f"{NAME}1"]
    assert told[0] == ("inject", "planned") and ("revert", "REVERTED") in told


def test_services_are_restarted_one_by_one(far: Far, inventory: Path) -> None:
    home, _, _, _ = far
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"] if item["pid"]}
    output = books(inventory, home, "rolling-restart.yml")
    after = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"] if item["pid"]}
    assert not set(before.items()) & set(after.items()) and service.status(home, NAME)["state"] == "ready"
    told = re.findall(r'"service": "(\w+)"', output)
    assert told.index("postgres") < told.index("backend") and set(told) == set(before)


def test_down_leaves_nothing_on_the_host(far: Far) -> None:
    home, environment, host, _ = far
    recorded: dict[str, Any] = read_json(environment.state)
    assert service.down(home, NAME)
    assert processes.members(processes.ENV_MARK, recorded["env_id"]) == {}
    assert not host.home.exists() and not shared(home)
    assert [path for path in recorded["remote"]["outside"] if Path(path).exists()] == []
    assert {line for line in host.listeners() if not line.endswith(":22")} == set()
    assert {path.name for path in environment.root.iterdir()} <= {"lease", "chaos"}
    assert service.status(home, NAME)["state"] == "absent"
