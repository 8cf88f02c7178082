"""Sinks on this machine: a file of OTLP/JSON lines, one that keeps what is sent as it is, and one that keeps nothing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import cramjam

from runners.lib.errors import TestbedError
from runners.wire.otlp_json import to_json
from runners.wire.parcel import Answer, Parcel


class NullSink:
    """Accepts every parcel: what generating and encoding alone costs."""

    def send(self, parcel: Parcel) -> Answer:  # noqa: ARG002  (the shape of every sink)
        return Answer(200)

    def close(self) -> None:
        return


class FileSink:
    """Appends one line `{"tenant", "signal", "request": <OTLP/JSON>}` per parcel. May be shared between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = _open(path)

    def send(self, parcel: Parcel) -> Answer:
        head = f'{{"tenant":"{parcel.tenant}","signal":"{parcel.batch.signal}","request":'.encode()
        line = head + to_json(parcel.batch.signal, parcel.body) + b"}\n"
        with self._lock:
            _append(self._file, line, self._path)
        return Answer(200)

    def close(self) -> None:
        return


class CaptureSink:
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
                self._files[path] = _open(path)
            _append(self._files[path], len(packed).to_bytes(4, "big") + packed, path)
        return Answer(200)

    def close(self) -> None:
        return


def captured(path: Path) -> Iterator[bytes]:
    """The requests of a file of a `CaptureSink`, in the order in which they came. Raises ValueError when one is cut off."""
    with path.open("rb") as file:
        while head := file.read(4):
            packed = file.read(int.from_bytes(head, "big"))
            try:
                yield bytes(cramjam.zstd.decompress(packed))
            except cramjam.DecompressionError:
                raise ValueError(f"{path}: the last request is cut off") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _open(path: Path) -> FileIO:
    try:
        return path.open("ab", buffering=0)  # what is acknowledged has left this process
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> TestbedError:
    return TestbedError(f"cannot write: {error.strerror}", file=path, remedy="choose a path you may write")


def _append(file: FileIO, data: bytes, path: Path) -> None:
    try:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, "it was written in part only")
    except OSError as error:
        raise TestbedError(f"cannot write: {error.strerror}", file=path) from None
