"""Keycloak on this machine: found by its script, an instance with data of its own, started without the script."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.environment.host import keycloak
from runners.environment.host.binaries import Binary, Broken


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What a distribution looks like from outside."""
    home = tmp_path / "keycloak-9.8.7"
    for folder in ("bin", "conf", "lib", "providers", "themes"):
        (home / folder).mkdir(parents=True)
    (home / "lib" / "quarkus-run.jar").touch()
    (home / "version.txt").write_text("Keycloak - Version 9.8.7\n")
    (home / "bin" / "kc.sh").write_text("#!/bin/sh\n")
    (home / "bin" / "kc.sh").chmod(0o755)
    return home


@pytest.fixture
def realm(tmp_path: Path) -> Path:
    file = tmp_path / "realm.json"
    file.write_text('{"realm": "observastack"}')
    return file


def test_a_script_belongs_to_its_own_distribution(home: Path) -> None:
    assert keycloak.home_of(home / "bin" / "kc.sh") == home


def test_a_link_and_a_wrapper_lead_to_the_distribution(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home / "bin" / "kc.sh")
    (tmp_path / "wrapper").write_text(f'#!/bin/sh\nexec "{home}/bin/kc.sh" "$@"\n')
    assert keycloak.home_of(tmp_path / "link") == home
    assert keycloak.home_of(tmp_path / "wrapper") == home


def test_a_script_of_something_else_is_none(tmp_path: Path) -> None:
    (tmp_path / "kc.sh").write_text('#!/bin/sh\nexec "/nowhere/bin/kc.sh"\n')
    assert keycloak.home_of(tmp_path / "kc.sh") is None
    assert keycloak.home_of(tmp_path / "absent") is None


def test_the_folder_that_the_user_names_comes_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java" / "java"
    java.parent.mkdir()
    java.touch(0o755)
    monkeypatch.setenv("TESTBED_BIN_DIR", str(home / "bin"))
    monkeypatch.setenv("PATH", str(java.parent))
    found = keycloak.find()
    assert isinstance(found, Binary)
    assert (found.version, found.program, found.chosen) == ("9.8.7", "kc.sh", True)
    java.unlink()
    assert keycloak.find() == Broken(home / "bin" / "kc.sh", "there is no java on PATH")
    monkeypatch.setenv("TESTBED_BIN_DIR", "")
    assert keycloak.find() is None


def test_an_instance_only_reads_the_distribution(home: Path, realm: Path, tmp_path: Path) -> None:
    before = sorted(home.rglob("*"))
    own = keycloak.instance(home, tmp_path / "data", realm)
    assert sorted(home.rglob("*")) == before
    assert own.stat().st_mode & 0o777 == 0o700
    assert (own / "lib").resolve() == home / "lib"
    assert (own / "data" / "import" / "observastack-realm.json").read_text() == realm.read_text()
    assert keycloak.instance(home, tmp_path / "data", realm) == own


def test_another_realm_is_another_instance(home: Path, realm: Path, tmp_path: Path) -> None:
    """Keycloak imports a realm only where there is none."""
    first = keycloak.instance(home, tmp_path / "data", realm)
    realm.write_text('{"realm": "observastack", "users": []}')
    assert keycloak.instance(home, tmp_path / "data", realm) != first


def test_the_server_is_the_jvm_itself_on_loopback_alone(home: Path, realm: Path, tmp_path: Path) -> None:
    own = keycloak.instance(home, tmp_path / "data", realm)
    command = keycloak.command(home, own, tmp_path / "keycloak.conf")
    assert command[0] == "java"
    assert not any("kc.sh" in part for part in command)
    assert {"--cache=local", "--optimized", "--import-realm"} <= set(command)
    assert f"-Dkc.home.dir={own}" in command


def test_the_role_is_told_the_command_and_whether_it_is_new(
    home: Path, realm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java" / "java"
    java.parent.mkdir()
    java.touch(0o755)
    monkeypatch.setenv("PATH", str(java.parent))
    arguments = [
        f"--script={home}/bin/kc.sh", f"--folder={tmp_path}/data", f"--realm={realm}", f"--configuration={tmp_path}/c",
    ]  # fmt: skip
    for last in ("made", "found"):
        assert keycloak.main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert (lines[0], lines[-1]) == (str(java), last)
    assert keycloak.main(["--script=/nowhere", *arguments[1:]]) == 2
    assert "belongs to no Keycloak" in capsys.readouterr().err
