"""A held lock means that somebody lives; asking never takes."""

import os
import signal
import subprocess
import sys

from runners.lib.locks import held, open_lock, try_lock

_HOLD = "import sys; from runners.lib.locks import *; fd = open_lock(sys.argv[1]); print(try_lock(fd), flush=True); sys.stdin.read()"


def hold(path):
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"True\n"
    return process


def end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_lock_lives_and_dies_with_its_process(tmp_path):
    path = tmp_path / "lock"
    assert not held(path)
    process = hold(path)
    fd = open_lock(path)
    assert held(path) and not try_lock(fd) and not try_lock(fd, shared=True)
    os.kill(process.pid, signal.SIGKILL)
    end(process)
    assert not held(path) and try_lock(fd)
    os.close(fd)


def test_asking_takes_nothing(tmp_path):
    path = tmp_path / "lock"
    one, two = open_lock(path), open_lock(path)
    assert not held(path)
    assert try_lock(one)
    for _ in range(3):
        assert held(path)
    assert not try_lock(two)
    os.close(one)
    assert try_lock(two)
    os.close(two)


def test_shared_locks_live_together_but_not_with_an_exclusive_one(tmp_path):
    descriptors = [open_lock(tmp_path / "lock") for _ in range(3)]
    assert try_lock(descriptors[0], shared=True) and try_lock(descriptors[1], shared=True)
    assert not try_lock(descriptors[2])
    for fd in descriptors:
        os.close(fd)


def test_an_inherited_descriptor_keeps_the_lock_after_its_maker_closed_it(tmp_path):
    path = tmp_path / "lock"
    fd = open_lock(path)
    assert try_lock(fd)
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[fd]
    )
    os.close(fd)
    assert held(path)
    child.communicate()
    assert not held(path)
