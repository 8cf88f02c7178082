"""Counts over time by Prometheus itself, to the millisecond that it keeps.

A range includes its begin in Prometheus 2 and does not in 3: there the window of a bucket is one millisecond longer. Functions
over time drop the metric's name, and two metrics of the same labels would then be one series twice, which Prometheus
refuses: so each metric is counted by itself and its name put back as another label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from observastack.backend.stores.ports import FACET_VALUES, SAMPLES, Aggregated, Buckets
from observastack.backend.stores.prometheus.enforce import quoted
from observastack.backend.stores.prometheus.samples import MS, NAMES, moment
from observastack.backend.stores.remote.client import unusable

NAME = "observastack_name"
Ask = Callable[[str, dict[str, str]], Awaitable[dict[str, Any]]]
"""(path, form) → the answer's data."""


@dataclass(frozen=True)
class Counting:
    """series: a selector. closed: ranges include their begin. labels: the label by which each field is counted."""

    series: str
    closed: bool
    labels: Mapping[str, str | None]


def possible(start: int, end: int, buckets: Buckets) -> bool:
    """Buckets of whole milliseconds, and none of only one."""
    rest = _ceil(end) - _ceil(start)
    step = buckets.step // MS
    return start == buckets.start and buckets.step % MS == 0 and step > 1 and rest > 1 and rest % step != 1


async def count(ask: Ask, wanted: Counting, start: int, end: int, buckets: Buckets) -> Aggregated:
    """Raises SourceFailed."""
    first, last, step = _ceil(start), _ceil(end), buckets.step // MS
    counts: list[Counter[str]] = [Counter() for _ in range(buckets.count)]
    facets: dict[str, Counter[str]] = {name: Counter() for name in wanted.labels}
    whole = min((last - first) // step, buckets.count)
    rest = last - first - whole * step if whole < buckets.count else 0
    names = await _names(ask, wanted, last - first, last - 1)
    for some in (names[at : at + NAMES] for at in range(0, len(names), NAMES)):
        if whole:
            form = {
                "query": f"sum({_counted(wanted, some, step)})",
                "start": moment(first + step - 1),
                "end": moment(first + whole * step - 1),
                "step": moment(step),
            }
            for _, values in _series(await ask("/api/v1/query_range", form), "values"):
                for seconds, text in values:
                    counts[(round(seconds * 1000) - first) // step][SAMPLES] += int(float(text))
        if rest > 0:
            query = f"sum({_counted(wanted, some, rest)})"
            for _, value in await _now(ask, query, last - 1):
                counts[whole][SAMPLES] += value
        for field, label in wanted.labels.items():
            if label is not None:
                query = f"topk({FACET_VALUES}, sum by ({label}) ({_counted(wanted, some, last - first)}))"
                for labels, value in await _now(ask, query, last - 1):
                    facets[field][labels.get(label, "")] += value
    return Aggregated(
        [dict(one) for one in counts],
        {
            field: {value: number for value, number in found.most_common(FACET_VALUES) if value}
            for field, found in facets.items()
        },
    )


async def _names(ask: Ask, wanted: Counting, width: int, at: int) -> list[str]:
    """The metrics that have a sample in the window."""
    query = f"group by (__name__) (last_over_time({wanted.series}{_window(wanted, width)}))"
    return [labels.get("__name__", "") for labels, _ in await _now(ask, query, at)]


def _counted(wanted: Counting, names: Sequence[str], width: int) -> str:
    window = _window(wanted, width)
    return " or ".join(
        f"label_replace(count_over_time({{__name__={quoted(name)},{wanted.series[1:]}{window}), "
        f'"{NAME}", {quoted(name.replace("$", "$$"))}, "", "")'
        for name in names
    )


def _window(wanted: Counting, width: int) -> str:
    return f"[{width - 1 if wanted.closed else width}ms]"


async def _now(ask: Ask, query: str, at: int) -> list[tuple[dict[str, str], int]]:
    data = await ask("/api/v1/query", {"query": query, "time": moment(at)})
    return [(labels, int(float(value[1]))) for labels, value in _series(data, "value")]


def _series(data: dict[str, Any], member: str) -> Iterator[tuple[dict[str, str], Any]]:
    try:
        for one in data["result"]:
            yield one["metric"], one[member]
    except (KeyError, TypeError):
        raise unusable() from None


def _ceil(ns: int) -> int:
    """The first millisecond that does not lie before."""
    return -(-ns // MS)
