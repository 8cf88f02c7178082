"""Counts over time by Loki itself: metric queries whose windows are the buckets to the nanosecond.

Loki moves the times of a range query onto multiples of its step. So the query is asked at such multiples, and an offset moves
the windows back onto the buckets: at a time t, `[step] offset o` counts what lies in (t - o - step, t - o].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from observastack.backend.stores.ports import FACET_VALUES, Aggregated, Buckets
from observastack.backend.stores.remote.client import unusable
from observastack.backend.stores.remote.walk import severity_name

MS = 10**6
FIELDS = frozenset({"service", "severity"})
GREATEST_RANGE_NS = 29 * 86_400 * 10**9
"""Loki's default limit of one query is 30 days and an hour."""
Ask = Callable[[str, dict[str, str]], Awaitable[Any]]
"""(path, parameters) → the answer."""


def possible(start: int, end: int, buckets: Buckets, fields: Sequence[str]) -> bool:
    """Windows are whole milliseconds in LogQL, and only what is a label can be told apart."""
    return (
        start == buckets.start
        and buckets.step % MS == 0
        and end - start <= GREATEST_RANGE_NS
        and FIELDS.issuperset(fields)
    )


async def count(ask: Ask, query: str, end: int, buckets: Buckets, fields: Sequence[str]) -> tuple[Aggregated, int]:
    """What lies before the time returned, which is less than a millisecond before `end`. Raises SourceFailed."""
    counts: list[Counter[str]] = [Counter() for _ in range(buckets.count)]
    facets: dict[str, Counter[str]] = {name: Counter() for name in fields}

    def add(place: int, labels: dict[str, str], number: int) -> None:
        number_of = labels.get("severity_number", "")
        severity = severity_name(int(number_of) if number_of.isdecimal() else 0)
        counts[place][severity] += number
        for name, value in (("service", labels.get("service_name", "")), ("severity", severity)):
            if name in facets:
                facets[name][value] += number

    whole = min((end - buckets.start) // buckets.step, buckets.count)
    if whole > 0:
        last_of_first = buckets.start + buckets.step - 1
        at = -(-last_of_first // buckets.step) * buckets.step
        window = f"[{buckets.step // MS}ms]" + (f" offset {at - last_of_first}ns" if at > last_of_first else "")
        parameters = {
            "query": _summed(query, window),
            "start": str(at),
            "end": str(at + (whole - 1) * buckets.step),
            "step": f"{buckets.step // MS}ms",
        }
        answer = await ask("/loki/api/v1/query_range", parameters)
        for labels, values in _series(answer, "values"):
            for seconds, text in values:
                # With an offset that is not whole milliseconds Loki names times that are one off.
                place = round((float(seconds) * 1e9 - at) / buckets.step)
                if not 0 <= place < whole:
                    raise unusable()
                add(place, labels, int(text))
    reached = buckets.start + whole * buckets.step
    # The last bucket ends early, as far as whole milliseconds go.
    if rest := max(end - reached, 0) // MS:
        reached += rest * MS
        parameters = {"query": _summed(query, f"[{rest}ms]"), "time": str(reached - 1)}
        for labels, value in _series(await ask("/loki/api/v1/query", parameters), "value"):
            add(whole, labels, int(value[1]))
    answered = {name: dict(found.most_common(FACET_VALUES)) for name, found in facets.items()}
    return Aggregated([dict(one) for one in counts], answered), reached


def _summed(query: str, window: str) -> str:
    return f"sum by (severity_number, service_name) (count_over_time({query} {window}))"


def _series(answer: Any, member: str) -> Iterator[tuple[dict[str, str], Any]]:
    try:
        for one in answer["data"]["result"]:
            yield one["metric"], one[member]
    except (KeyError, TypeError):
        raise unusable() from None
