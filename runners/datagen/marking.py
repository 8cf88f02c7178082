"""Requests of markers, which say that series have ended, straight from the columns.

All that shards have to say is of one width: it is serialised once for each instance, by the plain encoder, and repeated as often
as there are shards that end. The series of an instance that is gone are said once in its life, and by the plain encoder.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from runners.datagen.metering import SHARD
from runners.datagen.model import filler
from runners.datagen.model.endings import Ending, marker, shard
from runners.datagen.model.filler import Integers
from runners.datagen.stretch import find, number, words
from runners.ledger.items import Point, Resource
from runners.wire.frames import field, varint
from runners.wire.otlp import SCHEMA_URL, SCOPE, add_points, resource_message
from runners.wire.parcel import Wire
from runners.wire.remote_write import encode_write

Part = tuple[Ending, int, int]
"""Markers a to b of what has ended."""
_TIME, _MS = number("time"), 1_000_000
_STAMP = 0x155_5555_5555
"""Milliseconds; as a varint as wide as those of our days."""


@dataclass(frozen=True)
class _Mark:
    """data: what is said of one shard; time, shard: where its holes are."""

    data: bytes
    time: int
    shard: int


class MarkEncoder:
    """Of one tenant."""

    def __init__(self, tenant: str, fleet: Sequence[Resource]) -> None:
        self._tenant, self._fleet = tenant, fleet
        self._series: dict[int, _Mark] = {}

    def encoder(self, wire: Wire) -> Callable[[Sequence[Part]], bytes]:
        """Makes a request of parts."""
        return self._write if wire == "remote_write" else self._export

    def _export(self, parts: Sequence[Part]) -> bytes:
        return b"".join(field(b"\x0a", self._group(*part)) for part in parts)

    def _group(self, ending: Ending, a: int, b: int) -> bytes:
        """ResourceMetrics."""
        resource = self._fleet[ending.ordinal]
        scope = ScopeMetrics(scope=SCOPE)
        add_points(scope, _own(ending, resource, a, b))
        told = scope.SerializeToString(deterministic=True)
        if size := len(shards := _shards(ending, a, b)):
            mark = _point()
            raw = bytearray(mark.data * size)
            words(raw)[_places(mark, size) + mark.time] = ending.time
            _name(raw, mark, ending, shards)
            metric = field(b"\x0a", filler.NAME.encode()) + field(b"\x1a", filler.UNIT.encode())
            told += field(b"\x12", metric + field(b"\x2a", bytes(raw)))
        head = resource_message(resource).SerializeToString(deterministic=True)
        return field(b"\x0a", head) + field(b"\x12", told) + field(b"\x1a", SCHEMA_URL.encode())

    def _write(self, parts: Sequence[Part]) -> bytes:
        told: list[bytes | bytearray] = []
        for ending, a, b in parts:
            resource = self._fleet[ending.ordinal]
            told.append(encode_write(self._tenant, _own(ending, resource, a, b)))
            if size := len(shards := _shards(ending, a, b)):
                mark = self._series_of(ending.ordinal)
                raw = bytearray(mark.data * size)
                at, view = _places(mark, size) + mark.time, np.frombuffer(raw, np.uint8)
                for step, byte in enumerate(varint(ending.time // _MS)):
                    view[at + step] = byte
                _name(raw, mark, ending, shards)
                told.append(raw)
        return b"".join(told)

    def _series_of(self, ordinal: int) -> _Mark:
        """A TimeSeries of a WriteRequest."""
        found = self._series.get(ordinal)
        if found is None:
            data = encode_write(self._tenant, [marker(self._fleet[ordinal], shard(SHARD), _STAMP * _MS)])
            found = self._series[ordinal] = _mark(data, b"\x10" + varint(_STAMP), 1)
        return found


@lru_cache(maxsize=1)
def _point() -> _Mark:
    """A data point of a Gauge: the resource of its shard stands elsewhere."""
    scope = ScopeMetrics()
    add_points(scope, [marker(Resource("", "", {}), shard(SHARD), _TIME)])
    return _mark(scope.metrics[0].gauge.SerializeToString(deterministic=True), struct.pack("<Q", _TIME), 0)


def _mark(data: bytes, time: bytes, tag: int) -> _Mark:
    """tag: bytes of the sentinel `time` that are none of it."""
    return _Mark(data, int(find(data, time, 1)[0]) + tag, int(find(data, SHARD.encode(), 1)[0]))


def _places(mark: _Mark, size: int) -> Integers:
    return np.arange(size) * len(mark.data)


def _name(raw: bytearray, mark: _Mark, ending: Ending, shards: range) -> None:
    """Say which shards these are."""
    at, which = _places(mark, len(shards)) + mark.shard, slice(shards.start, shards.stop)
    for shift, texts in filler.words(ending.slots[which], ending.generations[which]):
        words(raw)[at + shift] = texts


def _own(ending: Ending, resource: Resource, a: int, b: int) -> list[Point]:
    """The markers among a to b that are no shards'."""
    return [marker(resource, series, ending.time) for series in ending.series[a:b]]


def _shards(ending: Ending, a: int, b: int) -> range:
    """Those that are: indexes into its slots."""
    size = len(ending.series)
    return range(max(a - size, 0), max(b - size, 0))
