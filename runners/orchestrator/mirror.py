"""The event files into the results database: a mirror, in a thread of its own, so that no database can stop a campaign.

It reads the files itself from the offset that the database knows, so nothing piles up in memory while the database is
locked, full or gone. Rows, offset and state are one transaction of the store.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runners.events import Event
from runners.lib.home import Home
from runners.orchestrator.crashpoints import point
from runners.orchestrator.journal import EVENTS
from runners.orchestrator.spec import CampaignSpec
from runners.orchestrator.tail import Tail

PERIOD_S = 0.25
_LINES = 20_000  # of one transaction: it must stay short


class Store(Protocol):
    """What the mirror needs of `runners.results.store.Store`."""

    def apply(self, batches: Sequence[Any]) -> None: ...

    def progress(self, run: str) -> tuple[int, dict[str, Any]] | None: ...


@dataclass
class _Source:
    """One event file. offset: what the database has."""

    run: str
    parent: str | None
    folder: Path
    tail: Tail
    known: bool = False


class Mirror:
    """`start`, then `finish`. open_store is called in the thread: importing a database library takes a while."""

    def __init__(self, home: Home, spec: CampaignSpec, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._store: Store | None = None
        self._sources = [
            _Source(run, None if run == spec.id else spec.id, home.run(run), Tail(home.run(run) / EVENTS))
            for run in spec.run_ids
        ]
        self._stop = threading.Event()
        self._last = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self.complete = False
        self.problem: str | None = None

    def start(self) -> None:
        self._thread.start()

    def finish(self, patience_s: float) -> bool:
        """Everything that is in the files now is in the database; False when that did not succeed in time."""
        self._last.set()
        self._thread.join(patience_s)
        self._stop.set()
        return self.complete

    def _work(self) -> None:
        while not self._stop.is_set():
            last = self._last.is_set()  # before reading: what is written afterwards belongs to nobody
            try:
                busy = self._once()
                self.problem = None
                if last and not busy:
                    self.complete = True
                    return
                if busy:
                    continue
            except Exception as error:  # any database may say anything: it is a mirror, so try again
                self._complain(error)
                for source in self._sources:
                    source.known = False
            self._last.wait(PERIOD_S) if not last else time.sleep(PERIOD_S)

    def _once(self) -> bool:
        """One transaction with what is new; True when there was something."""
        if self._store is None:
            self._store = self._open()
        from runners.results.store import Batch

        batches: list[Batch] = []
        for source in self._sources:
            if not source.known:
                found = self._store.progress(source.run)
                source.tail.offset = found[0] if found else 0
                source.known = True
            before = source.tail.offset
            events: list[Event] = source.tail.read(_LINES)
            if events:
                state = {"seq": events[-1]["seq"] + 1}
                batches.append(
                    Batch(source.run, source.parent, source.folder, events, before, source.tail.offset, state)
                )
        if not batches:
            return False
        point("store:before")
        self._store.apply(batches)
        point("store:committed")
        return True

    def _complain(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self.problem:
            self.problem = text
            log(f"results database: {text}")


def log(message: str) -> None:
    """Into coord.log, which may lie on a full disk."""
    try:
        os.write(sys.stderr.fileno(), f"{time.strftime('%H:%M:%S')} {message}\n".encode())
    except OSError:
        pass
