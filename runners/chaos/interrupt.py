"""Ending an experiment at any moment, but never in the middle of an injection or a revert.

chaoslib turns exceptions of an activity into its failure and goes on; only SystemExit, as its own exit_gracefully
raises it (code 20), ends a run with rollbacks. It is raised in the main thread, where signals arrive.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_GRACEFUL = 20  # chaoslib.exit


class Interrupt:
    """stop: set when the run shall end. reason: the first one given."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.over = threading.Event()
        self.reason: str | None = None
        self._depth = 0
        self._raised = False
        self._lock = threading.Lock()

    def install(self) -> None:
        """Take SIGTERM; called in the main thread, after chaoslib has set its own handler."""
        signal.signal(signal.SIGTERM, self._arrived)
        self._raise_once()  # what came before this moment met another handler

    def end(self, reason: str) -> None:
        """From any thread: set both and wake the main thread, whatever it waits for."""
        with self._lock:
            self.reason = self.reason or reason
        self.stop.set()
        self.over.set()
        main = threading.main_thread()
        if main.ident is not None and threading.current_thread() is not main:
            signal.pthread_kill(main.ident, signal.SIGTERM)

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        self.reason = self.reason or "stopped"
        self.stop.set()
        self.over.set()
        self._raise_once()

    def _raise_once(self) -> None:
        if self._depth == 0 and not self._raised and self.over.is_set():
            self._raised = True
            raise SystemExit(_GRACEFUL)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """No SystemExit inside; one that came meanwhile is raised at the end. Only the main thread needs it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        self._raise_once()
