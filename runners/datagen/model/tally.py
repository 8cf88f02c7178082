"""Running counts of spans by instance and class, as cumulative metrics tell them: from the last restart on.

Going forward costs what is new; going back starts over.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from runners.datagen.model.buckets import CELLS, classic, exponential
from runners.datagen.model.requests import Integers, Requests
from runners.datagen.model.stream import Stream
from runners.datagen.model.tables import tables
from runners.datagen.topology import CLIENT

Restarted = Callable[[int], Integers]


class Tally:
    """Of all spans of all requests that ended in a tick or before. By (instance, class): counts, took (nanoseconds), cells
    (a third axis: the buckets of its histogram), last_trace and last_span (numbers), last_took and last_end of the span
    that was counted last."""

    def __init__(self, stream: Stream, instances: int, restarted: Restarted, *, histograms: bool) -> None:
        """restarted(tick): ordinals of the instances that begin anew with it."""
        self._stream, self._restarted, self._histograms = stream, restarted, histograms
        self._calls = np.array([of.kind == CLIENT for of in tables().classes])
        self._done = 0
        shape = (instances, len(tables().classes))
        self.counts, self.took, self.last_took, self.last_end = (np.zeros(shape, np.int64) for _ in range(4))
        self.last_trace, self.last_span = (np.zeros(shape, np.uint64) for _ in range(2))
        self.cells = np.zeros((*shape, CELLS), np.int64)

    def until(self, tick: int) -> None:
        """Make it so that this tick is the last one counted."""
        if tick + 1 < self._done:
            self._done = 0
            for array in (self.counts, self.took, self.cells, self.last_end):
                array[:] = 0
        for new in range(self._done, tick + 1):
            again = self._restarted(new)
            if len(again):
                for array in (self.counts, self.took, self.cells, self.last_end):
                    array[again] = 0
            self._add(self._stream.tick(new))
        self._done = tick + 1

    def _add(self, requests: Requests) -> None:
        told = requests.told
        key = (requests.instance * self.counts.shape[1] + requests.span_class)[told]
        self.counts += np.bincount(key, minlength=self.counts.size).reshape(self.counts.shape)
        if not self._histograms:
            return
        took = (requests.end - requests.start)[told]
        np.add.at(self.took.reshape(-1), key, took)
        cell = np.where(self._calls[requests.span_class[told]], exponential(took), classic(took))
        flat = np.bincount(key * self.cells.shape[2] + cell, minlength=self.cells.size)
        self.cells += flat.reshape(self.cells.shape)
        # Of several spans of one key the last one stays.
        for array, values in (
            (self.last_trace, requests.trace_numbers[told]), (self.last_span, requests.span_numbers[told]),
            (self.last_took, took), (self.last_end, requests.end[told]),
        ):  # fmt: skip
            array.reshape(-1)[key] = values
