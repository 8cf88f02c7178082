"""The buckets of duration histograms, as whole nanoseconds, so that every machine counts alike.

Classic: the bounds that the semantic conventions advise for durations in seconds. Exponential: scale 0, bucket i holds
(2^(OFFSET+i), 2^(OFFSET+i+1)] seconds, 15 µs to a minute: no call is shorter, and what is longer is counted in the last. All
are told, the empty ones too, so that the number of series does not depend on what was measured.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
SCALE, OFFSET, BUCKETS = 0, -16, 22
_SECOND = 10**9
_CLASSIC = np.array([round(bound * 1000) * (_SECOND // 1000) for bound in BOUNDS], np.int64)
# A bound is rarely a whole nanosecond; a duration always is, so the floor of the bound separates alike.
_EXPONENTIAL = np.array(
    [
        _SECOND << exponent if exponent >= 0 else _SECOND >> -exponent
        for exponent in range(OFFSET + 1, OFFSET + BUCKETS)
    ],
    np.int64,
)
CELLS = max(len(BOUNDS) + 1, BUCKETS)
"""Buckets of the larger kind."""


def classic(took_ns: Integers) -> Integers:
    """(n,) the bucket of each duration: bounds belong to the bucket below."""
    return np.searchsorted(_CLASSIC, took_ns, side="left")


def exponential(took_ns: Integers) -> Integers:
    """(n,) likewise."""
    return np.searchsorted(_EXPONENTIAL, took_ns, side="left")
