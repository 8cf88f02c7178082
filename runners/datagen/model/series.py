"""The series of an instance: what its counters count, and in which range its gauges lie."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from runners.datagen.model.buckets import BOUNDS, BUCKETS
from runners.datagen.model.tables import tables
from runners.datagen.topology import CLIENT, CONSUMER, SERVER
from runners.ledger.items import Attributes, Instrument

CALLS = "traces.span.metrics.calls"
DURATION = "app.span.duration"
SERVED, CALLED = "traces.span.metrics.duration", "app.call.duration"
"""Histograms of seconds: classic ones of what a service serves, exponential ones of what it calls."""
_KINDS = {1: "SPAN_KIND_INTERNAL", 2: "SPAN_KIND_SERVER", 3: "SPAN_KIND_CLIENT", 4: "SPAN_KIND_PRODUCER", 5: "SPAN_KIND_CONSUMER"}  # fmt: skip
_STATUS = {0: "STATUS_CODE_UNSET", 1: "STATUS_CODE_OK", 2: "STATUS_CODE_ERROR"}
_SHOWN = {"histogram": len(BOUNDS) + 3, "exponential": BUCKETS + 3}

Kind = Instrument | Literal["histogram", "exponential"]


class Series(NamedTuple):
    """low, high: range of a gauge's value, or the least and most that a counter grows in a tick.

    scale: stored value = whole number / scale; 1 keeps it an integer. of: the class of spans (index into
    `Tables.classes`) that it counts or times.
    """

    name: str
    unit: str
    instrument: Kind
    attributes: Attributes
    low: int = 0
    high: int = 0
    scale: int = 1
    of: int | None = None

    @property
    def shown(self) -> int:
        """As how many series a store shows it."""
        return _SHOWN.get(self.instrument, 1)


def span_classes(service: int) -> tuple[int, ...]:
    """All classes of spans that a service can emit, in a fixed order: indexes into `Tables.classes`."""
    return tuple(number for number, of in enumerate(tables().classes) if of.service == service)


@lru_cache(maxsize=64)
def series_of(service: int, cpus: int, *, histograms: bool) -> tuple[Series, ...]:
    """The series of one instance; a sample's number within its instance and tick is the index here."""
    found: list[Series] = []
    instruments: tuple[tuple[str, str, Kind, frozenset[int]], ...] = (
        (CALLS, "{call}", "counter", frozenset(_KINDS)),
        (DURATION, "ns", "delta", frozenset(_KINDS)),
        (SERVED, "s", "histogram", frozenset((SERVER, CONSUMER))),
        (CALLED, "s", "exponential", frozenset((CLIENT,))),
    )
    for name, unit, instrument, kinds in instruments if histograms else instruments[:2]:
        for of in span_classes(service):
            told = tables().classes[of]
            if told.kind not in kinds:
                continue
            attributes = {
                "span.name": told.name, "span.kind": _KINDS[told.kind], "status.code": _STATUS[told.status_code],
            }  # fmt: skip
            found.append(Series(name, unit, instrument, attributes, of=of))
    return (*found, *_host_series(cpus))


def _host_series(cpus: int) -> Iterator[Series]:
    gib = 1 << 30
    for cpu in range(cpus):
        for mode, low, high in (
            ("user", 40, 520),
            ("system", 10, 140),
            ("iowait", 0, 60),
            ("interrupt", 0, 20),
            ("steal", 0, 30),
        ):
            yield Series(
                "system.cpu.utilization", "1", "gauge", {"cpu.mode": mode, "cpu.logical_number": cpu}, low, high, 1000
            )
    for state, low, high in (("used", 3, 6), ("free", 1, 3), ("cached", 2, 4), ("buffers", 0, 1)):
        attributes = {"system.memory.state": state}
        yield Series("system.memory.usage", "By", "updown", attributes, low * gib, high * gib)
        yield Series("system.memory.utilization", "1", "gauge", attributes, low * 100, high * 100, 1000)
    for direction in ("receive", "transmit"):
        attributes = {"network.io.direction": direction, "network.interface.name": "eth0"}
        yield Series("system.network.io", "By", "counter", attributes, 40_000, 900_000)
    for direction in ("read", "write"):
        attributes = {"disk.io.direction": direction, "system.device": "/dev/nvme0n1"}
        yield Series("system.disk.io", "By", "counter", attributes, 4_096, 2_000_000)
    for mount, low, high in (("/", 310, 360), ("/var/lib", 520, 690)):
        attributes = {"system.device": "/dev/nvme0n1p1", "system.filesystem.mountpoint": mount}
        yield Series("system.filesystem.utilization", "1", "gauge", attributes, low, high, 1000)
    for mode, low, high in (("user", 60, 700), ("system", 5, 90)):
        yield Series("process.cpu.time", "s", "counter", {"cpu.mode": mode}, low, high, 1000)
    yield Series("process.memory.usage", "By", "updown", {}, 90 << 20, 400 << 20)
    yield Series("process.thread.count", "{thread}", "updown", {}, 12, 64)
