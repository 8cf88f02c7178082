"""Metric samples as a request of Prometheus remote write 1.0: protobuf, to be sent as one snappy block.

    WriteRequest = timeseries(1)*    series = labels(1)* samples(2)*    sample = value(1: double) timestamp(2: ms)

Sources: Prometheus Remote-Write 1.0 specification; prometheus/prometheus prompb/types.proto. Labels are sorted by name.
They are those of `ledger.sight`, with the metric's name, its service and its tenant: what the platform makes of OTLP.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from runners.ledger.items import Point, Sample
from runners.ledger.shown import BOUND, shown
from runners.ledger.sight import labels
from runners.wire.frames import field, varint

PATH = "/api/v1/write"
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0002))[0]
"""The NaN that says that a series has ended (Prometheus, model/value: StaleNaN)."""
_SERIES = _LABELS = _NAME = b"\x0a"
_SAMPLES = _TEXT = b"\x12"
_VALUE = struct.Struct("<cd")
_MS = 1_000_000


def encode_write(tenant: str, points: Iterable[Point]) -> bytes:
    """One write request; series in the order of their first samples, the samples of each in theirs.

    A histogram is the series in which it is shown. Milliseconds are cut off, as a store does that keeps them.
    """
    series: dict[bytes, list[bytes]] = {}
    for point in points:
        for of, value in samples_of(tenant, point):
            series.setdefault(_head(of), []).append(_sample(value, point.time))
    return b"".join(field(_SERIES, head + b"".join(points)) for head, points in series.items())


def samples_of(tenant: str, point: Point) -> Iterator[tuple[dict[str, str], float]]:
    """(labels, value) of each sample that a data point becomes."""
    if isinstance(point, Sample):
        yield labels_of(tenant, point), STALE if point.ended else float(point.value)
        return
    for one in shown(point):
        attributes = point.attributes if one.le is None else {**point.attributes, BOUND: one.le}
        named = {"__name__": point.name + one.suffix, "service": point.resource.service, "tenant": tenant}
        yield labels(point.resource, attributes) | named, STALE if point.ended else one.value


def labels_of(tenant: str, sample: Sample) -> dict[str, str]:
    """All labels of a sample's series."""
    found = labels(sample.resource, sample.attributes)
    return found | {"__name__": sample.name, "service": sample.resource.service, "tenant": tenant}


def _head(of: dict[str, str]) -> bytes:
    return b"".join(
        field(_LABELS, field(_NAME, name.encode()) + field(_TEXT, of[name].encode())) for name in sorted(of)
    )


def _sample(value: float, time_ns: int) -> bytes:
    return field(_SAMPLES, _VALUE.pack(b"\x09", value) + b"\x10" + varint(time_ns // _MS))
