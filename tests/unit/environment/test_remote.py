"""What needs no host: errors explained, copies of state and secrets, the order of a rolling restart, wheels found."""

import shutil
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from runners.config.lookup import PROJECT
from runners.environment import inventory
from runners.environment.host import rolling, secrets
from runners.environment.provisioner import Provisioner
from runners.environment.recollect import recollect
from runners.environment.remote import mirror, ssh, wheels
from runners.environment.remote.provision import take_down
from runners.lib.errors import FileError, NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment

HOST = ssh.Host("platform1", ("ssh", "host"), "/home/t/venv/bin/python", "/home/t/env/remote")


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.", "known_hosts"),
        ("root@10.0.0.1: Permission denied (publickey).", "authorized_keys"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "ansible_host"),
        ("ssh: connect to host 10.0.0.1 port 22: No route to host", "ansible_host"),
        ("ssh: Could not resolve hostname nowhere: Name or service not known", "ansible_host"),
        ("ERROR! Decryption failed (no vault secrets were found that could decrypt)", "ANSIBLE_VAULT_PASSWORD_FILE"),
        ("ERROR! Attempting to decrypt but no vault secrets found", "ANSIBLE_VAULT_PASSWORD_FILE"),
        ("Missing sudo password", "ansible_become_password"),
        ("WARNING: UNPROTECTED PRIVATE KEY FILE!\nLoad key: bad permissions", "600"),
    ],
)
def test_what_ssh_and_ansible_complain_of_comes_with_a_remedy(said: str, word: str) -> None:
    problem = ssh.explain(said)
    assert problem is not None and word in problem.remedy
    error = HOST.failed(said)
    assert isinstance(error, NotReady) and error.exit_code == 2 and "platform1" in str(error)


def test_an_unknown_complaint_is_passed_on_with_the_command_to_try() -> None:
    error = HOST.failed("kex_exchange: something new")
    assert "something new" in str(error) and "ssh host" in str(error)


def test_an_environment_that_never_reached_its_host_cannot_be_asked() -> None:
    with pytest.raises(NotReady, match="never provisioned"):
        ssh.Host.of({"environment": "remote", "kind": "remote", "remote": {}})


def test_the_copy_says_remote_and_leaves_the_hosts_folders_to_the_host(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env" / "staging")
    assert mirror.intended(environment, tmp_path) and not mirror.intended(environment, tmp_path)
    assert mirror.untouched(environment)
    host: dict[str, Any] = {"environment": "x", "kind": "local", "state": "failed", "outside": ["/var/tmp/testbed-1"]}
    reach = {"host": "platform1", "ssh": ["ssh", "h"], "python": "/p", "environment": "/e"}
    how: dict[str, Any] = {"inventory": "/i", "target_file": "/i/target.yml", "remote": reach}
    assert mirror.keep_state(environment, host, {"failed_task": "t"}, **how)
    found = read_json(environment.state)
    assert (found["kind"], found["environment"], found["outside"]) == ("remote", "staging", [])
    assert found["remote"] == reach | {"outside": ["/var/tmp/testbed-1"]} and not mirror.untouched(environment)
    assert read_json(environment.failure) == {"failed_task": "t"}
    host["state"] = "provisioning"
    assert mirror.keep_state(environment, host, {"failed_task": "t"}, **how) and not environment.failure.exists()
    assert mirror.keep_state(environment, host, None, **how) is False
    environment.state.unlink()
    lost = recollect(environment)
    assert lost is not None and (lost["kind"], lost["inventory"]) == ("remote", "/i")
    assert lost["remote"]["ssh"] == ["ssh", "h"]


class _Away(Provisioner):
    """Its host does not answer."""

    def clear_away(self, keep: Collection[str] = ()) -> None:
        raise NotReady("ssh: connect to host 127.0.0.1 port 1: Connection refused")


def test_a_host_that_cannot_be_asked_is_not_said_to_be_empty(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env" / "staging")
    assert mirror.intended(environment, tmp_path)
    away = _Away(environment, tmp_path, remote=True)
    assert take_down(away, (), force=False) == "gone"  # nothing was ever put there
    host = {"host": "platform1", "ssh": ["ssh", "h"], "python": "/p", "environment": "/e"}
    state: dict[str, Any] = {"environment": "x", "kind": "local", "state": "ready"}
    mirror.intended(environment, tmp_path)
    mirror.keep_state(environment, state, None, inventory="/i", target_file="/i/target.yml", remote=host)
    with pytest.raises(NotReady, match="nothing was removed"):
        take_down(away, (), force=False)
    assert environment.state.exists()
    assert take_down(away, (), force=True) == "forgotten"
    assert not environment.state.exists()


def test_the_copied_secrets_are_private_and_no_more_than_the_hosts(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env" / "staging")
    assert sorted(mirror.keep_secrets(environment, {"a_password": "one", "b_password": "two"})) == [
        "a_password",
        "b_password",
    ]
    assert mirror.keep_secrets(environment, {"a_password": "one"}) == ["b_password"]
    assert [path.name for path in environment.secrets.iterdir()] == ["a_password"]
    assert stat.S_IMODE(environment.secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((environment.secrets / "a_password").stat().st_mode) == 0o600


def test_a_rolling_restart_goes_from_what_is_required_to_what_requires_it() -> None:
    services = [
        {"name": "web", "requires": ["backend"]}, {"name": "backend", "requires": ["postgres", "gone"]},
        {"name": "postgres", "requires": []},
    ]  # fmt: skip
    assert [item["name"] for item in rolling.plan(services, [])] == ["postgres", "backend", "web"]
    assert [item["name"] for item in rolling.plan(services, ["web", "postgres"])] == ["postgres", "web"]
    with pytest.raises(ValueError, match="no service 'wep'"):
        rolling.plan(services, ["wep"])


def test_wheels_are_taken_from_a_folder_and_missing_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "observastack_testbed-0.1.0-py3-none-any.whl").write_bytes(b"one")
    with pytest.raises(NotReady, match="no wheel of observastack "):
        wheels.gather(str(tmp_path), tmp_path, tmp_path / "cache")
    (tmp_path / "observastack-0.1.0-py3-none-any.whl").write_bytes(b"two")
    assert [path.name.partition("-")[0] for path in wheels.gather(str(tmp_path), tmp_path, tmp_path)] == [
        "observastack_testbed", "observastack",
    ]  # fmt: skip
    with pytest.raises(NotReady, match="is no checkout"):
        wheels.gather("build", tmp_path, tmp_path / "cache")


def test_the_sample_is_remote_and_one_host_carries_the_services(tmp_path: Path) -> None:
    sample = PROJECT / "inventories" / "remote"
    assert inventory.load(sample).kind == "remote"
    mine = Path(shutil.copytree(sample, tmp_path / "mine"))
    hosts = mine / "hosts.yml"
    hosts.write_text("platform: {hosts: {here: {ansible_connection: local}}}\n")
    assert inventory.load(mine).kind == "local"
    for text in ("platform: {hosts: {one: , two: }}\n", "platform: {hosts: {}}\n"):
        hosts.write_text(text)
        with pytest.raises(FileError, match="one host carries all services"):
            inventory.load(mine)


def test_given_secrets_win_and_the_rest_is_generated(tmp_path: Path) -> None:
    folder, given = tmp_path / "secrets", {"redis_password": "given by somebody"}
    assert "redis_password" in secrets.generate(folder, ["redis", "postgres"], {"acme": "Acme"}, given=given)
    assert (folder / "redis_password").read_text() == "given by somebody"
    assert len((folder / "postgres_password").read_text()) == 32
    assert secrets.lacking(folder, ["redis", "postgres"], {"acme": "Acme"}, given=given) == []
    other = {"redis_password": "another one"}
    (lack,) = secrets.lacking(folder, ["redis", "postgres"], {"acme": "Acme"}, given=other)
    assert (lack.kind, Path(lack.path).name) == ("value", "redis_password") and lack.expected != "another one"
