"""The figures by which realism is judged: each with the range that production shows, and where that is known from.

A range is where the figure lies in most systems that serve people, not a law. Sources are named where there is one; else the
range is our judgement, and says so.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from runners.datagen.model.requests import Requests
from runners.datagen.topology import SERVER
from tests.realism.miner import Miner
from tests.realism.sample import EVERY, Integers, Sample

JUDGEMENT = "judgement"
_CHUNK = 256 << 10


@dataclass(frozen=True)
class Figure:
    """low, high: the range of production, both included; places: decimals that are shown."""

    name: str
    value: float
    low: float
    high: float
    source: str
    how: str
    unit: str = ""
    places: int = 1

    @property
    def holds(self) -> bool:
        return self.low <= self.value <= self.high

    def shown(self, value: float) -> str:
        """The number as people read it."""
        return f"{value:,.{self.places}f}{self.unit}"

    @property
    def range(self) -> str:
        if math.isinf(self.high):
            return f"≥ {self.shown(self.low)}"
        return f"≤ {self.shown(self.high)}" if self.low == 0 else f"{self.shown(self.low)} to {self.shown(self.high)}"


Measure = Callable[[Sample], Iterator[Figure]]


def figures(of: Sample) -> list[Figure]:
    """All of them, in the order of the page."""
    return [
        figure
        for measure in (_load, _errors, _latency, _traces, _variety, _texts, _templates)
        for figure in measure(of)
    ]


def per_second(of: Sample) -> list[Integers]:
    """(ticks,) requests that end in each second, by tenant."""
    return [np.array([len(tick) for tick in tenant], np.int64) for tenant in of.requests]


def roots(requests: Requests) -> Integers:
    """Indexes of the visits at which users' requests begin."""
    return requests.first


def _load(of: Sample) -> Iterator[Figure]:
    seconds = per_second(of)
    hours = [_by(tenant, 40).sum(axis=1) for tenant in seconds]
    yield Figure(
        "busiest hour : mean hour, by tenant (largest)", max(float(of.max() / of.mean()) for of in hours), 1.5, 5,
        JUDGEMENT, "requests in parts of 40 s, which are 64 min of the day", places=2,
    )  # fmt: skip
    yield Figure(
        "busiest hour : quietest hour, by tenant (largest)", max(float(of.max() / of.min()) for of in hours), 3, 100,
        JUDGEMENT, "likewise", places=1,
    )  # fmt: skip
    minutes = [_by(tenant, 20) for tenant in seconds]
    scatter = [float(np.median(of.var(axis=1, ddof=1) / of.mean(axis=1))) for of in minutes]
    yield Figure(
        "variance : mean of requests in a second", float(np.mean(scatter)), 0.8, 3,
        "Paxson and Floyd 1995: people's sessions arrive as a Poisson process (1); what is below is a metronome",
        "windows of 20 s, median, mean of the tenants", places=2,
    )  # fmt: skip
    yield Figure(
        "variation (CV) of the time between two requests", float(np.mean([_gaps(tenant) for tenant in of.requests])), 0.9, 1.6,
        "likewise: exponential gaps have 1", "by start at the gateway, windows of 20 s, median, mean of the tenants", places=2,
    )  # fmt: skip


def _errors(of: Sample) -> Iterator[Figure]:
    failed = sum(int(_failed(tick).sum()) for tick in of.every)
    total = sum(len(tick) for tick in of.every)
    yield Figure(
        "requests that fail", 100 * failed / total, 0.1, 1,
        f"{JUDGEMENT}: objectives of 99 to 99.9 % are usual", "spans of the gateway with status error", " %", 2,
    )  # fmt: skip
    counts = np.concatenate([[_failed(tick).sum() for tick in tenant] for tenant in of.requests])
    ten = _by(counts, 10).sum(axis=1)
    yield Figure(
        "variance : mean of failed requests in ten seconds", float(ten.var() / ten.mean()), 1.5, 100,
        "Gilbert 1960: errors come in bursts; 1 would be chance", "likewise", places=1,
    )  # fmt: skip


def _latency(of: Sample) -> Iterator[Figure]:
    took: dict[int, list[Integers]] = defaultdict(list)
    for tick in of.every:
        at = roots(tick)
        route = np.array([shape.route for shape in tick.tables.all], np.int64)[tick.shape]
        for one in range(len(tick.tables.well)):
            took[one].append((tick.end[at] - tick.start[at])[route == one])
    ratios = []
    for each in took.values():
        half, most = np.percentile(np.concatenate(each), (50, 99))
        ratios.append(float(most / half))
    yield Figure(
        "latency p99 : p50, by route (median)", float(np.median(ratios)), 2.5, 10,
        "Dean and Barroso 2013: 10 at one leaf, 3.5 over a fan-out", "durations of the gateway's spans", places=2,
    )  # fmt: skip
    yield Figure(
        "latency p99 : p50, by route (largest)", max(ratios), 2.5, 30, "likewise", "likewise", places=2,
    )  # fmt: skip


def _traces(of: Sample) -> Iterator[Figure]:
    spans, depth, later = [], [], 0
    for tick in of.every:
        own = tick.tables.trace[tick.row] == 0
        spans.append(np.bincount(tick.request[own], minlength=len(tick)))
        deepest = np.zeros(len(tick), np.int64)
        np.maximum.at(deepest, tick.request[own], tick.tables.level[tick.row[own]] + 1)
        depth.append(deepest)
        later += int((~own).sum())
    sizes = np.concatenate(spans)
    yield Figure(
        "spans in a trace, median", float(np.median(sizes)), 5, 50, JUDGEMENT, "traces of users' requests", places=0
    )
    yield Figure("spans in a trace, p99", float(np.percentile(sizes, 99)), 15, 500, JUDGEMENT, "likewise", places=0)
    yield Figure(
        "levels of calls, mean", float(np.concatenate(depth).mean()), 3, 10, JUDGEMENT,
        "spans on the longest way from the root, client and server each one", places=1,
    )  # fmt: skip
    yield Figure(
        "spans that a message caused", 100 * later / (later + sizes.sum()), 0.5, 30, JUDGEMENT,
        "in traces of their own, linked", " %", 1,
    )  # fmt: skip


def _variety(of: Sample) -> Iterator[Figure]:
    users = np.concatenate([tick.pool["user"] for tick in of.requests[0]])
    counts = np.sort(np.bincount(users))[::-1]
    counts = counts[counts > 0]
    yield Figure(
        "requests of the busiest 1 % of users", 100 * float(counts[: max(1, len(counts) // 100)].sum() / counts.sum()), 10, 60,
        "Zipf's law with exponent about 1 (Adamic and Huberman 2002)", "users of the largest tenant", " %", 0,
    )  # fmt: skip
    distinct: dict[str, set[str]] = defaultdict(set)
    for line in of.lines:
        for key in ("user.id", "k8s.pod.name", "thread.name", "code.function.name"):
            distinct[key].add(line.attributes.get(key, ""))
    yield Figure("distinct user.id", float(len(distinct["user.id"])), 1_000, math.inf, "no bound, by its nature", "log records of the sample", places=0)  # fmt: skip
    yield Figure("distinct k8s.pod.name", float(len(distinct["k8s.pod.name"])), 20, 5_000, JUDGEMENT, "likewise", places=0)  # fmt: skip
    routes = {
        visit.operation.attributes["http.route"] for visit in of.every[0].tables.kinds if visit.operation.kind == SERVER
    }
    yield Figure(
        "distinct http.route", float(len(routes)), 5, 500,
        "OpenTelemetry's conventions: of low cardinality", "spans of servers", places=0,
    )  # fmt: skip


def _texts(of: Sample) -> Iterator[Figure]:
    lengths = np.array([len(line.body.encode()) for line in of.lines])
    yield Figure("bytes of a log line, median", float(np.median(lengths)), 80, 400, JUDGEMENT, "bodies of log records", places=0)  # fmt: skip
    yield Figure("bytes of a log line, p99", float(np.percentile(lengths, 99)), 250, 4_000, JUDGEMENT, "likewise", places=0)  # fmt: skip
    yield Figure("bytes of the longest : median", float(lengths.max() / np.median(lengths)), 3, math.inf, f"{JUDGEMENT}: stack traces", "likewise", places=1)  # fmt: skip
    text = "\n".join(line.body for line in of.lines).encode()
    counts = np.bincount(np.frombuffer(text, np.uint8), minlength=256)
    share = counts[counts > 0] / counts.sum()
    yield Figure(
        "entropy of a byte of the lines", float(-(share * np.log2(share)).sum()), 4.5, 6,
        f"{JUDGEMENT}: English has about 4.2 to 4.6, random hexadecimal digits 4, base64 6", "bytes taken one by one", " bits", 2,
    )  # fmt: skip
    chunks = [text[at : at + _CHUNK] for at in range(0, len(text) - _CHUNK, _CHUNK)]
    ratio = float(np.median([len(chunk) / len(zlib.compress(chunk, 6)) for chunk in chunks]))
    yield Figure("gzip of the lines, in blocks of 256 KiB", ratio, 4, 12, JUDGEMENT, "zlib, level 6", " : 1", 1)
    wire = float(np.median([len(body) / len(zlib.compress(body, 6)) for body in of.bodies if len(body) > 50_000]))
    yield Figure("gzip of a request of log records", wire, 3, 12, JUDGEMENT, "OTLP protobuf, zlib, level 6", " : 1", 1)
    shares = Counter(line.severity for line in of.lines)
    lines = sum(shares.values())
    yield Figure("log records of severity ERROR", 100 * shares["ERROR"] / lines, 0.05, 2, JUDGEMENT, "log records of the sample", " %", 2)  # fmt: skip
    yield Figure("log records of severity DEBUG", 100 * shares["DEBUG"] / lines, 0, 20, f"{JUDGEMENT}: off, or sampled", "likewise", " %", 1)  # fmt: skip
    yield Figure("log lines of a request, mean", lines / sum(len(tenant[at]) for tenant in of.requests for at in range(0, len(tenant), EVERY)), 1, 20, JUDGEMENT, "those of a second : requests that end in it", places=1)  # fmt: skip


def _templates(of: Sample) -> Iterator[Figure]:
    miners = mined(of)
    counts = [len(miner.templates) for miner in miners.values()]
    how = f"Drain over {len(of.lines):,} lines"
    yield Figure("log templates of a service, fewest", float(min(counts)), 5, 200, JUDGEMENT, how, places=0)
    yield Figure("log templates of a service, most", float(max(counts)), 5, 200, JUDGEMENT, how, places=0)
    rare = max(miner.rare for miner in miners.values())
    yield Figure("lines of a template seen once (worst service)", 100 * rare, 0, 1, JUDGEMENT, how, " %", 2)


def mined(of: Sample) -> dict[str, Miner]:
    """By service."""
    miners: dict[str, Miner] = defaultdict(Miner)
    for line in of.lines:
        miners[line.service].add(line.body)
    return dict(miners)


def _failed(tick: Requests) -> Integers:
    """(R,) 1 where the request's root failed."""
    classes = tick.span_class[roots(tick)]
    bad = np.array([of.status_code == 2 for of in tick.tables.classes])
    return bad[classes].astype(np.int64)


def _gaps(ticks: tuple[Requests, ...]) -> float:
    starts = np.sort(np.concatenate([tick.start[roots(tick)] for tick in ticks]))
    windows = (starts - starts[0]) // (20 * 10**9)
    found = []
    for window in range(1, int(windows[-1])):
        gaps = np.diff(starts[windows == window])
        if len(gaps) > 50:
            found.append(float(gaps.std() / gaps.mean()))
    return float(np.median(found))


def _by(values: Integers, size: int) -> Integers:
    """(n, size), what is left over left out."""
    return values[: len(values) // size * size].reshape(-1, size)
