"""Inventories are checked before anything starts: file, line, nearest name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runners.config.lookup import PROJECT
from runners.environment import inventory
from runners.lib.errors import FileError

SHIPPED = PROJECT / "inventories" / "local"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "mine"))


def change(path: Path, old: str, new: str) -> int:
    """Returns the line of the change."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_shipped_inventory_is_sound() -> None:
    found = inventory.load(inventory.find("local"))
    assert found.kind == "local" and found.catalogue is not None
    assert found.catalogue.ports == {
        "postgres": 5432, "redis": 6379, "backend": 8000, "ingest": 4318, "web": 3000, "prometheus": 9090, "loki": 3100,
        "loki_grpc": 9095, "tempo": 3200, "tempo_grpc": 9096, "tempo_otlp": 4317, "alertmanager": 9093, "keycloak": 8080,
        "keycloak_management": 9000, "supervisor": 9001,
    }  # fmt: skip


def test_a_wrong_name_gets_the_nearest_one() -> None:
    with pytest.raises(FileError, match="did you mean 'local'"):
        inventory.find("locl")


def test_an_unknown_key_of_a_service_is_named_with_its_line(copy: Path) -> None:
    services = copy / "group_vars/all/services.yml"
    line = change(services, "    requires: [postgres, redis]", "    require: [postgres, redis]")
    with pytest.raises(FileError) as caught:
        inventory.load(copy)
    assert (caught.value.file, caught.value.line) == (str(services), line)
    assert "did you mean 'requires'" in str(caught.value)


def test_a_requirement_that_does_not_exist_is_refused(copy: Path) -> None:
    change(copy / "group_vars/all/services.yml", "requires: [postgres, redis]", "requires: [postgress]")
    with pytest.raises(FileError, match="'postgress', which is not in the catalogue"):
        inventory.load(copy)


def test_hosts_need_the_platform_group(copy: Path) -> None:
    change(copy / "hosts.yml", "platform:", "plattform:")
    with pytest.raises(FileError, match="neither the group 'platform' nor 'engine'"):
        inventory.load(copy)


def test_an_inventory_without_target_is_refused(copy: Path) -> None:
    (copy / "target.yml").unlink()
    with pytest.raises(FileError, match="no such file"):
        inventory.load(copy)


def test_a_target_alone_is_external(copy: Path) -> None:
    (copy / "hosts.yml").unlink()
    assert inventory.load(copy).kind == "external"


def test_an_unknown_service_gets_the_nearest_one() -> None:
    catalogue = inventory.load(SHIPPED).catalogue
    assert catalogue is not None
    with pytest.raises(FileError, match="did you mean 'postgres'"):
        inventory.chosen(catalogue, ("postgers",), SHIPPED)


def test_an_environment_of_another_name_is_made_from_the_local_inventory() -> None:
    assert inventory.of_environment("blue") == inventory.find("local")
    assert inventory.of_environment("local") == inventory.find("local")
    with pytest.raises(FileError, match="--inventory local"):
        inventory.of_environment("locl")


@pytest.mark.parametrize("configuration", ["ansible.cfg", "playbooks/ansible.cfg"])
def test_what_is_under_test_is_no_inventory_of_hosts(configuration: str) -> None:
    """Profiles lie beside hosts.yml: read as inventories, each of their keys would be a group."""
    shipped = [argument for name in inventory.names() for argument in ("-i", str(PROJECT / "inventories" / name))]
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), *shipped, "--list"], capture_output=True, text=True,
        check=True, cwd=PROJECT, env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / configuration)},
    )  # fmt: skip
    assert set(json.loads(done.stdout)) <= {
        "_meta", "all", "ungrouped", "platform", "engine", "runner_hosts", "load_workers",
    }  # fmt: skip
    assert "WARNING" not in done.stderr
