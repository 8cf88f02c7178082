"""Files that are never half-written: write beside, sync, rename, sync the folder."""

from __future__ import annotations

import json
import os
import pwd
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


def write_text(path: Path, text: str, *, mode: int = 0o600, owner: str | None = None) -> None:
    """Replace the file by the text, in UTF-8: a reader sees the old one or the new one. owner: a user's name; its group comes along."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # of a writer that was killed; or a link, laid by the user whose folder this is
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(fd, mode)
            if owner:
                account = pwd.getpwnam(owner)
                os.fchown(fd, account.pw_uid, account.pw_gid)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
