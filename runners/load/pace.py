"""How many users there are and how long each waits between two requests; may be changed while the run goes."""

from __future__ import annotations

import random
from typing import Any

from runners.lib.units import parse_rate
from runners.load.scenario import Scenario, Think


class Pace:
    """Plain attributes, replaced whole: the control thread writes, the users read."""

    def __init__(self, scenario: Scenario) -> None:
        self.users = scenario.users
        self.spawn_rate = scenario.spawn_rate
        self.rate = scenario.rate
        self._think: Think | None = scenario.think

    def pause_s(self, rng: random.Random, spent_s: float) -> float:
        """Seconds to wait after a request that took `spent_s`.

        With a rate, the users share it: each starts a request every users/rate seconds, a little unevenly so that they
        do not march in step; a user that is late does not catch up (a closed model).
        """
        if self.rate is not None:
            return max(0.0, self.users / self.rate * rng.uniform(0.9, 1.1) - spent_s)
        assert self._think is not None
        return rng.uniform(self._think.min, self._think.max)

    @property
    def target_rate(self) -> float:
        """Steps a second that these users make when answers take no time. A step is one request; a log-in is two."""
        if self.rate is not None:
            return self.rate
        assert self._think is not None
        return 2 * self.users / (self._think.min + self._think.max)

    def change(self, wanted: dict[str, Any]) -> str:
        """Take `users`, `rate` and `spawn_rate`; all or nothing. Returns what was done; raises ValueError."""
        if not wanted or (unknown := set(wanted) - {"users", "rate", "spawn_rate"}):
            raise ValueError(
                f"cannot set {', '.join(sorted(unknown)) if wanted else 'nothing'}; users, rate, spawn_rate can"
            )
        users = int(wanted.get("users", self.users))
        rate = parse_rate(wanted["rate"]) if "rate" in wanted else self.rate
        spawn_rate = parse_rate(wanted.get("spawn_rate", self.spawn_rate))
        if users < 1 or spawn_rate <= 0 or (rate is not None and rate <= 0):
            raise ValueError("users, rate and spawn_rate must be above 0")
        self.users, self.rate, self.spawn_rate = users, rate, spawn_rate
        return ", ".join(f"{name}={value}" for name, value in wanted.items())
