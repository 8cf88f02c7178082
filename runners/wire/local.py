"""Sinks on this machine: a file of OTLP/JSON lines, one that keeps what is sent as it is, and one that keeps nothing.

A run that is killed, or meets a full disk, may leave half a record at the end of a file. It was never acknowledged; whoever
goes on with the file cuts it off first, for nothing that is written behind it could be read.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import cramjam

from runners.lib import locks
from runners.lib.errors import TestbedError
from runners.wire.otlp_json import to_json
from runners.wire.parcel import Answer, Parcel, Sink

_LINE, _FRAME = b'{"tenant":"', b"\x28\xb5\x2f\xfd"  # how a line begins, and a frame of Zstandard
_CHUNK = 1 << 16


class NullSink(Sink):
    """Accepts every parcel: what generating and encoding alone costs."""

    def send(self, parcel: Parcel) -> Answer:  # noqa: ARG002  (the shape of every sink)
        return Answer(200)

    def close(self) -> None:
        return


class FileSink(Sink):
    """Appends one line `{"tenant", "signal", "request": <OTLP/JSON>}` per parcel. May be shared between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = _open(path, _whole_lines)

    def send(self, parcel: Parcel) -> Answer:
        head = _LINE + f'{parcel.tenant}","signal":"{parcel.batch.signal}","request":'.encode()
        line = head + to_json(parcel.batch.signal, parcel.body) + b"}\n"
        with self._lock:
            _append(self._file, line, self._path)
        return Answer(200)

    def close(self) -> None:
        return


class CaptureSink(Sink):
    """Appends each request to FOLDER/TENANT/SIGNAL.otlp as it would be sent: its length in four bytes, big end first, then
    the protobuf in a frame of Zstandard. May be shared between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _make(folder)
        self._files: dict[Path, FileIO] = {}
        self._lock = threading.Lock()

    def send(self, parcel: Parcel) -> Answer:
        packed = bytes(cramjam.zstd.compress(parcel.body, 1))
        path = self._folder / parcel.tenant / f"{parcel.batch.signal}.otlp"
        with self._lock:
            if path not in self._files:
                _make(path.parent)
                self._files[path] = _open(path, _whole_records)
            _append(self._files[path], len(packed).to_bytes(4, "big") + packed, path)
        return Answer(200)

    def close(self) -> None:
        return


def captured(path: Path) -> Iterator[bytes]:
    """The requests of a file of a `CaptureSink`, in the order in which they came. Raises ValueError when one is damaged, or
    the last is cut off."""
    with path.open("rb") as file:
        while head := file.read(4):
            size = int.from_bytes(head, "big")
            packed = file.read(size)
            if len(head) < 4 or len(packed) < size:
                raise ValueError(f"{path}: the last request is cut off")
            try:
                yield bytes(cramjam.zstd.decompress(packed))
            except cramjam.DecompressionError:
                raise ValueError(f"{path}: a request is damaged") from None


def _whole_records(file: BinaryIO) -> int:
    """How much of a captured file is whole requests, in bytes. Raises ValueError when it is something else."""
    end, size = 0, os.fstat(file.fileno()).st_size
    while True:
        file.seek(end)
        head = file.read(4 + len(_FRAME))
        if not _FRAME.startswith(head[4:]) or (len(head) >= 4 and not any(head[:4])):
            raise ValueError
        after = end + 4 + int.from_bytes(head[:4], "big")
        if len(head) < 4 or after > size:
            return end
        end = after


def _whole_lines(file: BinaryIO) -> int:
    """How much of a file is whole lines, in bytes. Raises ValueError when what follows them is no line of a run."""
    size = start = file.seek(0, os.SEEK_END)
    tail = b""
    while start and b"\n" not in tail:
        start = max(0, start - _CHUNK)
        file.seek(start)
        tail = file.read(size - start)
    torn = tail[tail.rfind(b"\n") + 1 :]
    if not (torn.startswith(_LINE) or _LINE.startswith(torn)):
        raise ValueError
    return size - len(torn)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _open(path: Path, whole: Callable[[BinaryIO], int]) -> FileIO:
    """To append. whole: how many bytes of what is there can be read; the rest is cut off, unless another process (a shard,
    another run) is writing there: its last record may only seem to be torn."""
    try:
        file = path.open("a+b", buffering=0)  # what is acknowledged has left this process
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            if locks.try_lock(file.fileno()):
                with path.open("rb") as reader:
                    file.truncate(whole(reader))
            locks.wait_lock(file.fileno(), shared=True)
    except OSError as error:
        raise _unwritable(path, error) from None
    except ValueError:
        raise TestbedError(
            "it ends with what no run of this kind wrote: nothing that follows could be read", file=path,
            remedy="write somewhere else",
        ) from None  # fmt: skip
    return file


def _unwritable(path: Path, error: OSError) -> TestbedError:
    return TestbedError(f"cannot write: {error.strerror}", file=path, remedy="choose a path you may write")


def _append(file: FileIO, data: bytes, path: Path) -> None:
    try:
        if file.closed or file.write(data) != len(data):
            file.close()  # what another sender would write behind it could not be read
            raise OSError(errno.ENOSPC, "it was written in part only")
    except OSError as error:
        raise TestbedError(f"cannot write: {error.strerror}", file=path) from None
