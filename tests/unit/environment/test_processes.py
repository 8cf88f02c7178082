"""Processes of an environment are found and ended, with descendants that lost the mark; shared memory goes too."""

import contextlib
import ctypes
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.environment.host import processes
from runners.lib import proc

SPAWN = (
    "import subprocess, sys, time; subprocess.Popen(['sleep', '600'], env={}); print('up', flush=True); time.sleep(600)"
)


def wait_for(condition: Callable[[], object], patience_s: float = 10) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


@pytest.fixture
def mark() -> Iterator[str]:
    value = uuid.uuid4().hex
    yield value
    proc.sweep(processes.ENV_MARK, value)


def test_a_descendant_without_the_mark_is_found_and_ended(mark: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", SPAWN], env={**os.environ, processes.ENV_MARK: mark}, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None and parent.stdout.readline() == b"up\n"
    wait_for(lambda: len(processes.members(processes.ENV_MARK, mark)) == 2)
    found = processes.members(processes.ENV_MARK, mark)
    assert processes.end_all(processes.ENV_MARK, mark) == 2
    assert not processes.alive(found)
    parent.wait()
    parent.stdout.close()


def test_nobody_is_no_error(mark: str) -> None:
    assert processes.end_all(processes.ENV_MARK, mark) == 0
    assert processes.end_environment({}, patience_s=1) == {"changed": False, "killed": 0}


def test_shared_memory_is_removed_only_when_nobody_is_attached(tmp_path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(0, 4096, 0o600)
    assert segment >= 0
    try:
        address = libc.shmat(segment, None, 0)
        assert processes.remove_shared_memory([segment]) == []
        libc.shmdt(ctypes.c_void_p(address))
        assert processes.remove_shared_memory([segment]) == [segment]
    finally:
        with contextlib.suppress(OSError):
            libc.shmctl(segment, processes.IPC_RMID, None)


def test_the_segment_is_read_from_the_seventh_line(tmp_path: Path) -> None:
    assert processes.shared_memory_of(tmp_path) is None
    lines = ["123", "/data", "1700000000", "5432", "", "127.0.0.1", "  5432001    163840", "ready"]
    (tmp_path / "postmaster.pid").write_text("\n".join(lines))
    assert processes.shared_memory_of(tmp_path) == 163840


def test_a_segment_is_known_by_its_directory_without_a_pid_file(tmp_path: Path) -> None:
    """As of a server that was killed before it wrote one: PostgreSQL's key is the directory's inode."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = tmp_path.stat().st_ino & 0xFFFFFFFF
    segment = libc.shmget(ctypes.c_int32(key).value, 4096, 0o1600)
    assert segment >= 0
    try:
        assert processes.shared_memory_of(tmp_path) is None
        assert processes.segments_of(tmp_path) == {segment}
        assert processes.segments_of(tmp_path / "other") == set()
    finally:
        assert processes.remove_shared_memory([segment]) == [segment]
