"""A series that has ended: OTLP says it by a flag, remote write by one NaN among many; it is accepted and stored as that NaN."""

from __future__ import annotations

import json
import math
import struct
import time

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)

from observastack import defects
from observastack.config import Config
from observastack.ingest.foreign import snappy
from observastack.ingest.foreign.messages import WriteRequest
from observastack.ingest.foreign.remote_write import to_otlp
from observastack.ingest.otlp import Batch, Dictionary, decode
from observastack.store.rows import STALE, is_stale, row_fields
from observastack.tests.gateway import Gateway, Reader, gauge, metrics, pairs, point
from observastack.tests.platform import Tokens

BITS = 0x7FF0_0000_0000_0002
NOW = 1_790_000_000 * 10**9


def ended(*, ts: int = NOW, value: float | None = None, **attributes: str) -> NumberDataPoint:
    found = NumberDataPoint(time_unix_nano=ts, flags=1, attributes=pairs(attributes))
    if value is not None:
        found.as_double = value
    return found


def read(body: bytes, dictionary: Dictionary | None = None) -> Batch:
    return decode("metrics", body, json=False, tenant=1, dictionary=dictionary or Dictionary(), first_id=0, now=NOW)


def bits(batch: Batch) -> list[int]:
    return [int.from_bytes(row_fields(row)[3] or b"", "big") for row in batch.rows]


def series(batch: Batch) -> list[bytes | None]:
    return [row_fields(row)[2] for row in batch.rows]


def test_it_is_the_nan_of_prometheus_and_no_other() -> None:
    assert struct.unpack("<Q", struct.pack("<d", STALE)) == (BITS,)
    assert is_stale(STALE)
    others = (BITS - 1, BITS + 1, BITS | 1 << 51, BITS | 1 << 63)
    assert not any(is_stale(struct.unpack("<d", struct.pack("<Q", other))[0]) for other in others)
    assert not any(map(is_stale, (math.nan, math.inf, 0.0)))


@pytest.mark.parametrize("value", [None, 4.5])
def test_a_flagged_point_ends_the_series_of_the_points_before_it(value: float | None) -> None:
    dictionary = Dictionary()
    for _ in range(2):  # the second time the series is remembered
        batch = read(
            gauge("m", [point(1.5, ts=NOW, a="b"), ended(value=value, a="b"), point(2.5, ts=NOW, a="b")]), dictionary
        )
        assert batch.rejected_items == 0
        assert [each == BITS for each in bits(batch)] == [False, True, False]
        assert len(set(series(batch))) == 1


def test_a_flagged_histogram_ends_all_its_series() -> None:
    classic = HistogramDataPoint(time_unix_nano=NOW, flags=1, sum=0.0, bucket_counts=[0, 0, 0], explicit_bounds=[1, 2])
    native = ExponentialHistogramDataPoint(time_unix_nano=NOW, flags=1, sum=0.0, scale=0)
    native.positive.bucket_counts.extend([0, 0])
    before = HistogramDataPoint(time_unix_nano=NOW, count=3, sum=2.0, bucket_counts=[0, 1, 2], explicit_bounds=[1, 2])
    content = [
        Metric(name="h", histogram={"data_points": [before, classic], "aggregation_temporality": 2}),  # type: ignore[arg-type]
        Metric(name="e", exponential_histogram={"data_points": [native], "aggregation_temporality": 2}),  # type: ignore[arg-type]
    ]
    batch = read(metrics(content))
    assert (batch.items, batch.rejected_items) == (3, 0)
    assert [each == BITS for each in bits(batch)] == [False] * 5 + [True] * 10
    assert series(batch)[:5] == series(batch)[5:10]


def test_a_point_without_flag_and_value_is_rejected_as_ever() -> None:
    assert read(gauge("m", [NumberDataPoint(time_unix_nano=NOW), ended()])).rejected == {
        "data point without a value": 1
    }


def test_remote_write_says_the_same_by_its_nan_and_any_other_nan_is_a_value() -> None:
    request = WriteRequest()
    sent = request.timeseries.add()
    sent.labels.add(name="__name__", value="up")
    for ms, value in ((1, 1.0), (2, STALE), (3, math.nan)):
        sent.samples.add(timestamp=ms, value=value)
    batch = read(to_otlp(request.SerializeToString(), 1 << 20))
    assert [each == BITS for each in bits(batch)] == [False, True, False]
    assert math.isnan(struct.unpack(">d", row_fields(batch.rows[2])[3] or b"")[0])


def test_a_store_that_keeps_whole_numbers_only_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defects, "active", lambda name: name == "metric_value_as_int")
    assert bits(read(gauge("m", [ended(), point(1.5, ts=NOW)]))) == [
        BITS,
        struct.unpack(">Q", struct.pack(">d", 1.0))[0],
    ]


@pytest.mark.parametrize("wire", ["protobuf", "json", "remote write"])
def test_it_is_accepted_and_stored_bit_by_bit(
    shared_gateway: Gateway, shared_platform: Config, tenant: str, wire: str
) -> None:
    now, token = time.time_ns(), Tokens(shared_platform)(tenant)
    if wire == "remote write":
        request = WriteRequest()
        sent = request.timeseries.add()
        sent.labels.add(name="__name__", value="m")
        sent.samples.add(timestamp=now // 10**6, value=STALE)
        headers = {
            "authorization": f"Bearer {token}", "content-type": "application/x-protobuf", "content-encoding": "snappy",
        }  # fmt: skip
        body = snappy.deflate(request.SerializeToString())
        answer = httpx.post(f"{shared_gateway.url}/api/v1/write", content=body, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
    elif wire == "json":
        told = {"timeUnixNano": str(now), "flags": 1}
        document = {
            "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [told]}}]}]}]
        }
        answer = shared_gateway.post("metrics", json.dumps(document).encode(), token, content_type="application/json")
        assert (answer.status_code, answer.json()) == (200, {})
    else:
        answer = shared_gateway.post("metrics", gauge("m", [ended(ts=now)]), token)
        assert answer.status_code == 200
        assert ExportMetricsServiceResponse.FromString(answer.content) == ExportMetricsServiceResponse()
    [(stored,)] = Reader(shared_platform).rows(tenant, "SELECT encode(float8send(value), 'hex') FROM samples")
    assert int(stored, 16) == BITS
