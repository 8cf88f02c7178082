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
