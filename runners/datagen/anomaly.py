"""Anomalies as pure functions in whole numbers: what each does to a rate, a latency, a share of errors or a series.

A factor is in thousandths (1000 changes nothing), a share in parts of 2^32 (the width of a random draw). Nothing here
is random or a float, so the same tick is the same everywhere, whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

NEUTRAL = 1000
WHOLE = 1 << 32


class Kind(StrEnum):
    """What goes wrong. The first four change how much happens, or a series; the others a service or a series."""

    LEVEL_SHIFT = "level-shift"
    SPIKE = "spike"
    DRIFT = "drift"
    DIP = "dip"
    SATURATION = "saturation"
    ERROR_BURST = "error-burst"
    LOG_NOVELTY = "log-novelty"
    SILENT = "silent"
    LATENCY = "latency"
    DEPLOY = "deploy"


RATES = frozenset({Kind.LEVEL_SHIFT, Kind.SPIKE, Kind.DRIFT, Kind.DIP})
OF_SERVICE = frozenset({Kind.ERROR_BURST, Kind.LOG_NOVELTY, Kind.SILENT, Kind.LATENCY, Kind.DEPLOY})


@dataclass(frozen=True)
class Anomaly:
    """tenant, service, series: empty means all of them. start_ns and lasts_ns: from the start of the run.

    magnitude, in thousandths: the factor of a rate, a series or a latency; the share of an error burst, of new log
    patterns or of a saturated series (950 is 95 % of full); the factor of a new
    version's latency, 0 for the same.
    """

    name: str
    kind: Kind
    start_ns: int
    lasts_ns: int
    magnitude: int
    tenant: str = ""
    service: str = ""
    series: str = ""

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.lasts_ns

    def active(self, at_ns: int) -> bool:
        return self.start_ns <= at_ns < self.end_ns

    def factor(self, at_ns: int) -> int:
        """Thousandths by which a rate, latency or series is multiplied: a step, a tent (spike) or a ramp (drift)."""
        if not self.active(at_ns):
            return NEUTRAL
        gone = (at_ns - self.start_ns) * NEUTRAL // self.lasts_ns
        if self.kind is Kind.DRIFT:
            return NEUTRAL + (self.magnitude - NEUTRAL) * gone // NEUTRAL
        if self.kind is Kind.SPIKE:
            return NEUTRAL + (self.magnitude - NEUTRAL) * (NEUTRAL - abs(2 * gone - NEUTRAL)) // NEUTRAL
        return self.magnitude

    def filled(self, at_ns: int) -> int:
        """Thousandths of the way to saturation: up within the first fifth, then all of it."""
        if not self.active(at_ns):
            return 0
        return min(NEUTRAL, (at_ns - self.start_ns) * 5 * NEUTRAL // self.lasts_ns)

    def does_something(self, tick_ns: int, end_ns: int) -> bool:
        """Does any tick that begins before the end feel it? One that comes and goes between two of them is in no telemetry."""
        for at_ns in range(-(-self.start_ns // tick_ns) * tick_ns, min(self.end_ns, end_ns), tick_ns):
            if self.kind is Kind.SATURATION:
                felt = self.filled(at_ns) > 0
            else:
                felt = self.kind not in RATES or self.factor(at_ns) != NEUTRAL
            if felt:
                return True
        return False


class Effects:
    """What a scenario's anomalies do to one tenant. Ask by tick; times are those at which the tick begins."""

    def __init__(self, anomalies: Sequence[Anomaly], tenant: str, tick_ns: int) -> None:
        self.tick_ns = self._tick_ns = tick_ns
        mine = [one for one in anomalies if one.tenant in ("", tenant)]
        self._rates = [one for one in mine if one.kind in RATES and not one.series]
        self._series = [one for one in mine if one.series]
        self._services = [one for one in mine if one.kind in OF_SERVICE]
        self.none = not mine
        self.may_be_silent = any(one.kind is Kind.SILENT for one in mine)
        self.deploys = sorted((one for one in mine if one.kind is Kind.DEPLOY), key=lambda one: one.start_ns)

    def rate(self, tick: int) -> int:
        """Factor of the tenant's requests, thousandths."""
        factor = NEUTRAL
        for one in self._rates:
            factor = factor * one.factor(tick * self._tick_ns) // NEUTRAL
        return factor

    def latency(self, service: str, tick: int) -> int:
        """Factor of the own time of the service's operations, thousandths."""
        factor = NEUTRAL
        for one in self._of(Kind.LATENCY, service, tick):
            factor = factor * one.magnitude // NEUTRAL
        return factor

    def errors(self, service: str, tick: int) -> int:
        """Share, of 2^32, of the requests through the service that fail there, beside the scenario's own errors."""
        return self._share(Kind.ERROR_BURST, service, tick)

    def novelty(self, service: str, tick: int) -> int:
        """Share, of 2^32, of the service's log records whose text is of a pattern that it never wrote before."""
        return self._share(Kind.LOG_NOVELTY, service, tick)

    def silent(self, service: str, tick: int) -> bool:
        """Does the service emit nothing? What it does happens; nobody hears of it."""
        return bool(self._of(Kind.SILENT, service, tick))

    def turns(self) -> set[int]:
        """Ticks with which a service falls silent or is heard again, and the first one."""
        edges = [edge for one in self._services if one.kind is Kind.SILENT for edge in (one.start_ns, one.end_ns)]
        return {0, *(-(-edge // self._tick_ns) for edge in edges)}

    def series(self, service: str, name: str, tick: int, value: int, full: int) -> int:
        """The value of a series, as a whole number in its own unit, after what befalls it. full: what 100 % is."""
        at_ns = tick * self._tick_ns
        for one in self._series:
            if one.series != name or one.service not in ("", service):
                continue
            if one.kind is Kind.SATURATION:
                value += (full * one.magnitude // NEUTRAL - value) * one.filled(at_ns) // NEUTRAL
            else:
                value = value * one.factor(at_ns) // NEUTRAL
        return value

    def touches(self, service: str, name: str) -> bool:
        """Does anything ever befall this series? Asked once, so that the others cost nothing."""
        return any(one.series == name and one.service in ("", service) for one in self._series)

    def _of(self, kind: Kind, service: str, tick: int) -> list[Anomaly]:
        at_ns = tick * self._tick_ns
        return [
            one for one in self._services if one.kind is kind and one.service in ("", service) and one.active(at_ns)
        ]

    def _share(self, kind: Kind, service: str, tick: int) -> int:
        found = self._of(kind, service, tick)
        return max((one.magnitude * WHOLE // NEUTRAL for one in found), default=0)
