"""What decoding a request yields, and the dictionaries that are known to be in the store already."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from observastack import defects
from observastack.ingest.otlp.values import attributes, to_json, trimmed
from observastack.store.rows import ResourceRow, SeriesRow, Signal
from observastack.store.rows import field as encoded_field

MAX_ITEMS = 1 << 18
"""Items of one request; the item ids of a request come from one block."""
_MAX_MEMO = 200_000
"""Series; each is known by the bytes of its attributes and by its number."""
_MAX_MEMO_BYTES = 64 << 20
"""Of the bytes that things are known by. What is known takes some six times as much memory."""
_MAX_SERVICE = 255


class BadRequest(ValueError):
    """The request as a whole cannot be decoded: 400."""


class TooLarge(ValueError):
    """The request is larger than the gateway accepts: 413."""


class Further(bytes):
    """A row that belongs to the same item as the row before it: a histogram's data point becomes several samples."""


def items_of(rows: Iterable[bytes]) -> int:
    """How many items these rows are, as their sender counts them."""
    return sum(type(row) is bytes for row in rows)


@dataclass(slots=True)
class Batch:
    """The rows of one request. resources, series: dictionary rows that its transaction must bring along."""

    signal: Signal
    rows: list[bytes] = field(default_factory=list)
    resources: dict[int, ResourceRow] = field(default_factory=dict)
    series: dict[int, SeriesRow] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    further: bool = False
    """Whether some rows belong to the item before them; else they need not be looked at to be counted."""
    refused: int = 0
    """How many of the items the store itself would not take; they are among the rejected."""

    def reject(self, reason: str, count: int = 1) -> None:
        if count:
            self.rejected[reason] += count

    def refuse(self, reason: str, count: int) -> None:
        """The store would not take so many of the items."""
        self.reject(reason, count)
        self.refused += count

    @property
    def items(self) -> int:
        """How many items the rows are."""
        return items_of(self.rows) if self.further else len(self.rows)

    @property
    def rejected_items(self) -> int:
        return self.rejected.total()

    def message(self) -> str:
        """Why items were rejected: "3 items: outside the time window"."""
        return "; ".join(
            f"{count} {'item' if count == 1 else 'items'}: {reason}" for reason, count in self.rejected.items()
        )

    def keep_window(self, oldest: int, newest: int) -> None:
        """Reject the rows whose time lies outside [oldest, newest] ns."""
        if not self.rows:
            return
        low, high = oldest.to_bytes(8, "big"), newest.to_bytes(8, "big")  # big endian: order of bytes is order of time
        times = [row[6:14] for row in self.rows]
        if min(times) >= low and max(times) <= high:
            return
        before = self.items
        kept = [row for row, time in zip(self.rows, times, strict=True) if low <= time <= high]
        self.rows = kept
        self.reject("timestamp outside the accepted time window", before - self.items)


def hashed_id(*parts: bytes) -> int:
    """8 bytes of blake2b as a signed integer: an id that needs no round trip to the database."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big", signed=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """A data point with the flag no_recorded_value: its series has ended."""

    series: SeriesRow


Tails = dict[bytes, "SeriesRow | Ended | str"]


class Dictionary:
    """Resources and series of this process, found again by the very bytes they were sent as.

    Until a transaction with a dictionary row has been committed, every batch that uses the row brings it along (inserts
    ignore what exists). Shared by the writer threads: single dict and set operations are atomic, and a lost update only
    costs another such insert.
    """

    def __init__(self) -> None:
        self._resources: dict[tuple[int, bytes], ResourceRow] = {}
        self._tails: dict[tuple[object, ...], Tails] = {}
        self._known = self._known_bytes = 0
        self._stored_resources: set[tuple[int, int]] = set()
        self._stored_series: set[int] = set()
        self.series: dict[int, SeriesRow] = {}

    def begin(self) -> None:
        """Before each batch: what is known is forgotten when it has become too much. That costs a parse of each series, and
        keeps series that come and go for ever from filling the memory."""
        if self._known >= 2 * _MAX_MEMO or self._known_bytes >= _MAX_MEMO_BYTES:
            self._tails.clear()
            self.series.clear()
            self._resources.clear()
            self._known = self._known_bytes = 0

    def learnt(self, size: int) -> None:
        """One more thing is known, by so many bytes."""
        self._known += 1
        self._known_bytes += size

    def resource(self, tenant: int, resource: Resource, batch: Batch) -> ResourceRow:
        return self.resource_of(tenant, resource.SerializeToString(), batch)

    def resource_of(self, tenant: int, raw: bytes, batch: Batch) -> ResourceRow:
        """The resource sent as these bytes. Raises DecodeError."""
        row = self._resources.get((tenant, raw))
        if row is None:
            values = attributes(Resource.FromString(raw).attributes)
            name = values.get("service.name")
            service = name[:_MAX_SERVICE] if isinstance(name, str) and name else "unknown_service"
            if defects.active("resource_attributes_lost"):
                values = {"service.name": service}
            attrs = trimmed(to_json(values, ordered=True))
            number = hashed_id(tenant.to_bytes(4, "big"), attrs)
            row = ResourceRow(tenant, number, service, attrs, encoded_field(service.encode()))
            self._resources[(tenant, raw)] = row
            self.learnt(len(raw))
        if (tenant, row.resource_id) not in self._stored_resources:
            batch.resources[row.resource_id] = row
        return row

    def tails(self, metric: tuple[object, ...]) -> Tails:
        """The series of one metric by the bytes of their attributes; a text is the reason why such points are rejected."""
        known = self._tails.get(metric)
        if known is None:
            known = self._tails[metric] = {}
            self.learnt(sys.getsizeof(known))
        return known

    def use(self, row: SeriesRow, batch: Batch) -> None:
        """The batch needs this series in the store."""
        if row.series_id not in self._stored_series:
            batch.series[row.series_id] = row

    def committed(self, tenant: int, batch: Batch) -> None:
        """The batch's dictionary rows are in the store now."""
        if len(self._stored_resources) + len(self._stored_series) > 2 * _MAX_MEMO:
            self._stored_resources.clear()
            self._stored_series.clear()
        self._stored_resources.update((tenant, resource_id) for resource_id in batch.resources)
        self._stored_series.update(batch.series)
