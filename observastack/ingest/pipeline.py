"""From the event loop to the stores: one lane for each store that the configuration names."""

from __future__ import annotations

import time

from observastack.config import Config
from observastack.ingest.counters import Counters
from observastack.ingest.lane import Lane
from observastack.ingest.request import Request
from observastack.ingest.sinks.port import maker
from observastack.store.rows import SIGNALS, Signal


class Pipeline:
    """The lanes. adapters: the store of each signal."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self.adapters: dict[Signal, str] = {signal: getattr(config.stores, signal) for signal in SIGNALS}
        self._lanes = {
            name: Lane(name, config, counters, maker(name, config))
            for name in dict.fromkeys(self.adapters[signal] for signal in SIGNALS)
        }

    def put(self, request: Request) -> None:
        """Raises queueing.Full."""
        self._lanes[self.adapters[request.signal]].queue.put(request)

    def start(self) -> None:
        for lane in self._lanes.values():
            lane.start()

    def alive(self) -> bool:
        """Whether every writer runs."""
        return all(lane.alive() for lane in self._lanes.values())

    def stop(self, patience_s: float) -> bool:
        """Write what is queued, then end. False when that took longer than patience_s."""
        for lane in self._lanes.values():
            lane.close()
        deadline = time.monotonic() + patience_s
        ended = [lane.ended(deadline) for lane in self._lanes.values()]  # of each, so that each is told
        return all(ended)

    def waiting(self) -> tuple[int, int]:
        """(requests, bytes) that wait for a writer."""
        queues = [lane.queue for lane in self._lanes.values()]
        return sum(queue.requests for queue in queues), sum(queue.bytes for queue in queues)
