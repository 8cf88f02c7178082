"""The grammar of a scenario's anomalies and quiet windows, and what can be wrong about them beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from runners.config.document import Document, Seconds, Strict
from runners.datagen.anomaly import OF_SERVICE, RATES, Anomaly, Kind
from runners.datagen.shop import SERVICES
from runners.lib.text import did_you_mean

# Series that anomalies may change: gauges whose level means something by itself.
SERIES = frozenset({"system.filesystem.utilization", "process.memory.usage", "process.thread.count"})
_SHARES = frozenset({Kind.ERROR_BURST, Kind.LOG_NOVELTY, Kind.SATURATION})


def _magnitude(value: Any) -> float:
    """`3`, `x3`, `0.4`, `40%`."""
    text = str(value).strip()
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text.removeprefix("x"))
    except ValueError:
        raise ValueError(f"{value!r} is not a magnitude; write for example x3 or 40%") from None


class Target(Strict):
    """Whom it strikes; what is left out means all of them."""

    tenant: str = ""
    service: str = ""
    series: str = ""


class ExpectedAlert(Strict):
    """name: the alert that must fire, with the labels tenant and service of the target; within: from the start."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    within: Annotated[Seconds, Field(gt=0)]


class AnomalyFile(Strict):
    """magnitude: a factor for rates, series and latency (of a deploy: the new version's, none at all if it is as fast), a
    share for errors, new patterns and saturation; silence has none."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    kind: Kind
    target: Target = Target()
    at: Annotated[Seconds, Field(ge=0)]
    lasts: Annotated[Seconds, Field(gt=0)]
    magnitude: Annotated[float, BeforeValidator(_magnitude), Field(ge=0, le=1000)] = 0.0
    alert: ExpectedAlert | None = None

    @property
    def anomaly(self) -> Anomaly:
        return Anomaly(
            self.name, self.kind, round(self.at * 1e9), round(self.lasts * 1e9), round(self.magnitude * 1000),
            self.target.tenant, self.target.service, self.target.series,
        )  # fmt: skip


class Quiet(Strict):
    """A window in which no alert may begin."""

    at: Annotated[Seconds, Field(ge=0)]
    lasts: Annotated[Seconds, Field(gt=0)]


def check_incidents(
    document: Document,
    anomalies: Sequence[AnomalyFile],
    quiet: Sequence[Quiet],
    tenants: Sequence[str],
    duration_s: float,
    *,
    tick_s: float,
) -> None:
    """Raises FileError with line and remedy for the first thing that makes no sense."""
    names: set[str] = set()
    for number, one in enumerate(anomalies):
        at = ("anomalies", number)
        if one.name in names:
            raise document.error(f"anomaly '{one.name}' is listed twice", (*at, "name"), "give it another name")
        names.add(one.name)
        for key, what, remedy in _wrong(one, tenants, duration_s):
            raise document.error(f"anomaly '{one.name}': {what}", (*at, *key), remedy)
        if other := next((other for other in anomalies[:number] if _same_rollout(one, other)), None):
            raise document.error(
                f"anomaly '{one.name}': a deploy while '{other.name}' still lasts", (*at, "at"), "let one end first"
            )
        if not one.anomaly.does_something(round(tick_s * 1e9), round(duration_s * 1e9)):
            raise document.error(
                f"anomaly '{one.name}': nothing comes of it between two ticks ({tick_s:g}s)", (*at, "lasts"),
                f"let it last {2 * tick_s:g}s or longer, and begin before the last tick",
            )  # fmt: skip
    for number, window in enumerate(quiet):
        if window.at >= duration_s:
            raise document.error(
                f"the quiet window at {window.at:g}s begins after the end ({duration_s:g}s)", ("quiet", number),
                "move it forward or take it out",
            )  # fmt: skip
        for one in anomalies:
            if one.at < window.at + window.lasts and window.at < one.at + one.lasts:
                raise document.error(
                    f"the quiet window at {window.at:g}s overlaps anomaly '{one.name}'", ("quiet", number),
                    "in a quiet window nothing may go wrong: move one of them",
                )  # fmt: skip


def _same_rollout(one: AnomalyFile, other: AnomalyFile) -> bool:
    """Do both deploy the same service of a tenant at the same time?"""
    return (
        one.kind is other.kind is Kind.DEPLOY
        and one.target.service == other.target.service
        and (one.target.tenant == other.target.tenant or not (one.target.tenant and other.target.tenant))
        and one.at < other.at + other.lasts
        and other.at < one.at + one.lasts
    )


def _wrong(
    one: AnomalyFile, tenants: Sequence[str], duration_s: float
) -> Iterator[tuple[tuple[str, ...], str, str | None]]:
    """(where, what, remedy) of all that is wrong with one anomaly."""
    target, kind = one.target, one.kind
    services = [service.name for service in SERVICES]
    if target.tenant and target.tenant not in tenants:
        yield ("target", "tenant"), f"there is no tenant '{target.tenant}'", did_you_mean(target.tenant, tenants)
    if target.service and target.service not in services:
        yield ("target", "service"), f"there is no service '{target.service}'", did_you_mean(target.service, services)
    if target.series and target.series not in SERIES:
        known = did_you_mean(target.series, SERIES)
        yield ("target", "series"), f"there is no series '{target.series}' to change", known
    if kind in RATES and target.service and not target.series:
        yield ("target", "service"), "requests are a tenant's, a service has no rate of its own", "name a tenant"
    if kind in OF_SERVICE and (not target.service or target.series):
        yield ("target",), f"'{kind}' strikes a service", f"write for example target: {{service: {services[0]}}}"
    if kind is Kind.SATURATION and not target.series:
        yield ("target",), "'saturation' strikes a series", "name the series that fills up"
    if one.at >= duration_s:
        yield ("at",), f"begins at {one.at:g}s, after the end ({duration_s:g}s)", "move it forward or take it out"
    if kind in _SHARES and not 0 < one.magnitude <= 1:
        yield ("magnitude",), f"{one.magnitude:g} is not a share above 0", "write for example magnitude: 40%"
    if kind is Kind.SILENT and one.magnitude:
        yield ("magnitude",), "a silent service is not more or less silent", "take the magnitude out"
    if kind is Kind.DIP and one.magnitude >= 1:
        yield ("magnitude",), f"a dip by {one.magnitude:g} is none", "write for example magnitude: 20%"
    if kind in (Kind.SPIKE, Kind.LATENCY) and one.magnitude <= 1:
        yield ("magnitude",), f"a {kind} by {one.magnitude:g} is none", "write for example magnitude: x4"
    if kind in (Kind.LEVEL_SHIFT, Kind.DRIFT) and one.magnitude in (0, 1):
        yield ("magnitude",), f"a {kind} by {one.magnitude:g} is none", "write for example magnitude: x2"
