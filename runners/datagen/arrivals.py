"""How many requests come in a tick when people send them: Poisson counts, drawn in whole numbers.

An even stream has no bursts, and queues that never form prove nothing. Independent users make a Poisson process
(Paxson and Floyd, 1995, found that of session arrivals): counts of any two ticks are independent, and gaps are exponential.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt, log
from statistics import NormalDist

from runners.ledger.identity import mix

_MICRO = 1_000_000
_BITS = 12
_FEW = 32 * _MICRO
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def poisson(mean_micro: int, key: int) -> int:
    """A count with this mean (in millionths), a pure function of both: exact below 32, normal with its skew above."""
    if mean_micro <= 0:
        return 0
    if mean_micro >= _FEW:
        z = _normal()[mix(key) >> (64 - _BITS)]
        skew = (z * z - _MICRO) // 6
        return max(0, (mean_micro + isqrt(mean_micro * _MICRO) * z // 1000 + skew + _MICRO // 2) // _MICRO)
    gaps, left, count = _exponential(), mean_micro, 0
    while True:
        left -= gaps[mix(key + count * _STEP & _MASK) >> (64 - _BITS)]
        if left < 0:
            return count
        count += 1


# Tables of rounded quantiles: libm may differ in the last bit between machines, these do not.


@lru_cache(maxsize=1)
def _exponential() -> tuple[int, ...]:
    """Millionths; the mean is 1."""
    steps = 1 << _BITS
    return tuple(round(-log(1 - (step + 0.5) / steps) * _MICRO) for step in range(steps))


@lru_cache(maxsize=1)
def _normal() -> tuple[int, ...]:
    """Thousandths."""
    normal, steps = NormalDist(), 1 << _BITS
    return tuple(round(normal.inv_cdf((step + 0.5) / steps) * 1000) for step in range(steps))
