"""One stage run as its coordinator sees it: its files, its lock, its events. All of it can be computed anew."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

from runners.events import body
from runners.lib import locks, proc
from runners.lib.files import read_json, write_json
from runners.lib.text import one_line
from runners.orchestrator.crashpoints import point
from runners.orchestrator.facts import Facts
from runners.orchestrator.journal import EVENTS, DiskFull, Journal
from runners.orchestrator.starting import request_cancel, send_order, signal_shim, start_shim
from runners.orchestrator.tail import Tail

Standing = Literal["absent", "live", "over", "dead"]
HUNG_S = 5.0  # a shim that does nothing for so long after its grace is killed


def last_line(log: Path) -> str:
    """Of a process's log: usually the exception that ended it."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "it left no log"
    return one_line(next((line for line in reversed(lines) if line.strip()), "its log is empty"), 300)


class Attempt:
    """folder: of the stage run. facts: what its events added up to at the last `read`."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder, self.stage = folder, stage
        self.run = folder.name
        self.facts = Facts()
        self._tail = Tail(folder / EVENTS)
        self._lock: int | None = None
        self._swept = False
        self._asked_at: float | None = None
        self._stopped_at: float | None = None

    def read(self) -> None:
        for event in self._tail.read():
            self.facts.take(event)

    def standing(self, *, foreign_boot: bool) -> Standing:
        """absent, live, over or dead. All but live leave us holding its lock, so that nobody else can be there.

        foreign_boot: it was started before the machine was.
        """
        if self._lock is None:
            if not self.folder.is_dir():
                return "absent"
            self._lock = locks.open_lock(self.folder / "shim.lock")
        if not locks.try_lock(self._lock):
            return "live"
        if (self.folder / "exit.json").exists():
            return "over"
        return "dead" if foreign_boot or (self.folder / "started").exists() else "absent"

    def prepare(self, spec: dict[str, Any]) -> None:
        """Folder and spec.json, before it is said that the stage starts."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        write_json(self.folder / "spec.json", spec, sync=False)

    def start(self) -> None:
        """Hand the lock to a new shim."""
        self.release()
        start_shim(self.folder, self.run)

    @property
    def up(self) -> bool:
        """Has its shim come as far as its handlers?"""
        return (self.folder / "pid.json").exists()

    def ask_to_stop(self, patience_s: float) -> None:
        """In good order, through the control socket; kill a shim that does not react at all."""
        now = time.monotonic()
        if self._stopped_at is None:
            if send_order(self.folder, "stop"):
                self._stopped_at = now
        elif now > self._stopped_at + patience_s + HUNG_S:
            signal_shim(self.folder, signal.SIGKILL)

    def ask_to_end(self, grace: float, reason: str | None) -> None:
        """The request file first, then SIGTERM, then, if the shim itself hangs, SIGKILL: the sweep does its work."""
        now = time.monotonic()
        found = read_json(self.folder / "cancel")
        if not isinstance(found, dict) or float(found.get("grace", grace)) > grace:
            request_cancel(self.folder, grace, reason)
            self._asked_at = None
        if self._asked_at is None:
            self._asked_at = now
            signal_shim(self.folder, signal.SIGTERM)
        elif now > self._asked_at + grace + HUNG_S:
            signal_shim(self.folder, signal.SIGKILL)

    def kill(self) -> None:
        """A shim that has outlived the time limit it should have kept."""
        signal_shim(self.folder, signal.SIGKILL)

    def repair(self) -> None:
        """The shim is dead (we hold its lock): kill what it left, end its journal, write its exit file."""
        point("repair:begin")
        proc.sweep(proc.RUN_MARK, self.run)
        self._swept = True
        point("repair:swept")
        journal = Journal(self.folder, self.run, self.stage)
        reason = "its supervisor died"
        if not (journal.last and journal.last["type"] == "run.aborted"):
            (self.folder / "reserve").unlink(missing_ok=True)
            try:
                journal.append([body("run.aborted", reason=reason)])
            except DiskFull:
                pass  # exit.json, whose space is reserved, still tells
        point("repair:appended")
        journal.sync()
        document = {"rc": None, "lost": True, "reason": reason, "seq": journal.seq, "bytes": journal.size}
        write_json(self.folder / "exit.json", document | {"at": time.time()})
        journal.close()

    def sweep(self) -> None:
        """Nobody who carries its id may outlive it; once is enough."""
        if not self._swept:
            proc.sweep(proc.RUN_MARK, self.run)
            self._swept = True

    def exit_file(self) -> dict[str, Any]:
        return dict(read_json(self.folder / "exit.json") or {})

    def last_words(self) -> str:
        """The last line that its supervisor wrote into its log."""
        return last_line(self.folder / "shim.log")

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
