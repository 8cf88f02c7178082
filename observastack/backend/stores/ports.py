"""What the platform asks of a signal store. The routes know these protocols and nothing of the adapters behind them.

The tenant is an argument of every call, taken from the verified principal; no adapter accepts one from elsewhere. All
times are nanoseconds since 1970. An adapter raises what is named here and never an error of its own driver:

* SourceFailed: no answer, or none in time; the reason is for callers and names no internals
* BadFilter: a filter without meaning (422) · BadQuery: no PromQL (400) · Unsupported (501) · TooMuch (422)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from observastack.backend.search.model import Filter
    from observastack.backend.sources import SourceName

Position = tuple[int, int]
"""(ts, tie-breaker) of an item: the total order in which pages walk. The tie-breaker is 64 bits, signed."""
LEAST_ID = -(1 << 63)
Item = dict[str, Any]
"""A search item: id, timestamp, time_unix_nano, source, service, trace_id, content."""
Row = tuple[int, int, Item]
"""An item with its position before it."""
Line = tuple[int, bytes]
"""An item of an export: its time and its line of NDJSON."""
SEVERITIES = ("unspecified", "trace", "debug", "info", "warn", "error", "fatal")
SPANS, ERROR_SPANS, SAMPLES = "spans", "error spans", "samples"


@dataclass(frozen=True)
class Tenant:
    """Whose items: the number in the platform's database, the key everywhere else (labels, headers)."""

    number: int
    key: str


@dataclass(frozen=True)
class Selected:
    """Which items: those in [start, end) that all filters and the free text let through."""

    start: int
    end: int
    filters: Sequence[Filter] = ()
    free_text: str | None = None


@dataclass(frozen=True)
class Wanted:
    """A page: up to `limit` items beyond `after` (None: from the first) in the direction."""

    selected: Selected
    after: Position | None
    descending: bool
    limit: int


@dataclass(frozen=True)
class Found:
    """A page. rows in order. complete: the range is exhausted. frontier: how far everything was searched, when it is not."""

    rows: Sequence[Row]
    complete: bool
    frontier: Position | None


@dataclass(frozen=True)
class Buckets:
    """`count` equal parts of time from `start` on, `step` ns each."""

    start: int
    step: int
    count: int


@dataclass
class Aggregated:
    """Counts of what matches.

    counts: for each bucket {key: items}; the keys are SEVERITIES for logs, SPANS (without an error) and ERROR_SPANS for
    traces, SAMPLES for metrics, so that the sum over all of them is the number of items.
    facets: for each field {value: items}, most frequent first, at most FACET_VALUES.
    complete: False when the budget ended first; `searched_from` is then how far back the counts reach.
    """

    counts: list[dict[str, int]]
    facets: dict[str, dict[str, int]] = field(default_factory=dict)
    complete: bool = True
    searched_from: int | None = None


FACET_VALUES = 50


class SignalStore(Protocol):
    """What the stores of all three signals have in common."""

    @property
    def implementation(self) -> str:
        """The adapter's name: embedded, loki, prometheus or tempo."""

    def check(self, selected: Selected) -> None:
        """Whether the filters have a meaning, without asking the store. Raises BadFilter."""

    async def page(self, tenant: Tenant, wanted: Wanted) -> Found:
        """Ends at its own budget at the latest, with what was found and how far that reaches."""

    def export(self, tenant: Tenant, selected: Selected) -> AbstractAsyncContextManager[AsyncIterator[list[Line]]]:
        """Everything, in ascending order, a batch at a time, read as fast as the batches are taken."""

    async def aggregate(
        self, tenant: Tenant, selected: Selected, buckets: Buckets, fields: Sequence[str]
    ) -> Aggregated:
        """Counts over time, and how often each value of the fields occurs. Fields: as in filters. Raises BadFilter."""

    def probe(self) -> Coroutine[Any, Any, None]:
        """Return when the store can answer. Raises SourceFailed."""

    async def version(self) -> str | None:
        """What the server says it is; None when it does not say."""

    async def close(self) -> None: ...


class LogStore(SignalStore, Protocol):
    """Log records."""

    async def of_trace(
        self, tenant: Tenant, trace_id: str, limit: int, around: tuple[int, int] | None = None
    ) -> list[Item]:
        """The first `limit` records of a trace (32 lower-case hexadecimal digits) in order of time.

        around: first and last time of its spans, where they are known. A store without an index of traces looks only
        there and an hour to both sides.
        """


@dataclass(frozen=True)
class Summary:
    """A trace. service, name: of its root span (the earliest one when the root is not there)."""

    service: str
    name: str
    start: int
    duration: int
    spans: int
    errors: int


class TraceStore(SignalStore, Protocol):
    """Spans. A trace id that two tenants share shows each its own spans."""

    async def spans(self, tenant: Tenant, trace_id: str, limit: int) -> list[Item]:
        """The first `limit` spans of a trace in order of start; empty when the tenant has none."""

    async def summaries(self, tenant: Tenant, trace_ids: Sequence[str]) -> dict[str, Summary]:
        """Each trace that the tenant has, by its id."""


class MetricStore(SignalStore, Protocol):
    """Samples and PromQL. Answers are the `data` of Prometheus' HTTP API (resultType, result)."""

    @property
    def functions(self) -> Sequence[str]:
        """What PromQL functions are evaluated; anything else is Unsupported."""

    @property
    def aggregations(self) -> Sequence[str]: ...

    async def instant(self, tenant: Tenant, query: str, at: int) -> dict[str, Any]: ...

    async def range(self, tenant: Tenant, query: str, *, start: int, end: int, step: int) -> dict[str, Any]: ...

    async def label_names(self, tenant: Tenant) -> list[str]: ...

    async def label_values(self, tenant: Tenant, label: str) -> list[str]: ...


@dataclass(frozen=True)
class Stores:
    """One store per signal; several signals may share an adapter."""

    logs: LogStore
    metrics: MetricStore
    traces: TraceStore

    def of(self, source: SourceName) -> SignalStore:
        return {"logs": self.logs, "metrics": self.metrics, "traces": self.traces}[source]

    def __iter__(self) -> Iterator[SignalStore]:
        return iter((self.logs, self.metrics, self.traces))

    async def close(self) -> None:
        for store in self:
            await store.close()
