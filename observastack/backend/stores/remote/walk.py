"""Pages, exports and counts for a store that can be asked for parts of a time range.

An adapter says how one part is read (`Reader`); everything that must be exact (order, edges, cursors, the budget, what is
said about an early end) is here, once. The same shape as the embedded store's slices.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from observastack.backend.deadline import Budget
from observastack.backend.sources import SourceFailed, SourceName
from observastack.backend.stores.ports import (
    ERROR_SPANS,
    FACET_VALUES,
    LEAST_ID,
    SAMPLES,
    SEVERITIES,
    SPANS,
    Aggregated,
    Buckets,
    Found,
    Item,
    Line,
    Row,
    Selected,
    Wanted,
)
from observastack.backend.stores.remote.predicate import Predicate, text

FIRST_WIDTH_NS = 900 * 10**9
LEAST_WIDTH_NS = 10**9
GREATEST_WIDTH_NS = 7 * 86_400 * 10**9
PAGE_BUDGET_S = 1.0
COUNT_BUDGET_S = 2.0
EXPORT_READ_S = 30.0
FIRST_WANTED = 20
# A walk's first answer may take longer than its budget: a slow store is better than no answer. Below the platform's own
# time limit, so that what was found is still given out.
GRACE_S = 1.0


@dataclass(frozen=True)
class Part:
    """What was read of [first, last). rows: all items between the edge and the end where the reading began, in order.

    edge: None when that is the whole part; else the rest lies before it (descending) or from it on (ascending).
    """

    rows: Sequence[Row]
    edge: int | None = None


class Reader(Protocol):
    """Reads a part of a time range; every call makes progress. Rows need not be filtered yet. Raises SourceFailed."""

    async def __call__(self, first: int, last: int, *, descending: bool, wanted: int, timeout_s: float) -> Part: ...


@dataclass
class Left:
    """[low, high): what of a range is still to be read; shrinks from the end where the walk began."""

    low: int
    high: int

    @property
    def nothing(self) -> bool:
        return self.low >= self.high


@dataclass(frozen=True)
class Walk:
    """A reader and what of it counts."""

    read: Reader
    passes: Predicate
    timeout_s: float


async def page(walk: Walk, wanted: Wanted) -> Found:
    """Raises SourceFailed when not even the first part could be read."""
    after, descending, left = wanted.after, wanted.descending, Left(wanted.selected.start, wanted.selected.end)
    if after is not None:
        left = Left(left.low, min(left.high, after[0] + 1)) if descending else Left(max(left.low, after[0]), left.high)
    rows: list[Row] = []
    async for part in _parts(walk, left, descending=descending, wanted=wanted.limit, budget_s=PAGE_BUDGET_S):
        for row in part.rows:
            beyond = after is None or ((row[:2] < after) if descending else (row[:2] > after))
            if beyond and walk.passes(row[2]):
                rows.append(row)
        if len(rows) >= wanted.limit:
            rows = rows[: wanted.limit]
            return Found(rows, False, rows[-1][:2])
    return Found(rows, left.nothing, None if left.nothing else (left.high if descending else left.low, LEAST_ID))


async def _parts(walk: Walk, left: Left, *, descending: bool, wanted: int, budget_s: float) -> AsyncIterator[Part]:
    """Parts in order, each taken off what is left, until all is read or the budget ends."""
    budget, limit = Budget(budget_s), Budget(max(walk.timeout_s - GRACE_S, walk.timeout_s / 2))
    width, any_read = FIRST_WIDTH_NS, False
    while not left.nothing:
        first, last = (
            (max(left.low, left.high - width), left.high)
            if descending
            else (left.low, min(left.high, left.low + width))
        )
        before = budget.left
        # The first part may use all the time there is, a later one only a little more than is left.
        allowed = limit.left if not any_read else min(limit.left, max(budget.left * 2, 0.3))
        try:
            part = await walk.read(first, last, descending=descending, wanted=wanted, timeout_s=max(allowed, 0.05))
        except SourceFailed as failure:
            if failure.status == "timeout" and any_read:
                return
            raise
        any_read = True
        edge = part.edge if part.edge is not None else (first if descending else last)
        if descending:
            left.high = edge
        else:
            left.low = edge
        yield part
        if budget.left <= 0:
            return
        took = max(before - budget.left, 1e-3)
        # The next part as wide as takes half of what is left, at the speed just seen.
        width = int(max(LEAST_WIDTH_NS, min(width * 4, width * budget.left / took * 0.5, GREATEST_WIDTH_NS)))


@contextlib.asynccontextmanager
async def export(walk: Walk, selected: Selected) -> AsyncIterator[AsyncIterator[list[Line]]]:
    """Everything, ascending; ends with SourceFailed and never early."""
    yield _batches(walk, selected)


async def _batches(walk: Walk, selected: Selected) -> AsyncIterator[list[Line]]:
    # The first read is waited for before the answer has begun: no longer than for any other answer. So it asks for little,
    # which a store that needs a tenth of a second for each trace can give in that time, too.
    low, width, wanted, patience = selected.start, FIRST_WIDTH_NS, FIRST_WANTED, walk.timeout_s
    while low < selected.end:
        last = min(selected.end, low + width)
        part = await walk.read(low, last, descending=False, wanted=wanted, timeout_s=patience)
        wanted, patience = 5_000, EXPORT_READ_S
        low = last if part.edge is None else part.edge
        width = min(width * 4, GREATEST_WIDTH_NS) if part.edge is None else FIRST_WIDTH_NS
        rows = [row for row in part.rows if walk.passes(row[2])]
        if rows:
            yield [(row[0], orjson.dumps(row[2], option=orjson.OPT_APPEND_NEWLINE)) for row in rows]


async def aggregate(
    walk: Walk,
    source: SourceName,
    selected: Selected,
    buckets: Buckets,
    fields: dict[str, Callable[[Item], Any] | None],
) -> Aggregated:
    """Counts what is read, newest first, until the budget ends."""
    counts: list[Counter[str]] = [Counter() for _ in range(buckets.count)]
    facets: dict[str, Counter[str]] = {name: Counter() for name in fields}
    left = Left(selected.start, selected.end)
    async for part in _parts(walk, left, descending=True, wanted=5_000, budget_s=COUNT_BUDGET_S):
        for ts, _, item in part.rows:
            if not walk.passes(item):
                continue
            counts[(ts - buckets.start) // buckets.step][_key(source, item)] += 1
            for name, read in fields.items():
                if read is not None and (value := facet_text(name, read(item))) is not None:
                    facets[name][value] += 1
    return Aggregated(
        [dict(one) for one in counts],
        {name: dict(found.most_common(FACET_VALUES)) for name, found in facets.items()},
        left.nothing,
        None if left.nothing else left.high,
    )


def added(one: Aggregated, other: Aggregated) -> Aggregated:
    """The counts of two parts of one range."""
    facets = {
        name: dict((Counter(values) + Counter(other.facets[name])).most_common(FACET_VALUES))
        for name, values in one.facets.items()
    }
    counts = [dict(Counter(mine) + Counter(theirs)) for mine, theirs in zip(one.counts, other.counts, strict=True)]
    return Aggregated(counts, facets, one.complete and other.complete, other.searched_from)


def severity_name(number: int) -> str:
    """Every four numbers have one name."""
    return SEVERITIES[0] if number <= 0 else SEVERITIES[min((number + 3) // 4, 6)]


def facet_text(name: str, value: Any) -> str | None:
    return severity_name(value) if name == "severity" and value is not None else text(value)


def _key(source: SourceName, item: Item) -> str:
    if source == "logs":
        return severity_name(item["content"]["severity_number"])
    if source == "traces":
        return ERROR_SPANS if item["content"]["status_code"] == 2 else SPANS
    return SAMPLES
