"""Error bursts: in which ticks which service is ill. A Gilbert-Elliott chain (Gilbert 1960, Elliott 1963) by tick.

Blocks of ticks begin in the chain's stationary state, so that any tick's state is found without walking from the first.
"""

from __future__ import annotations

from functools import lru_cache

from runners.ledger.identity import derive, mix

_BLOCK = 128
_FALLS_ILL, _RECOVERS = 0.02, 0.3
_ONE = 1 << 32
_MASK = (1 << 64) - 1
ILL_SHARE = _FALLS_ILL / (_FALLS_ILL + _RECOVERS)
"""Share of the ticks in which some service is ill."""


class Weather:
    """Of one tenant. services: how many there are."""

    def __init__(self, seed: int, tenant: str, services: int) -> None:
        self._key, self._services = derive(seed, "weather", tenant), services
        self._block = lru_cache(maxsize=64)(self._make)

    def ill(self, tick: int) -> int:
        """The service that is ill in this tick, or -1."""
        return self._block(tick // _BLOCK)[tick % _BLOCK]

    def _make(self, block: int) -> tuple[int, ...]:
        found: list[int] = []
        ill = -1
        for step in range(_BLOCK):
            bits = mix(self._key ^ (block * _BLOCK + step) * 0x9E3779B97F4A7C15 & _MASK)
            chance, victim = bits >> 32, (bits & 0xFFFFFFFF) * self._services >> 32
            if ill >= 0:
                ill = -1 if chance < _RECOVERS * _ONE else ill
            elif chance < (ILL_SHARE if step == 0 else _FALLS_ILL) * _ONE:
                ill = victim
            found.append(ill)
        return tuple(found)
