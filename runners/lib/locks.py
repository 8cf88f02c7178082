"""Liveness by open-file-description locks: a lock held means that its process lives (fcntl(2), F_OFD_SETLK).

They belong to the open file description: a child may inherit one on purpose, the kernel frees it with its last
descriptor, and `held` asks without taking. Lock files are never renamed, unlinked or replaced. To hand a lock over,
*close* one's own copy; unlocking would take it from the child too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

_FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux: type, whence, start, length, pid


def open_lock(path: Path | str) -> int:
    """Open (and create) a lock file; the descriptor is not inherited."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(fd: int, *, shared: bool = False) -> bool:
    """Take the lock now or say False."""
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, 0, 0, 0, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def wait_lock(fd: int, *, shared: bool = False) -> None:
    """Take the lock, however long that takes."""
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, struct.pack(_FLOCK, kind, 0, 0, 0, 0))


def held(path: Path | str) -> bool:
    """Does anybody hold a lock on this file? A query: it can never make somebody's `try_lock` fail."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        reply = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0))
        return bool(struct.unpack(_FLOCK, reply)[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)
