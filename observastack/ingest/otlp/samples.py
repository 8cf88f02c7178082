"""ExportMetricsServiceRequest to rows: number data points of gauges and sums, histograms as several samples each.

Metrics repeat the same series again and again, so a varint walker over the wire format, with the raw bytes of a point's
attributes as key of its series, costs an eighth of a full parse. It knows the encoding that every common encoder
writes (fields in order, small tags). Anything else it leaves to the parser, which is also the judge of what is malformed.

A point with the flag no_recorded_value says that its series has ended: the specification's form of Prometheus' stale marker, and
stored as that. Whatever value it has beside the flag is none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
)

from observastack import defects
from observastack.ingest.otlp.batch import Batch, Dictionary, Ended, Further, hashed_id
from observastack.ingest.otlp.histograms import Shown, Unsound, classic, exponential
from observastack.ingest.otlp.values import attributes, clean, to_json, trimmed
from observastack.store.rows import INT64_MAX, STALE, ResourceRow, SeriesRow, sample_row, whole_sample

GAUGE, SUM = 1, 2
_EXACT = 2**53
_MAX_NAME = 1024
_NO_VALUE = "data point without a value"
_NO_RECORDED_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_u64 = struct.Struct("<Q").unpack_from
_f64 = struct.Struct("<d").unpack_from
_i64 = struct.Struct("<q").unpack_from


class Unusual(Exception):
    """The bytes are not what the walker knows."""


def decode_samples(body: bytes, tenant: int, dictionary: Dictionary, first_id: int, now: int) -> Batch:  # noqa: ARG001 - a point has a time of its own
    """Raises DecodeError."""
    try:
        batch = walk(body, tenant, dictionary, first_id)
    except (Unusual, IndexError, struct.error):
        batch = parse(body, tenant, dictionary, first_id)
    if defects.active("metric_value_as_int"):
        batch.rows = [whole_sample(row) for row in batch.rows]
    return batch


def parse(body: bytes, tenant: int, dictionary: Dictionary, first_id: int) -> Batch:
    """By the protobuf library. Raises DecodeError."""
    batch = Batch("metrics")
    item = first_id
    for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        resource = dictionary.resource(tenant, group.resource, batch)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                if metric.WhichOneof("data") in ("histogram", "exponential_histogram"):
                    item = _histograms(metric, resource, dictionary, batch, item)
                    continue
                points, kind = _number_points(metric, batch)
                for point in points:
                    series = _series_of(point, metric, kind, resource, dictionary)
                    if isinstance(series, str):
                        batch.reject(series)
                        continue
                    which = point.WhichOneof("value")
                    if which is None and not point.flags & _NO_RECORDED_VALUE:
                        batch.reject(_NO_VALUE)
                        continue
                    dictionary.use(series, batch)
                    if point.flags & _NO_RECORDED_VALUE:
                        whole, value = None, STALE
                    else:
                        whole = point.as_int if which == "as_int" else None
                        value = point.as_double if whole is None else float(whole)
                    batch.rows.append(_row(point.time_unix_nano, item, series.series_id, value, whole))
                    item += 1
    return batch


def walk(body: bytes, tenant: int, dictionary: Dictionary, first_id: int) -> Batch:
    """By the walker. Raises Unusual, IndexError, struct.error or DecodeError for what only `parse` can judge."""
    batch = Batch("metrics")
    item = first_id
    for resource, start, end in _metrics(body, tenant, dictionary, batch):
        header, kind, points = _metric(body, start, end, batch)
        if kind == HISTOGRAM:
            item = _histograms(Metric.FromString(body[start:end]), resource, dictionary, batch, item)
            continue
        if not kind:
            continue
        tails = dictionary.tails((tenant, resource.resource_id, header, kind))
        for begin, stop in points:
            ts = 0
            value: float | None = None
            whole: int | None = None
            at = begin
            while at < stop:
                tag = body[at]
                if tag == 58:  # first attribute: the rest of the point tells the series
                    break
                if tag == 25:
                    (ts,) = _u64(body, at + 1)
                    at += 9
                elif tag == 33:
                    (value,) = _f64(body, at + 1)
                    whole = None
                    at += 9
                elif tag == 49:
                    (whole,) = _i64(body, at + 1)
                    value = float(whole)
                    at += 9
                elif tag == 17:  # start time
                    at += 9
                elif tag == 64:  # flags
                    break
                else:
                    raise Unusual
            if at > stop:
                raise Unusual
            tail = body[at:stop]
            series = tails.get(tail)
            if series is None:
                series = tails[tail] = _new_tail(tail, header, kind, resource, dictionary)
            if not isinstance(series, SeriesRow):
                if isinstance(series, str):
                    batch.reject(series)
                    continue
                series, value, whole = series.series, STALE, None
            elif value is None:
                batch.reject(_NO_VALUE)
                continue
            dictionary.use(series, batch)
            batch.rows.append(_row(ts, item, series.series_id, value, whole))
            item += 1
    return batch


def _row(ts: int, item: int, series: int, value: float, whole: int | None) -> bytes:
    if whole is not None and -_EXACT <= whole <= _EXACT:
        whole = None  # the double holds it exactly
    return sample_row(min(ts, INT64_MAX), item, series, value, whole)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Value and offset behind it."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise Unusual


def _fields(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(tag, start of the field, start of its payload, end): length-delimited fields with one-byte tags only."""
    while at < end:
        tag, start = body[at], at
        if tag & 7 != 2 or tag > 127 or tag < 8:
            raise Unusual
        size, at = _varint(body, at + 1)
        if at + size > end:
            raise Unusual
        yield tag, start, at, at + size
        at += size


def _metrics(body: bytes, tenant: int, dictionary: Dictionary, batch: Batch) -> Iterator[tuple[ResourceRow, int, int]]:
    """Every Metric of ExportMetricsServiceRequest{1: ResourceMetrics{1: Resource, 2: ScopeMetrics{2: Metric}}}."""
    for tag, _, start, end in _fields(body, 0, len(body)):
        if tag != 10:
            raise Unusual
        raw: bytes | None = None
        scopes = []
        for inner, at, begin, stop in _fields(body, start, end):
            if inner == 10:
                if raw is not None:
                    raise Unusual  # two resources are to be merged
                raw = body[begin:stop]
            elif inner == 18:
                scopes.append((begin, stop))
            elif inner == 26:
                _check(body[at:stop])
            else:
                raise Unusual
        resource = dictionary.resource_of(tenant, raw or b"", batch)
        for begin, stop in scopes:
            for inner, begin_field, first, last in _fields(body, begin, stop):
                if inner == 18:
                    yield resource, first, last
                elif inner in (10, 26):
                    _check(body[begin_field:last])
                else:
                    raise Unusual


_checked: set[bytes] = set()


def _check(raw: bytes) -> None:
    """Have a field that is not stored (1: scope, 3: schema URL) judged by the parser, once. Raises DecodeError."""
    if raw not in _checked:
        ScopeMetrics.FromString(raw)
        if len(_checked) > 10_000:
            _checked.clear()
        _checked.add(raw)


_Kind = tuple[int, int, bool]
"""(GAUGE or SUM, temporality, monotonic)"""
HISTOGRAM: _Kind = (0, 0, False)
"""Of either kind: left to the parser."""


def _metric(body: bytes, start: int, end: int, batch: Batch) -> tuple[bytes, _Kind | None, list[tuple[int, int]]]:
    """Header bytes (name, description, unit), kind, and where the points lie. A kind of None: nothing to store."""
    header: list[bytes] = []
    data: tuple[int, int, int] | None = None
    for tag, at, begin, stop in _fields(body, start, end):
        if tag in (10, 18, 26):
            header.append(body[at:stop])
        elif tag in (42, 58) and data is None:
            data = (tag, begin, stop)
        elif tag in (74, 82) and data is None:
            return b"", HISTOGRAM, []
        elif tag == 90 and data is None:
            _number_points(Metric.FromString(body[start:end]), batch)
            return b"", None, []
        else:
            raise Unusual
    if data is None:
        Metric.FromString(body[start:end])
        return b"", None, []
    tag, at, last = data
    points = []
    temporality, monotonic = 0, False
    while at < last:
        inner = body[at]
        if inner == 10:
            size, at = _varint(body, at + 1)
            if at + size > last:
                raise Unusual
            points.append((at, at + size))
            at += size
        elif inner == 16 and tag == 58:
            temporality, at = _varint(body, at + 1)
        elif inner == 24 and tag == 58:
            flag, at = _varint(body, at + 1)
            monotonic = bool(flag)
        else:
            raise Unusual
    if at != last or not 0 <= temporality <= 2:
        raise Unusual
    if not points:
        Metric.FromString(body[start:end])  # a header that no series needs is still to be well-formed
    return b"".join(header), (SUM if tag == 58 else GAUGE, temporality, monotonic), points


def _number_points(metric: Metric, batch: Batch) -> tuple[list[NumberDataPoint], _Kind]:
    """The points of a gauge or sum; those of other kinds are rejected."""
    which = metric.WhichOneof("data")
    if which == "gauge":
        return list(metric.gauge.data_points), (GAUGE, 0, False)
    if which == "sum":
        if not 0 <= metric.sum.aggregation_temporality <= 2:
            batch.reject("unknown aggregation temporality", len(metric.sum.data_points))
            return [], (SUM, 0, False)
        return list(metric.sum.data_points), (SUM, metric.sum.aggregation_temporality, metric.sum.is_monotonic)
    if which is not None:
        batch.reject("summaries are not supported", len(metric.summary.data_points))
    return [], (GAUGE, 0, False)


def _histograms(metric: Metric, resource: ResourceRow, dictionary: Dictionary, batch: Batch, item: int) -> int:
    """The samples of all points; the next item number."""
    data = metric.histogram if metric.HasField("histogram") else metric.exponential_histogram
    temporality = int(data.aggregation_temporality)
    if not 0 <= temporality <= 2:
        batch.reject("unknown aggregation temporality", len(data.data_points))
        return item
    for point in data.data_points:
        try:
            shown = list(classic(point) if isinstance(point, HistogramDataPoint) else exponential(point))
        except Unsound as error:
            batch.reject(str(error))
            continue
        # A sum of what may be negative falls too.
        series = [
            _series_of(part, named, (SUM, temporality, one.suffix != "_sum"), resource, dictionary)
            for one, (part, named) in zip(shown, _parts(point, metric, shown), strict=True)
        ]
        if wrong := next((row for row in series if isinstance(row, str)), None):
            batch.reject(wrong)
            continue
        for number, (one, row) in enumerate(zip(shown, series, strict=True)):
            assert isinstance(row, SeriesRow)
            dictionary.use(row, batch)
            value = STALE if point.flags & _NO_RECORDED_VALUE else one.value
            encoded = _row(point.time_unix_nano, item, row.series_id, value, None)
            batch.rows.append(Further(encoded) if number else encoded)
            batch.further |= number > 0
            item += 1
    return item


def _parts(
    point: HistogramDataPoint | ExponentialHistogramDataPoint, metric: Metric, shown: Iterable[Shown]
) -> Iterator[tuple[NumberDataPoint, Metric]]:
    """Each sample as the point of a metric of its own."""
    for one in shown:
        part = NumberDataPoint(attributes=point.attributes)
        if one.le is not None:
            part.attributes.add(key="le").value.string_value = one.le
        yield part, Metric(name=metric.name + one.suffix, unit=metric.unit, description=metric.description)


def _new_tail(
    tail: bytes, header: bytes, kind: _Kind, resource: ResourceRow, dictionary: Dictionary
) -> SeriesRow | Ended | str:
    """The series of a tail seen for the first time. Raises Unusual when the tail holds more than attributes and flags."""
    point = NumberDataPoint.FromString(tail)
    if point.time_unix_nano or point.start_time_unix_nano or point.exemplars or point.WhichOneof("value"):
        raise Unusual
    dictionary.learnt(len(tail))
    series = _series_of(point, Metric.FromString(header), kind, resource, dictionary)
    return Ended(series) if isinstance(series, SeriesRow) and point.flags & _NO_RECORDED_VALUE else series


def _series_of(
    point: NumberDataPoint, metric: Metric, kind: _Kind, resource: ResourceRow, dictionary: Dictionary
) -> SeriesRow | str:
    """The series of a point, or why it is rejected."""
    if not metric.name or len(metric.name) > _MAX_NAME:
        return f"metric name must have 1 to {_MAX_NAME} characters"
    name, unit = clean(metric.name), clean(metric.unit)
    labels = trimmed(to_json(attributes(point.attributes), ordered=True))
    type_, temporality, monotonic = kind
    key = b"%d %d %d" % (type_, temporality, monotonic)
    number = hashed_id(
        resource.tenant_id.to_bytes(4, "big"),
        resource.resource_id.to_bytes(8, "big", signed=True),
        name.encode(),
        unit.encode(),
        key,
        labels,
    )
    row = dictionary.series.get(number)
    if row is None:
        row = SeriesRow(
            number, resource.resource_id, name, type_, monotonic, temporality, unit, clean(metric.description),
            resource.service, labels,
        )  # fmt: skip
        dictionary.series[number] = row
        dictionary.learnt(len(labels))
    return row
