"""Server binaries: the user's own folder first, and the version that an existing data directory needs."""

from pathlib import Path

import pytest

from runners.environment.host import binaries


@pytest.fixture
def installations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PostgreSQL 17.2 in TESTBED_BIN_DIR, 15.9 on PATH, nothing else."""
    for name, version in (("own", "17.2"), ("path", "15.9 (Debian 15.9-0+deb12u1)")):
        folder = tmp_path / name
        folder.mkdir()
        for program in ("postgres", "initdb"):
            (folder / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
            (folder / program).chmod(0o755)
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path / "own"))
    monkeypatch.setattr(binaries.shutil, "which", lambda name, path=None: str(tmp_path / "path" / name))
    monkeypatch.setattr(binaries.Path, "glob", lambda self, pattern: iter(()))
    return tmp_path


def test_the_users_own_folder_wins(installations: Path) -> None:
    found = binaries.postgres()
    assert found is not None and (found.version, found.folder) == ("17.2", installations / "own")


def test_existing_data_is_served_by_its_own_major_version(installations: Path) -> None:
    found = binaries.postgres("15")
    assert found is not None and (found.version, found.folder) == ("15.9", installations / "path")


def test_a_program_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    broken = tmp_path / "postgres"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert binaries.version_of(broken) is None
    assert binaries.version_of(tmp_path / "absent") is None


def program(folder: Path, name: str, says: str, *, more: bytes = b"") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(f"#!/bin/sh\necho '{says}'\nexit 0\n".encode() + more)
    file.chmod(0o755)
    return file


def test_another_program_of_that_name_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "debian", "loki", "loki 2.4 linkage analysis")
    monkeypatch.setenv("TESTBED_BIN_DIR", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'debian'}:/usr/bin:/bin")
    assert binaries.server(["loki"]) is None
    own = program(tmp_path / "own", "loki", "loki, version 3.7.8 (branch: x)\n  go version: go1.26.8")
    monkeypatch.setenv("TESTBED_BIN_DIR", str(own.parent))
    found = binaries.server(["loki"])
    assert isinstance(found, binaries.Binary)
    assert (found.version, found.folder, found.program, found.chosen) == ("3.7.8", own.parent, "loki", True)


@pytest.mark.parametrize(
    ("module", "version"),
    [("grafana/tempo\tv1.5.0", "1.5.0"), ("grafana/loki/v3\tv3.7.8", "3.7.8"),
     ("prometheus/prometheus\tv0.316.0", "3.16.0"), ("prometheus/alertmanager\tv0.34.2", "0.34.2")],
)  # fmt: skip
def test_a_program_that_was_built_without_its_version_tells_it_by_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, version: str
) -> None:
    info = f"\npath\tx\nmod\tgithub.com/{module}\t\ndep\tgithub.com/prometheus/prometheus\tv1.8.2\n".encode()
    program(tmp_path, "tempo", "tempo, version  (branch: , revision: )\n  go version: go1.26.8", more=info)
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path))
    found = binaries.server(["tempo"])
    assert isinstance(found, binaries.Binary) and found.version == version


def test_the_first_name_that_is_there_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "prometheus-alertmanager", "alertmanager, version 0.25.0")
    monkeypatch.setenv("TESTBED_BIN_DIR", "")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    found = binaries.server(["alertmanager", "prometheus-alertmanager"])
    assert isinstance(found, binaries.Binary) and (found.program, found.chosen) == ("prometheus-alertmanager", False)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo >&2; echo 'error while loading shared libraries: libx.so.1' >&2; exit 127",
         "error while loading shared libraries: libx.so.1 (exit status 127)"),
        ("exit 1", "--version ended with exit status 1"),
        ("kill -11 $$", "--version ended with signal 11"),
    ],
)  # fmt: skip
def test_a_program_that_is_there_and_does_not_run_is_broken_and_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    broken = program(tmp_path / "own", "tempo", "")
    broken.write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("TESTBED_BIN_DIR", str(broken.parent))
    monkeypatch.setenv("PATH", "/bin")
    assert binaries.server(["tempo"]) == binaries.Broken(broken, why)
    good = program(tmp_path / "path", "tempo", "tempo, version 2.1.0")
    monkeypatch.setenv("PATH", f"{good.parent}:/bin")
    found = binaries.server(["tempo"])
    assert isinstance(found, binaries.Binary) and found.folder == good.parent


def test_what_is_no_program_of_this_machine_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = program(tmp_path, "tempo", "")
    file.write_bytes(b"\x7fELF of another machine")
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", "/bin")
    assert str(binaries.server(["tempo"])) == f"{file} is broken: Exec format error"
