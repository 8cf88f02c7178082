"""The launcher: log, privileges, death with the parent."""

import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runners.environment.host import launch
from runners.lib import proc

LAUNCH = [sys.executable, "-I", "-S", str(Path(launch.__file__))]


def test_output_goes_to_a_private_log(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    done = subprocess.run([*LAUNCH, "--log", str(log), "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
    assert done.returncode == 3
    assert sorted(log.read_text().splitlines()) == ["err", "out"]
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_service_carries_what_its_configuration_was_when_it_started(tmp_path: Path) -> None:
    first, rules = tmp_path / "a[1].conf", tmp_path / "rules-1.yml"
    first.write_text("one")
    rules.write_text("two")
    patterns = [str(first), str(tmp_path / "rules-*.yml"), str(tmp_path / "gone")]
    known = launch.fingerprint(patterns)
    files = [part for pattern in patterns for part in ("--file", pattern)]
    log = tmp_path / "log"
    subprocess.run([*LAUNCH, *files, "--log", str(log), "--", "/usr/bin/env"])
    assert f"{launch.HASH}={known}" in log.read_text().splitlines()
    assert len(known) == 3 * 16
    first.write_text("other")
    assert launch.fingerprint(patterns) != known


def test_a_missing_program_is_said_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    assert subprocess.run([*LAUNCH, "--log", str(log), "--", "/nonexistent"]).returncode == 127
    assert "No such file" in log.read_text()


def test_a_child_of_somebody_else_does_not_start(tmp_path: Path) -> None:
    environ = {**os.environ, launch.PARENT: "1"}
    done = subprocess.run([*LAUNCH, "--", "/bin/sh", "-c", f"touch {tmp_path}/started"], env=environ)
    assert done.returncode == launch.EXIT_ORPHAN
    assert not (tmp_path / "started").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_death_of_the_parent_reaches_a_service_that_dropped_privileges() -> None:
    """Changing credentials clears PR_SET_PDEATHSIG, so it must be asked for afterwards."""
    program = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGQUIT, signal.SIG_IGN)\n"  # as a shell's background job has it
        f"child = subprocess.Popen({[*LAUNCH, '--user', 'nobody', '--signal', 'QUIT', '--', '/bin/sleep', '600']!r})\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    deadline = time.monotonic() + 10
    while b"/bin/sleep" not in Path(f"/proc/{pid}/cmdline").read_bytes()[:11]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while (found := proc.stat(pid)) is not None and found.alive:
        assert time.monotonic() < deadline, "the service outlived its parent"
        time.sleep(0.01)
