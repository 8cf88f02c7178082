"""The values of an instance's points in columns, one for each point in the order of its series: what `Meter.samples` says
of them one by one, as the eight bytes that OTLP writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from runners.datagen.model.series import Series
from runners.ledger.mixing import U64, mix

Integers = npt.NDArray[np.int64]
Struck = Callable[[Series, int], int]
LATTICE = 8
_U32 = np.uint64(32)
_COUNTER, _DELTA, _CALLS, _OTHER, _SHOWN_AS_SEVERAL = range(5)


class Readings:
    """Of one instance. key: of its random values; touched: may an anomaly change this series?"""

    def __init__(self, series: Sequence[Series], key: int, touched: Callable[[Series], bool]) -> None:
        self.series = tuple(series)
        self.of = np.array([-1 if one.of is None else one.of for one in series], np.int64)
        kind = np.array([_kind(one) for one in series], np.int64)
        self.calls, self.deltas = np.flatnonzero(kind == _CALLS), np.flatnonzero(kind == _DELTA)
        self.histograms = np.flatnonzero(kind == _SHOWN_AS_SEVERAL)
        self.gauges = np.array([one.instrument == "gauge" for one in series])
        self.whole = np.array([one.scale == 1 for one in series])
        """Are its values integers?"""
        self.own = np.array([one.of is not None or one.name.startswith("process.") for one in series])
        """Counted by the process, so that a restart sets it back."""
        self._host = np.flatnonzero(kind <= _COUNTER)
        self._host = np.sort(np.concatenate((self._host, np.flatnonzero(kind == _OTHER))))
        host = [self.series[index] for index in self._host.tolist()]
        self._low, self._high, self._scale = (
            np.array([getattr(one, name) for one in host], np.int64) for name in ("low", "high", "scale")
        )
        self._counts = np.array([one.instrument == "counter" for one in host], bool)
        self._own = self.own[self._host]
        self._keys = mix(np.uint64(key) + self._host.astype(np.uint64))
        self._touched = [place for place, one in enumerate(host) if not self._counts[place] and touched(one)]

    def values(self, tick: int, began: int, calls: Integers, took: Integers, struck: Struck) -> U64:
        """(n,) the bytes of each value; of histograms nothing. calls, took: by class of spans; began: the tick of the last
        start; struck(series, whole): what an anomaly makes of a value."""
        found = np.zeros(len(self.series), np.uint64)
        found[self.calls] = calls[self.of[self.calls]].view(np.uint64)
        found[self.deltas] = took[self.of[self.deltas]].view(np.uint64)
        whole = drifting(self._keys, self._low, self._high, tick)
        since = np.where(self._own, tick - began, tick)
        room = np.maximum(self._high - self._low, 1)
        extra = (mix(self._keys ^ since.astype(np.uint64)) % room.astype(np.uint64)).astype(np.int64) // 2
        grown = (since + 1) * (self._low + self._high) // 2 + extra
        whole = np.where(self._counts, grown, whole)
        for place in self._touched:
            whole[place] = struck(self.series[int(self._host[place])], int(whole[place]))
        scaled = (whole / self._scale).view(np.uint64)
        found[self._host] = np.where(self._scale == 1, whole.view(np.uint64), scaled)
        return found


def drifting(keys: U64, low: Integers, high: Integers, tick: int) -> Integers:
    """(n,) values that wander between low and high, a pure function of (key, tick)."""
    lattice, within = divmod(tick, LATTICE)
    left, right = (mix(keys + np.uint64(at)) >> _U32 for at in (lattice, lattice + 1))
    between = (left * np.uint64(LATTICE - within) + right * np.uint64(within)) // np.uint64(LATTICE)
    return low + (between * (high - low).astype(np.uint64) >> _U32).astype(np.int64)


def _kind(series: Series) -> int:
    if series.shown > 1:
        return _SHOWN_AS_SEVERAL
    if series.of is not None:
        return _DELTA if series.instrument == "delta" else _CALLS
    return _COUNTER if series.instrument == "counter" else _OTHER
