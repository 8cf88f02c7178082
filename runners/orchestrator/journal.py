"""The only writer of one events.jsonl: contiguous `seq`, whole lines, repair of a torn end, honest on a full disk.

Readers consume up to the last newline and keep no half line, so a half line may be cut off at any time; a whole line
never, because somebody may have read it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EVENTS = "events.jsonl"
_TAIL = 1 << 20  # more than two lines of the greatest length
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(Exception):
    """written: so many events of the batch are in the file, whole; the others are not."""

    def __init__(self, written: int) -> None:
        super().__init__(f"disk full after {written} events")
        self.written = written


class Journal:
    """Appends event bodies to `<folder>/events.jsonl`, each behind a head of v, seq, run and stage.

    seq: number of the next event; size: bytes of whole lines; last: the last event found when it was opened, or None.
    Whoever opens one holds the lock of the run: there is never a second writer.
    """

    def __init__(self, folder: Path | str, run: str, stage: str | None = None) -> None:
        self._fd = os.open(f"{folder}/{EVENTS}", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._head = f',"run":{json.dumps(run)},' + (f'"stage":{json.dumps(stage)},' if stage else "")
        self.size, self.last = self._repair()
        self.seq = int(self.last["seq"]) + 1 if self.last else 0

    def _repair(self) -> tuple[int, dict[str, Any] | None]:
        """Cut a half line, and lines that a power cut left without their content; (size, last event)."""
        size = os.fstat(self._fd).st_size
        while size:
            start = max(0, size - _TAIL)
            tail = os.pread(self._fd, size - start, start)
            end = tail.rfind(b"\n") + 1
            begin = tail.rfind(b"\n", 0, end - 1) + 1 if end else 0
            try:
                event = json.loads(tail[begin:end])
                int(event["seq"])
            except (ValueError, KeyError, TypeError):
                size = start + (begin if end else 0)
                continue
            if end < len(tail) or size < os.fstat(self._fd).st_size:
                os.ftruncate(self._fd, start + end)
            return start + end, event
        os.ftruncate(self._fd, 0)
        return 0, None

    def append(self, bodies: Sequence[bytes], *, sync: bool = False) -> None:
        """Write the batch at once. bodies: non-empty JSON objects without v, seq, run, stage. Raises DiskFull."""
        lines = [
            f'{{"v":1,"seq":{self.seq + number}{self._head}'.encode() + item[1:] + b"\n"
            for number, item in enumerate(bodies)
        ]
        data = memoryview(b"".join(lines))
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            written = bytes(data[:done])
            whole, count = written.rfind(b"\n") + 1, written.count(b"\n")
            os.ftruncate(self._fd, self.size + whole)  # the half line only
            self.size += whole
            self.seq += count
            if error.errno in _FULL:
                raise DiskFull(count) from error
            raise
        self.size += done
        self.seq += len(bodies)
        if sync:
            self.sync()

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
