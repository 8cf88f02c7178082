"""How each request goes: by which route it comes, whether it fails and where, whether a call is tried again.

Together that is its shape. Failures come in bursts: some always, more where a service is ill, further ones where an anomaly
strikes.
"""

from __future__ import annotations

import numpy as np

from runners.datagen.anomaly import Effects
from runners.datagen.model.requests import Integers
from runners.datagen.model.tables import ROUTE_BITS, tables
from runners.datagen.model.weather import Weather
from runners.datagen.shop import SERVICES
from runners.ledger.mixing import CHANCES, U64, draw

_MASK = (1 << 64) - 1
_SICK_SHARE, _SICK_FACTOR, _MOST_SICK = 0.15, 10.0, 0.5
_RETRY_SHARE = 0.004
_U32 = np.uint64(32)


class Outcomes:
    """Of the requests of one tenant."""

    def __init__(self, key: int, strikes: int, weather: Weather, *, errors: float, effects: Effects) -> None:
        """key, strikes: of the draws, those of anomalies apart; errors: share of requests that fail, bursts included."""
        self._key, self._strikes, self._weather, self._effects = key, strikes, weather, effects
        self._tables = tables()
        self._always = round(errors * (1 - _SICK_SHARE) * CHANCES)
        self._sick = round(min(_MOST_SICK, errors * _SICK_FACTOR) * CHANCES)

    def shapes(self, tick: int, numbers: U64) -> Integers:
        """(R,) the shape of each of these requests, all of them of this tick."""
        bits = draw(self._key, numbers)
        route = self._tables.routes[(bits & np.uint64((1 << ROUTE_BITS) - 1)).astype(np.int64)]
        choice = (bits >> np.uint64(ROUTE_BITS) & np.uint64(0x3FFFFF)).astype(np.int64)
        chance = (bits >> _U32).astype(np.int64)
        found = np.array(self._tables.well, np.int64)[route]
        fails = chance < self._always
        ill = self._weather.ill(tick)
        sick = ~fails & (chance < self._always + self._sick) if ill >= 0 else np.zeros(len(fails), bool)
        again = chance >= CHANCES - round(_RETRY_SHARE * CHANCES)
        for which, lists in (
            (again & ~fails & ~sick, self._tables.retrying),
            (fails, self._tables.failing),
            (sick, [of[ill] for of in self._tables.victims] if ill >= 0 else []),
        ):
            # Few of many: their choices are looked up one by one.
            for index in np.flatnonzero(which).tolist():
                if options := lists[route[index]]:
                    found[index] = options[choice[index] % len(options)]
        return found if self._effects.none else self._struck(tick, numbers, route, found)

    def _struck(self, tick: int, numbers: U64, route: Integers, shapes: Integers) -> Integers:
        """The shapes after what anomalies do to them: further requests fail at a service."""
        for service, share in enumerate(self._effects.errors(each.name, tick) for each in SERVICES):
            if share:
                bits = draw(self._strikes + service & _MASK, numbers)
                for index in np.flatnonzero((bits >> _U32).astype(np.int64) < share).tolist():
                    if options := self._tables.victims[route[index]][service]:
                        shapes[index] = options[int(bits[index]) % len(options)]
        return shapes
