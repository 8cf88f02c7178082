"""The scenario file: who sends how much of what, for how long, and how it is delivered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from runners.config.document import Document, Rate, Seconds, Share, Strict, check, parse
from runners.datagen.anomaly import Anomaly, Kind
from runners.datagen.formats.mix import Mix
from runners.datagen.incidents import AnomalyFile, Quiet, check_incidents
from runners.datagen.mishaps import Faults
from runners.datagen.rhythm import time_zone, week_time
from runners.datagen.shop import SERVICES
from runners.datagen.volume import requests_per_s
from runners.lib.errors import FileError
from runners.lib.units import parse_volume

MOST_MEMBERS = 256
"""Instances of a tenant in a run, replaced ones included: a sample's number has room for so many."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


def _churn(value: object) -> float:
    """`5%/h`: share a second."""
    share, _, unit = str(value).partition("/")
    per = {"s": 1, "m": 60, "min": 60, "h": 3600, "day": 86_400, "d": 86_400}.get(unit.strip())
    try:
        number = float(share.strip().removesuffix("%")) / 100
    except ValueError:
        number = -1.0
    if per is None or number < 0 or not share.strip().endswith("%"):
        raise ValueError(f"{value!r} is not a churn; write for example 5%/h")
    return number / per


class TenantLoad(Strict):
    """weight: the tenant's share of all requests is weight / sum of weights; rhythm: its week, by clocks in its zone."""

    id: Name
    weight: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    zone: Annotated[str, BeforeValidator(time_zone)] = "UTC"
    rhythm: Literal["flat", "office", "evening"] = "flat"


class WorldClock(Strict):
    """begins: what time of the week (UTC) it is when the run starts; without it, the real one. speed: how many seconds
    of the week pass in one of the run. Both bear on rhythms only: items carry the real time."""

    begins: Annotated[int, BeforeValidator(week_time)] | None = None
    speed: Annotated[float, Field(ge=1, le=100_000)] = 1.0


class Wave(Strict):
    """A sine on top of the base rate: ± amplitude (0..1) with this period."""

    amplitude: Share = 0.0
    period: Annotated[Seconds, Field(gt=0)] = 60.0


class Spike(Strict):
    """From `at`, for `lasts`, the rate is multiplied by `factor`."""

    at: Annotated[Seconds, Field(ge=0)]
    lasts: Annotated[Seconds, Field(gt=0)]
    factor: Annotated[float, Field(ge=0, le=1000)]


class Load(Strict):
    """requests: user requests a second, all tenants together, before rhythm, wave and spikes; or else volume: of logs and
    traces together, in bytes a second before compression. arrivals: even, or random as people's are (a Poisson process)."""

    requests: Annotated[Rate, Field(gt=0)] | None = None
    volume: Annotated[float, BeforeValidator(parse_volume), Field(gt=0)] | None = None
    arrivals: Literal["even", "random"] = "even"
    wave: Wave = Wave()
    spikes: tuple[Spike, ...] = ()

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests if self.requests is not None else requests_per_s(self.volume or 0.0)


class Metrics(Strict):
    """interval: between two samples of a series, a multiple of the tick; cpus: logical CPUs of each host; histograms: of
    request durations, too; restart: how often each instance restarts, just after a report, so that its counters begin anew; series: how many
    a store counts at any moment, all tenants together, instead of as many as come of themselves; churn: share of those
    added for it that are replaced by new ones, per time (share a second); staleness: is it said, by a marker, that a series has ended?"""

    interval: Annotated[Seconds, Field(gt=0)] = 10.0
    cpus: Annotated[int, Field(ge=1, le=128)] = 4
    histograms: bool = False
    restart: Annotated[Seconds, Field(gt=0)] | None = None
    series: Annotated[int, Field(ge=1, le=20_000_000)] | None = None
    churn: Annotated[float, BeforeValidator(_churn), Field(gt=0)] | None = None
    staleness: bool = False


class Logs(Strict):
    """formats: weights among the services of a shop, each of which keeps to one; empty: what its language is used to.
    debug: share of the requests whose debug records are written; without it, all are. asides: warnings and housekeeping among
    the records."""

    formats: dict[Literal["json", "logfmt", "plain", "klog", "rfc5424"], Annotated[float, Field(gt=0, le=1000)]] = (
        Field(default_factory=dict)
    )

    debug: Share | None = None
    asides: bool = False

    @property
    def mix(self) -> Mix:
        return tuple(sorted(self.formats.items()))


class LongTraces(Strict):
    """every: how often a job begins, for each tenant; lasts: how long it runs; share: of the requests meanwhile that are part
    of it, and so of its one trace."""

    every: Annotated[Seconds, Field(gt=0)]
    lasts: Annotated[Seconds, Field(gt=0)]
    share: Annotated[Share, Field(gt=0)] = 1.0


class Traces(Strict):
    """skew: by how much the clock of a host may be fast or slow; orphans: share of the spans that nobody hears of, so that
    what they called has no parent."""

    skew: Annotated[Seconds, Field(ge=0, le=3600)] = 0.0
    orphans: Annotated[Share, Field(le=0.5)] = 0.0
    long: LongTraces | None = None


class Delivery(Strict):
    """resend: share of acknowledged requests that are sent a second time with the same Idempotency-Key; faults: what else
    goes wrong on the way; compression: of OTLP, stores' own requests are snappy."""

    max_items: Annotated[int, Field(ge=1, le=10_000)] = 3_500
    compression: Literal["gzip", "zstd", "none"] = "gzip"
    senders: Annotated[int, Field(ge=1, le=64)] = 4
    queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    timeout: Annotated[Seconds, Field(gt=0)] = 5.0
    give_up: Annotated[Seconds, Field(gt=0)] = 60.0
    resend: Share = 0.0
    faults: Faults = Faults()

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, given: object) -> object:
        """`gzip: true` was written before there was a choice."""
        if isinstance(given, dict) and isinstance(given.get("gzip"), bool) and "compression" not in given:
            rest = {key: value for key, value in given.items() if key != "gzip"}
            return rest | {"compression": "gzip" if given["gzip"] else "none"}
        return given


class ScenarioFile(Strict):
    """The grammar of a scenario. question: what a run of it answers, a paragraph for people."""

    scenario: Name
    description: str = ""
    question: str = ""
    duration: Annotated[Seconds, Field(gt=0)]
    tick: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    tenants: Annotated[tuple[TenantLoad, ...], Field(min_length=1, max_length=200)]
    topology: Literal["shop"] = "shop"
    instances: Annotated[int, Field(ge=1, le=16)] = 2
    clock: WorldClock = WorldClock()
    load: Load
    errors: Share = 0.01
    metrics: Metrics = Metrics()
    logs: Logs = Logs()
    traces: Traces = Traces()
    delivery: Delivery = Delivery()
    anomalies: Annotated[tuple[AnomalyFile, ...], Field(max_length=200)] = ()
    quiet: Annotated[tuple[Quiet, ...], Field(max_length=200)] = ()


@dataclass(frozen=True)
class Scenario:
    """A checked scenario; source: the file's bytes, kept beside the ledger so that an audit needs nothing else."""

    file: ScenarioFile
    source: bytes
    document: Document

    @property
    def name(self) -> str:
        return self.file.scenario

    @property
    def tenants(self) -> tuple[str, ...]:
        return tuple(tenant.id for tenant in self.file.tenants)

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        return tuple(one.anomaly for one in self.file.anomalies)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.source).hexdigest()


def load_scenario(path: Path) -> Scenario:
    """Raises FileError with file, line and remedy."""
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        raise FileError("no such scenario", file=path, remedy="see `testbed data scenarios`") from None
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", file=path) from None
    return read_scenario(source, path)


def read_scenario(source: bytes, path: Path) -> Scenario:
    """As `load_scenario`, from bytes; `path` is for messages."""
    try:
        document = parse(source.decode(), path)
    except UnicodeDecodeError as error:
        byte = source[error.start]
        raise FileError(
            f"not text in UTF-8: byte {error.start + 1} is 0x{byte:02x}", file=path, remedy="save it as UTF-8"
        ) from None
    if (
        isinstance(document.data, dict)
        and "scenario" not in document.data
        and isinstance(document.data.get("load"), str)
    ):
        raise document.error("this is a load scenario", ("load",), "run it with: testbed load run")
    scenario = Scenario(check(document, ScenarioFile), source, document)
    _check_meaning(scenario)
    return scenario


def _check_meaning(scenario: Scenario) -> None:
    file, document = scenario.file, scenario.document
    for number, name in enumerate(scenario.tenants):
        if name in scenario.tenants[:number]:
            raise document.error(f"tenant '{name}' is listed twice", ("tenants", number), "keep one")
    ticks = file.metrics.interval / file.tick
    if abs(ticks - round(ticks)) > 1e-9 or ticks < 1:
        raise document.error(
            f"metrics.interval ({file.metrics.interval:g}s) is no multiple of the tick ({file.tick:g}s)",
            ("metrics", "interval"), f"write for example {max(1, round(ticks)) * file.tick:g}s",
        )  # fmt: skip
    if file.metrics.restart is not None and file.metrics.restart < file.metrics.interval:
        raise document.error(
            f"metrics.restart ({file.metrics.restart:g}s) is shorter than metrics.interval ({file.metrics.interval:g}s): "
            "what is counted between two of them would be told by nobody", ("metrics", "restart"),
            f"write {file.metrics.interval:g}s or more",
        )  # fmt: skip
    if file.metrics.churn is not None and file.metrics.series is None:
        raise document.error(
            "metrics.churn without metrics.series", ("metrics", "churn"), "say how many series there are"
        )
    if (file.load.requests is None) == (file.load.volume is None):
        both = "both requests and volume" if file.load.requests else "neither requests nor volume"
        raise document.error(f"load says {both}", ("load",), "keep one: requests: 2k/s, or volume: 50 GB/day")
    check_incidents(document, file.anomalies, file.quiet, scenario.tenants, file.duration, tick_s=file.tick)
    if (long := file.traces.long) is not None and not file.tick <= long.lasts <= long.every:
        raise document.error(
            f"a job of {long.lasts:g} s every {long.every:g} s, in ticks of {file.tick:g} s", ("traces", "long"),
            "let it last a tick at least, and end before the next one begins",
        )  # fmt: skip
    for name in scenario.tenants:
        deploys = [one for one in scenario.anomalies if one.kind is Kind.DEPLOY and one.tenant in ("", name)]
        if (most := file.instances * (len(SERVICES) + len(deploys))) > MOST_MEMBERS:
            raise document.error(
                f"{len(deploys)} deploys make {most} instances of tenant '{name}', {MOST_MEMBERS} can be told apart",
                ("instances",), "have fewer instances, or fewer deploys",
            )  # fmt: skip
    for number, spike in enumerate(file.load.spikes):
        if spike.at >= file.duration:
            raise document.error(
                f"the spike at {spike.at:g}s begins after the end ({file.duration:g}s)", ("load", "spikes", number),
                "move it forward or take it out",
            )  # fmt: skip
