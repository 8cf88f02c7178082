"""Which docker and compose are spoken to, and what is said of those that will not do. The command is a stand-in that tells."""

from pathlib import Path

import pytest

from runners.environment import doctor
from runners.environment.containers import compose
from runners.environment.images import engine
from runners.lib.errors import NotReady


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that prints the variables that decide which engine it would speak to; nothing else is on PATH."""
    file = tmp_path / "docker"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return says(file, 'echo "$DOCKER_HOST $BUILDX_BUILDER"')


def says(file: Path, script: str) -> Path:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_images_are_built_on_the_engine_that_will_run_them(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever context or builder the user has chosen: the SDK knows neither."""
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    monkeypatch.setenv("BUILDX_BUILDER", "mine")
    assert engine._docker("version").stdout.split() == ["unix:///var/run/docker.sock", "default"]
    monkeypatch.setenv("DOCKER_HOST", "unix:///chosen.sock")
    assert engine._docker("version").stdout.split() == ["unix:///chosen.sock", "default"]


def test_doctor_looks_for_the_engine_where_up_does(docker: Path) -> None:
    says(docker, '[ "$DOCKER_HOST" = unix:///var/run/docker.sock ] && echo 26.1.5 || echo 99.9')
    assert doctor._docker() == (True, "engine 26.1.5")


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ("echo 19.03.15", "engine 19.03.15, older than 20.10"),
        ("echo 'permission denied while trying to connect' >&2; exit 1", "no permission to speak to its usual socket"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "no engine answers at its usual socket"),
    ],
)
def test_an_engine_that_will_not_do_is_told_with_the_remedy(docker: Path, said: str, detail: str) -> None:
    says(docker, said)
    there, found = doctor._docker()
    assert not there and found.startswith(detail)
    remedy = next(remedy for name, _, _, remedy in doctor._ALL if name == "docker")
    assert "20.10" in remedy and "join the group docker" in remedy


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ("echo \"docker: 'compose' is not a docker command.\" >&2; exit 1", "docker has no compose plugin"),
        # A docker without plugins prints its own help for `docker compose --project-name …`, and no remedy.
        ("echo 'Usage: docker [OPTIONS] COMMAND'; exit 0", "docker has no compose plugin"),
        ("echo 2.17.3", "the compose plugin is 2.17.3, older than 2.18"),
        ("echo v1.29.2", "the compose plugin is v1.29.2, older than 2.18"),
    ],
)
def test_a_compose_that_will_not_do_is_told_before_anything_is_made(docker: Path, said: str, detail: str) -> None:
    says(docker, said)
    assert compose.plugin() == (False, detail)
    with pytest.raises(NotReady, match=detail) as error:
        compose.require()
    assert "testbed doctor" in (error.value.remedy or "")


def test_a_compose_that_will_do(docker: Path) -> None:
    for version in ("2.18.0", "v2.40.3", "5.0.1"):
        says(docker, f"echo {version}")
        compose.require()


def test_no_docker_at_all(docker: Path) -> None:
    docker.unlink()
    with pytest.raises(NotReady, match="docker not on PATH"):
        compose.require()
