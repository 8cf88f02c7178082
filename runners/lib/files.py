"""Files that are never half-written: write beside, sync, rename, sync the folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read_json(path: Path | str) -> Any | None:
    """The document, or None when the file is absent or not whole."""
    try:
        return json.loads(Path(path).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_json(path: Path | str, document: Any, *, sync: bool = True, tmp: str = ".tmp", mode: int = 0o600) -> None:
    """Replace the file by the document. Writers that may meet give a `tmp` suffix each.

    The temporary file is overwritten in place, so space that `reserve` put there is used: it fits on a full disk.
    """
    temporary = f"{path}{tmp}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        os.ftruncate(fd, _write_all(fd, json.dumps(document, ensure_ascii=False).encode()))
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)  # noqa: PTH104  (the temporary may be a str in a folder opened by descriptor)
    if sync:
        sync_folder(Path(path).parent)


def _write_all(fd: int, data: bytes) -> int:
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
    return done


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def reserve(path: Path | str, size: int) -> None:
    """Allocate `size` bytes now, so that a later write of at most that much cannot meet a full disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
    finally:
        os.close(fd)
