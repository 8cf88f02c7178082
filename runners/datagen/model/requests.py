"""The one simulated stream of requests of a tenant; spans, log records and metrics are projections of it.

Request number n is a pure function of (seed, tenant, n) and of the schedule, so any part of the stream can be made
alone and in any order. Arithmetic is on integers: the same bytes on every machine.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from math import exp
from random import Random
from statistics import NormalDist
from typing import NamedTuple

from runners.datagen.clock import Schedule
from runners.datagen.model.shapes import Shape, shapes
from runners.datagen.topology import ROUTES, SERVICES
from runners.ledger.identity import derive, mix

_GOLDEN = 0x9E3779B97F4A7C15
_LEAD_NS = 1_000_000
_USERS, _PRODUCTS = 5_000, 800
_QUERIES = (
    "red shoes", "usb-c cable", "tent 2 person", "espresso", "raincoat", "desk lamp", "running belt", "keyboard iso",
    "water filter", "bike lock", "noise cancelling", "yoga mat", "blender", "kids jacket", "hdmi 2.1", "thermos",
)  # fmt: skip
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "shop-android/8.41.2 (Pixel 9; Android 16)",
    "okhttp/5.3.0",
)


class Request(NamedTuple):
    """times: (start, end) in Unix nanoseconds per visit of the shape; instances: which instance served each service."""

    number: int
    shape: Shape
    times: tuple[tuple[int, int], ...]
    instances: tuple[int, ...]
    fields: dict[str, str]


class Stream:
    """All requests of one tenant."""

    def __init__(self, seed: int, tenant: str, schedule: Schedule, *, errors: float, instances: int) -> None:
        """errors: share of requests that fail; instances: of each service."""
        self.schedule = schedule
        self._key = derive(seed, "requests", tenant)
        self._errors = round(errors * (1 << 32))
        self._instances = instances
        self._ticks: OrderedDict[int, list[Request]] = OrderedDict()

    def shape(self, number: int) -> Shape:
        """The shape alone: cheap, for counting."""
        bits = mix(self._key ^ (number * _GOLDEN & 0xFFFFFFFFFFFFFFFF))
        well, failing = shapes()[_routes()[bits & 1023]]
        if bits >> 32 < self._errors:
            return failing[(bits >> 10 & 0x3FFFFF) % len(failing)]
        return well

    def instances(self, number: int) -> tuple[int, ...]:
        """Which instance of each service serves the request."""
        bits = mix((self._key + 1 ^ (number * _GOLDEN)) & 0xFFFFFFFFFFFFFFFF)
        return tuple((bits >> 7 * index & 0x7F) % self._instances for index in range(len(SERVICES)))

    def tick(self, tick: int) -> list[Request]:
        """The requests that end in a tick, by end. The last few ticks asked for are kept."""
        found = self._ticks.get(tick)
        if found is None:
            numbers = self.schedule.requests(tick)
            found = [self._simulate(number, index, len(numbers), tick) for index, number in enumerate(numbers)]
            self._ticks[tick] = found
            if len(self._ticks) > 16:
                self._ticks.popitem(last=False)
        return found

    def _simulate(self, number: int, index: int, of: int, tick: int) -> Request:
        shape = self.shape(number)
        draw = Random(mix(self._key + 2 & 0xFFFFFFFFFFFFFFFF) ^ number).getrandbits  # noqa: S311  (a simulation, reproducible on purpose)
        # One in each n-th part of the tick: even, yet not regular. Nothing ends in the first millisecond, where the
        # samples that count the tick before lie.
        room = self.schedule.tick_ns - _LEAD_NS
        end = self.schedule.begins(tick) + _LEAD_NS + room * (index * 65536 + draw(16)) // (of * 65536)
        latency = _latency()
        own = [visit.operation.self_us * latency[draw(10)] for visit in shape.visits]  # µs · thousandths = ns
        total = list(own)
        for position in range(len(shape.visits) - 1, 0, -1):
            total[shape.visits[position].parent] += total[position]
        times: list[tuple[int, int]] = [(0, 0)] * len(shape.visits)
        times[0] = (end - total[0], end)
        for position, visit in enumerate(shape.visits):
            at = times[position][0] + own[position] * 3 // 8
            for child in visit.children:
                times[child] = (at, at + total[child])
                at += total[child]
        return Request(number, shape, tuple(times), self.instances(number), _fields(draw(64), draw(64)))


def _fields(a: int, b: int) -> dict[str, str]:
    return {
        "user": f"u{_zipf(_USERS)[a & 0xFFF]}",
        "product": str(_zipf(_PRODUCTS)[a >> 12 & 0xFFF]),
        "order": f"{b & 0xFFFFFFFFFF:010x}",
        "quantity": str(1 + (a >> 24 & 0xFF) % 6),
        "query": _QUERIES[(a >> 32 & 0xFF) % len(_QUERIES)],
        "page": str(1 + (a >> 40 & 0x1F).bit_length()),
        "client": f"203.0.{113 + (b >> 40 & 1)}.{b >> 48 & 0xFF}",
        "agent": _AGENTS[(b >> 56) % len(_AGENTS)],
    }


@lru_cache(maxsize=1)
def _routes() -> tuple[int, ...]:
    """1024 entries, each route as often as its weight says."""
    total = sum(route.weight for route in ROUTES)
    table: list[int] = []
    seen = 0
    for index, route in enumerate(ROUTES):
        seen += route.weight
        table += [index] * (seen * 1024 // total - len(table))
    return tuple(table)


@lru_cache(maxsize=1)
def _latency() -> tuple[int, ...]:
    """1024 quantiles of a lognormal with sigma 0.55 and a Pareto tail (alpha 1.6) for the top 1 %, in thousandths.

    Whole numbers from a table: libm may differ in the last bit between machines, a rounded quantile does not.
    """
    normal = NormalDist()
    table = []
    for step in range(1024):
        quantile = (step + 0.5) / 1024
        value = exp(0.55 * normal.inv_cdf(min(quantile, 0.99)))
        if quantile > 0.99:
            value *= min(12.0, ((1 - 0.99) / (1 - quantile)) ** (1 / 1.6))
        table.append(round(value * 1000))
    return tuple(table)


@lru_cache(maxsize=4)
def _zipf(n: int) -> tuple[int, ...]:
    """4096 draws from 1..n with frequency proportional to 1 / rank."""
    total = sum(1 / rank for rank in range(1, n + 1))
    table: list[int] = []
    seen = 0.0
    for rank in range(1, n + 1):
        seen += 1 / rank / total
        table += [rank] * (round(seen * 4096) - len(table))
    return tuple(table)
