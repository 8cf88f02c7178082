"""What a scenario measures, worked out for each tenant: exactly as many series as it asks for."""

from __future__ import annotations

from dataclasses import replace

from runners.datagen.model.filler import Filler
from runners.datagen.model.metrics import MAX_SERIES, Gauging
from runners.datagen.model.series import series_of
from runners.datagen.scenario import Scenario
from runners.datagen.shop import SERVICES


def gauged(scenario: Scenario) -> list[Gauging]:
    """By tenant. The series that are missing to `metrics.series` are spread evenly over all instances of all tenants.

    Raises FileError when the scenario has more without them, or asks for more than there can be.
    """
    file = scenario.file
    of = file.metrics
    plain = Gauging(round(of.interval / file.tick), of.cpus, of.histograms, round((of.restart or 0) / file.tick))
    tenants = len(scenario.tenants)
    if of.series is None:
        return [plain] * tenants
    own = file.instances * sum(
        series.shown
        for service in range(len(SERVICES))
        for series in series_of(service, of.cpus, histograms=of.histograms)
    )
    least = tenants * (own + 1)  # a sentinel each
    missing, instances = of.series - least, tenants * len(SERVICES) * file.instances
    where = ("metrics", "series")
    if missing < 0:
        raise scenario.document.error(
            f"metrics.series is {of.series:,}, but what is measured anyway makes {least:,}", where,
            f"write {least} or more, or measure less (cpus, instances, histograms)",
        )  # fmt: skip
    # The markers of shards that are replaced have numbers behind those of all points of their instance.
    longest = max(len(series_of(service, of.cpus, histograms=of.histograms)) for service in range(len(SERVICES)))
    most = least + instances * (MAX_SERIES // 2 - longest * of.staleness)
    if of.series > most:
        raise scenario.document.error(
            f"metrics.series is {of.series:,}: {instances} instances have {most:,} at most", where, "add instances"
        )
    lifetime = 0 if of.churn is None else max(1, round(1 / of.churn / file.tick))
    if lifetime and lifetime < plain.interval:
        raise scenario.document.error(
            "metrics.churn replaces series faster than they are written", ("metrics", "churn"),
            "lower it, or shorten metrics.interval",
        )  # fmt: skip
    each, more = divmod(missing, instances)
    fillers = [Filler(each + (number < more), lifetime) for number in range(instances)]
    share = instances // tenants
    return [replace(plain, fillers=tuple(fillers[first : first + share])) for first in range(0, instances, share)]
