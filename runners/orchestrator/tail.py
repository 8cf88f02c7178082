"""Follow an event file that somebody else appends to: whole lines only, and no half line is kept between two looks."""

from __future__ import annotations

import json
import os
from pathlib import Path

from runners.events import Event

_CHUNK = 1 << 20


class Tail:
    """offset: bytes of whole lines consumed so far. The half line at the end may still be cut off by a repair."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset = path, offset
        self._fd: int | None = None

    def lines(self, limit: int = 1 << 30) -> list[bytes]:
        """At most about `limit` whole lines that are new since the last look, without their newlines."""
        if self._fd is None:
            try:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return []
        found: list[bytes] = []
        while len(found) < limit:
            data = os.pread(self._fd, _CHUNK, self.offset)
            end = data.rfind(b"\n") + 1
            if not end:
                break
            found += data[: end - 1].split(b"\n")
            self.offset += end
        return found

    def read(self, limit: int = 1 << 30) -> list[Event]:
        """As `lines`, parsed."""
        return [json.loads(line) for line in self.lines(limit)]

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
