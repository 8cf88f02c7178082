"""What a testbed that was killed left running, and what belongs to one that lives."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.environment.provisioner import Provisioner
from runners.lib import proc
from runners.lib.home import Environment


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    found = Environment(tmp_path / "env" / "local")
    found.root.mkdir(parents=True)
    return found


@pytest.fixture
def ended() -> tuple[int, int]:
    """pid and start of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = proc.stat(process.pid)
    assert found is not None
    process.communicate()
    return process.pid, found.start


class Plays:
    """Playbooks of this environment, as processes with their temporary folder."""

    def __init__(self, environment: Environment) -> None:
        self._environment, self._processes = environment, list[subprocess.Popen[bytes]]()

    def start(self, folder: str) -> subprocess.Popen[bytes]:
        temporary = self._environment.root / folder / "tmp"
        temporary.mkdir(parents=True)
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(temporary)},
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline()
        self._processes.append(process)
        return process

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture
def plays(environment: Environment) -> Iterator[Plays]:
    found = Plays(environment)
    yield found
    found.end()


def test_playbooks_of_a_killed_testbed_end_also_those_that_only_look(
    environment: Environment, plays: Plays, ended: tuple[int, int]
) -> None:
    job, look = plays.start("job"), plays.start(f"look-{ended[0]}-{ended[1]}")
    Provisioner(environment, Path()).end_leftover()
    assert (job.wait(5), look.wait(5)) == (-9, -9)
    assert {path.name for path in environment.root.iterdir()} == {"job"}


def test_who_looks_and_lives_is_left_alone_until_what_it_looks_at_goes(environment: Environment, plays: Plays) -> None:
    mine = proc.stat(os.getpid())
    assert mine is not None
    look = plays.start(f"look-{os.getpid()}-{mine.start}")
    Provisioner(environment, Path()).end_leftover()
    assert look.poll() is None
    Provisioner(environment, Path()).end_leftover(lookers=True)
    assert look.wait(5) == -9 and list(environment.root.iterdir()) == []
