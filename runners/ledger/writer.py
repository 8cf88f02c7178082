"""Writing a ledger: a row before each attempt, its outcome afterwards."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Self

from runners.ledger.attempt import OUTCOME_OFFSET, ROW_BYTES, Attempt, Settled, pack, pack_outcome
from runners.ledger.header import ROWS, SCENARIO, Header
from runners.ledger.items import Signal
from runners.ledger.reader import read_rows
from runners.ledger.refusals import Refusals, read_own
from runners.lib import locks
from runners.lib.errors import NotReady, TestbedError


class LedgerWriter:
    """Thread-safe. A row that `begin` could not write whole was never sent: the error comes before the request.

    It holds the rows locked until `close`, or its process's end: `reader.being_written` asks for that.
    """

    def __init__(self, folder: Path, header: Header, scenario: bytes) -> None:
        """folder: made if absent; a folder that holds a ledger already is refused."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        try:
            self._fd = os.open(folder / ROWS, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise TestbedError(f"{folder} holds a ledger already", remedy="give each run a folder of its own") from None
        locks.try_lock(self._fd)
        (folder / SCENARIO).write_bytes(scenario)
        header.write(folder)
        self._refusals = Refusals(folder)
        self._rows = 0
        self._closed = False
        self._lock = threading.Lock()

    @classmethod
    def reopen(cls, folder: Path) -> Self:
        """Go on with a ledger whose generator is gone; a torn row at its end was never sent and is dropped. Raises NotReady
        when it is still being written, or damaged."""
        found = cls.__new__(cls)
        found.folder = folder
        try:
            found._fd = os.open(folder / ROWS, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NotReady(f"the ledger cannot be opened: {error.strerror}", file=folder / ROWS) from None
        if not locks.try_lock(found._fd):
            os.close(found._fd)
            raise NotReady("the run is still writing this ledger", file=folder / ROWS, remedy="stop it, or let it end")
        found._rows = sum(1 for _ in read_rows(folder / ROWS))
        os.ftruncate(found._fd, found._rows * ROW_BYTES)
        found._refusals = Refusals(folder, read_own(folder))
        found._closed = False
        found._lock = threading.Lock()
        return found

    def begin(self, attempt: Attempt) -> int:
        """Write the row of an attempt that is about to be sent; returns its number. Raises TestbedError (disk full)."""
        data = pack(attempt)
        with self._lock:
            row = self._rows
            self._write(data, row * ROW_BYTES)
            self._rows += 1
        return row

    def settle(self, row: int, settled: Settled) -> None:
        """Write what became of row `row`."""
        data = pack_outcome(row, settled)
        with self._lock:
            self._write(data, row * ROW_BYTES + OUTCOME_OFFSET)

    def note(self, sink: int, signal: Signal, status: int, text: str) -> None:
        """What was said of a request that was not taken. sink: its number."""
        self._refusals.add(sink, signal, status, text, time.time())

    def close(self) -> None:
        """Make all rows durable. A sender that is still waiting for an answer can no longer write one: unknown."""
        self._refusals.flush()
        with self._lock:
            os.fsync(self._fd)
            os.close(self._fd)
            self._closed = True

    def _write(self, data: bytes, offset: int) -> None:
        if self._closed:
            raise TestbedError("the ledger is closed", file=self.folder / ROWS)
        try:
            done = os.pwrite(self._fd, data, offset)
        except OSError as error:
            raise TestbedError(f"the ledger cannot be written: {error}", file=self.folder / ROWS) from None
        if done != len(data):
            raise TestbedError("the ledger cannot be written: the disk is full", file=self.folder / ROWS)
