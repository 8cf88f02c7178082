"""A removal that needs neither Ansible nor a whole state.json, and leaves only what it may not remove."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.environment.host import processes, removal
from runners.environment.recollect import recollect
from runners.lib import proc
from runners.lib.home import Environment


@pytest.fixture
def env_id() -> Iterator[str]:
    value = str(uuid.uuid4())
    yield value
    proc.sweep(processes.ENV_MARK, value)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """With a file in each folder, and locks that stay."""
    found = Environment(tmp_path / "env" / "local")
    for folder in (found.config, found.data / "redis", found.secrets, found.logs, found.journal):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    found.lease.touch()
    found.halted.touch()
    (found.chaos / "lock").touch()
    return found


def names(environment: Environment) -> set[str]:
    return {str(path.relative_to(environment.root)) for path in environment.root.rglob("*")}


def test_all_goes_but_locks_and_the_lever(environment: Environment, env_id: str) -> None:
    environment.state.write_text(json.dumps({"env_id": env_id}))
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, processes.ENV_MARK: env_id})
    assert removal.by_hand(environment, {"env_id": env_id}) == []
    assert process.wait(5) == -9
    assert names(environment) == {"lease", "chaos", "chaos/HALTED", "chaos/lock"}


def test_what_shall_stay_stays(environment: Environment, env_id: str) -> None:
    environment.state.write_text(json.dumps({"env_id": env_id}))
    assert removal.by_hand(environment, {"env_id": env_id}, ("data", "secrets", "state.json")) == []
    assert names(environment) >= {"data/redis/file", "secrets/file", "state.json"}
    assert not environment.config.exists() and not environment.logs.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is in root's way")
def test_what_cannot_be_removed_is_named_and_the_rest_goes(environment: Environment) -> None:
    environment.state.write_text("{}")
    environment.config.chmod(0o500)
    try:
        stuck = removal.by_hand(environment, {})
        assert [item.partition(":")[0] for item in stuck] == [str(environment.config / "file")]
        assert names(environment) >= {"config/file", "state.json"}
        assert not environment.data.exists() and not environment.secrets.exists()
    finally:
        environment.config.chmod(0o700)


@pytest.mark.parametrize("state", [None, '{"kind": "local", "env_'])
def test_a_lost_state_is_recollected_from_the_configuration(
    environment: Environment, env_id: str, state: str | None
) -> None:
    if state is not None:
        environment.state.write_text(state)
    assert recollect(environment) is None
    (environment.config / "supervisord.conf").write_text(f"[supervisord]\nidentifier=testbed-{env_id}\n")
    found = recollect(environment)
    assert found is not None and (found["env_id"], found["outside"]) == (env_id, [])


def test_without_configuration_from_the_process_that_was_started_with_it(environment: Environment, env_id: str) -> None:
    program = "import sys, time; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(environment.config / "supervisord.conf")],
        env={**os.environ, processes.ENV_MARK: env_id}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    found = recollect(environment)
    assert found is not None and found["env_id"] == env_id
    assert removal.by_hand(environment, found) == []
    assert process.wait(5) == -9
    process.stdout.close()


def test_an_environment_of_containers_is_recollected_from_what_compose_was_told(
    environment: Environment, env_id: str
) -> None:
    (environment.config / "compose.env").write_text(f"A='1'\nTESTBED_ENV_ID='{env_id}'\n")
    found = recollect(environment)
    assert found is not None and (found["kind"], found["env_id"]) == ("compose", env_id)
    assert found["engine"]["project"] == f"testbed-local-{env_id[:8]}"
