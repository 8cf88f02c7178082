"""Samples to Prometheus: remote write 1.0, the tenant as the label `tenant`, set last so that nobody can send it.

Prometheus keeps milliseconds: of two different samples of a series within one the first is kept, the other is rejected.
Everything or nothing of a push is stored, so a push that is refused is cut until the refused samples stand alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

import orjson

from observastack.ingest.foreign import snappy
from observastack.ingest.foreign.messages import WriteRequest
from observastack.ingest.foreign.remote_write import TENANT_LABEL
from observastack.ingest.otlp import Batch, Further
from observastack.ingest.request import Request
from observastack.ingest.sinks.http import Reply, StoreConnection
from observastack.ingest.sinks.remote import Busy, RemoteSink
from observastack.ingest.sinks.splitting import PartlyRefused, store_all
from observastack.store.labels import label_name, labels_of
from observastack.store.rows import COLUMNS, ResourceRow, SeriesRow, row_fields, row_time
from observastack.store.write import Unavailable

_SAMPLES = 20_000
"""Samples of one push."""
_MAX_LABELS = 64 << 20
"""Bytes of the labels of all series of a request: a small body with one large resource can have a thousand times its size."""
_MS = 10**6
_HEADERS = {
    "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
}  # fmt: skip
_TOO_OLD = ("out of bounds", "too old")  # both measure against the newest sample of all series
_REASONS = (*_TOO_OLD, "out of order", "duplicate sample")
Labels = tuple[tuple[str, str], ...]
_double = Struct(">d")


class _Sample(NamedTuple):
    """ms: Unix time in milliseconds. counts: it is an item, not one more sample of the item before it."""

    ms: int
    labels: Labels
    value: float
    counts: bool


class PrometheusSink(RemoteSink):
    keeps = "metric"

    def __init__(self, url: str, timeout_s: float) -> None:
        self._connection = StoreConnection(url, timeout_s)

    def close(self) -> None:
        self._connection.close()

    def _put(self, request: Request, batch: Batch) -> None:
        own = request.format == "remote_write"
        if sum(_size(series, batch.resources) for series in batch.series.values()) > _MAX_LABELS:
            batch.refuse(f"their request has more than {_MAX_LABELS >> 20} MiB of labels", batch.items)
            return
        labels = {
            number: _labels(series, batch.resources, request.tenant, own_labels=own)
            for number, series in batch.series.items()
        }
        samples: dict[tuple[Labels, int], _Sample] = {}
        item, doubled = 0, set[int]()
        for row in batch.rows:
            counts = not isinstance(row, Further)
            item += counts
            fields = dict(zip(COLUMNS["metrics"], row_fields(row), strict=True))
            series = labels[int.from_bytes(fields["series_id"] or b"", "big", signed=True)]
            sample = _Sample(row_time(row) // _MS, series, _double.unpack(fields["value"] or b"")[0], counts)
            kept = samples.setdefault((series, sample.ms), sample)
            if kept is not sample and _double.pack(kept.value) != _double.pack(sample.value):  # NaN is NaN
                doubled.add(item)
        batch.refuse("another sample of its series in the same millisecond", len(doubled))
        ordered = sorted(samples.values(), key=lambda sample: sample.ms)
        for at in range(0, len(ordered), _SAMPLES):
            store_all(ordered[at : at + _SAMPLES], self._push, batch.refuse, _items)

    def _push(self, samples: Sequence[_Sample]) -> None:
        """Raises PartlyRefused, Busy, Unavailable."""
        request = WriteRequest()
        known: dict[Labels, Any] = {}
        for sample in samples:
            series = known.get(sample.labels)
            if series is None:
                series = known[sample.labels] = request.timeseries.add()
                for name, value in sample.labels:
                    series.labels.add(name=name, value=value)
            series.samples.add(value=sample.value, timestamp=sample.ms)
        reply = self._connection.post("/api/v1/write", snappy.deflate(request.SerializeToString()), _HEADERS)
        if 200 <= reply.status < 300:
            return
        if reply.status == 429:
            raise Busy(reply.retry_after_s)
        # 2.42 calls a sample that is too old even for its out-of-order window an internal error.
        if reply.status in (400, 413, 422) or (reply.status == 500 and any(each in reply.text for each in _REASONS)):
            raise PartlyRefused(_reason(reply), too_old=any(each in reply.text for each in _TOO_OLD))
        raise Unavailable(f"Prometheus answers {reply.status}")


def _items(samples: Sequence[_Sample]) -> int:
    return sum(sample.counts for sample in samples)


def _size(series: SeriesRow, resources: dict[int, ResourceRow]) -> int:
    """Bytes of its labels, about: a resource is sent once and is in every series."""
    resource = resources.get(series.resource_id)
    return len(series.labels) + (0 if resource is None else len(resource.attrs))


def _labels(series: SeriesRow, resources: dict[int, ResourceRow], tenant: str, *, own_labels: bool) -> Labels:
    """Sorted, as remote write wants them. own_labels: the series came with labels of Prometheus' own making."""
    attributes = orjson.loads(series.labels)
    if own_labels:
        labels = {label_name(name): str(value) for name, value in attributes.items() if value}
        labels.update({"__name__": series.name, TENANT_LABEL: tenant})
    else:
        resource = orjson.loads(resources[series.resource_id].attrs)
        labels = labels_of(series.name, series.service, tenant, resource, attributes)
    return tuple(sorted(labels.items()))


def _reason(reply: Reply) -> str:
    known = next((reason for reason in _REASONS if reason in reply.text), None)
    return "refused by the metric store" + (f": {known}" if known else "")
