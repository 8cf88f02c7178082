"""Sinks on this machine: a file of OTLP/JSON lines, and one that takes everything and keeps nothing."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

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
        try:
            self._file = path.open("ab", buffering=0)  # what is acknowledged has left this process
        except OSError as error:
            raise TestbedError(
                f"cannot write: {error.strerror}", file=path, remedy="choose a path you may write"
            ) from None

    def send(self, parcel: Parcel) -> Answer:
        head = f'{{"tenant":"{parcel.tenant}","signal":"{parcel.batch.signal}","request":'.encode()
        line = head + to_json(parcel.batch.signal, parcel.body) + b"}\n"
        try:
            with self._lock:
                if self._file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, "the line was written in part only")
        except OSError as error:
            raise TestbedError(f"cannot write: {error.strerror}", file=self._path) from None
        return Answer(200)

    def close(self) -> None:
        return
