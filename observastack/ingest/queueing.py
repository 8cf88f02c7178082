"""What waits for a writer: bounded by requests and by bytes."""

from __future__ import annotations

import queue
import threading

from observastack.ingest.request import Request


class Full(Exception):
    """The queue takes no more: 429."""


class WriteQueue:
    """Bounded by requests and by bytes: a few large bodies fill it as well as many small ones."""

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self.requests = 0
        self.bytes = 0

    def put(self, request: Request) -> None:
        """Raises Full."""
        with self._lock:
            # One request always fits: otherwise a body above most_bytes could never be written.
            if self.requests >= self._most_requests or (
                self.requests and self.bytes + len(request.body) > self._most_bytes
            ):
                raise Full
            self.requests += 1
            self.bytes += len(request.body)
        self._queue.put(request)

    def take(self, most: int) -> list[Request] | None:
        """Wait for a request, take up to `most`; None when the queue is closed."""
        first = self._queue.get()
        if first is None:
            return None
        taken = [first]
        while len(taken) < most:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)  # to be seen again behind these
                break
            taken.append(following)
        with self._lock:
            self.requests -= len(taken)
            self.bytes -= sum(len(request.body) for request in taken)
        return taken

    def drain(self) -> list[Request]:
        """Everything that waits, without waiting."""
        drained: list[Request] = []
        while True:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._queue.put(None)  # closed: the takers are to see it
                break
            drained.append(request)
        with self._lock:
            self.requests -= len(drained)
            self.bytes -= sum(len(request.body) for request in drained)
        return drained

    def close(self, takers: int) -> None:
        """Every taker ends after the requests that are in the queue now."""
        for _ in range(takers):
            self._queue.put(None)
