"""Sends requests that no platform should take, beside the run's own, and notes what was answered."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from runners.datagen.mishaps import Refusal, Spoilt
from runners.wire.parcel import Parcel, Sink

_WAITING = 4


class Spoiler:
    """One thread with a sink of its own: what it sends is no attempt, and the ledger does not hear of it."""

    def __init__(self, make: Callable[[], Sink]) -> None:
        self.refusals: list[Refusal] = []
        self._make = make
        self._queue: queue.Queue[tuple[Spoilt, Parcel] | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None

    def send(self, kind: Spoilt, parcel: Parcel) -> None:
        """In a moment; left out when the ones before are still waiting for their answers."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spoiler", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait((kind, parcel))
        except queue.Full:
            pass

    def close(self, patience_s: float = 10.0) -> None:
        """Wait for what is on its way."""
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=patience_s)
        except queue.Full:
            return  # it dies with the process
        self._thread.join(patience_s)

    def _run(self) -> None:
        sink = self._make()
        try:
            while (item := self._queue.get()) is not None:
                kind, parcel = item
                at = time.time()
                answer = sink.send(parcel)
                self.refusals.append(
                    Refusal(kind, parcel.tenant, parcel.batch.signal, len(parcel.body), at, answer.status)
                )
        finally:
            sink.close()
