"""Sinks that write into a store itself: Grafana Loki and Prometheus, with snappy, and what their answers mean.

A store that refuses a request says so with 400, and has stored the part of it that it found right. How many items it left
out is taken from its words where it tells; where it does not, the request counts as refused whole: nothing of it was
acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import cramjam

from runners.wire.connection import Connection, Reply
from runners.wire.loki import PATH as PUSH
from runners.wire.parcel import Answer, Parcel, Sink
from runners.wire.remote_write import PATH as WRITE

_PROTOBUF = {"Content-Type": "application/x-protobuf"}
_REMOTE_WRITE = _PROTOBUF | {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
_WRITTEN = "x-prometheus-remote-write-samples-written"
# Loki: of an ingester's refusals, and of a distributor's.
_IGNORED = re.compile(r"total ignored: (\d+) out of")
_ERRORS = re.compile(r"(\d+) errors like")
# What a distributor says of a single line, without a number.
_LINE = ("timestamp too old", "timestamp too new", "max entry size", "structured metadata")
# Prometheus 2 calls a sample that is too old even for its out-of-order window an internal error.
_UNSTORABLE = ("out of bounds", "too old", "out of order", "duplicate sample")


class LokiSink(Sink):
    """The tenant is the header X-Scope-OrgID."""

    def __init__(self, url: str, timeout_s: float = 5) -> None:
        self._connection = Connection(url, timeout_s)

    def pack(self, parcel: Parcel) -> Parcel:
        return replace(parcel, packed=_snappy(parcel))

    def send(self, parcel: Parcel) -> Answer:
        reply = _post(self._connection, PUSH, parcel, _PROTOBUF | {"X-Scope-OrgID": parcel.tenant})
        if not isinstance(reply, Reply) or reply.ok or reply.status not in (400, 429):
            return _plain(reply)
        told = reply.content.decode("utf-8", "replace")
        if reply.status == 429:  # a distributor refuses the whole, an ingester lines of one stream
            return replace(_plain(reply), parted=_IGNORED.search(told) is not None)
        left_out = sum(int(number) for pattern in (_IGNORED, _ERRORS) for number in pattern.findall(told))
        return _refused(reply, parcel, left_out or any(words in told for words in _LINE))

    def close(self) -> None:
        self._connection.close()


class PrometheusSink(Sink):
    """The tenant is a label; the encoder has set it."""

    def __init__(self, url: str, timeout_s: float = 5) -> None:
        self._connection = Connection(url, timeout_s)

    def pack(self, parcel: Parcel) -> Parcel:
        return replace(parcel, packed=_snappy(parcel))

    def send(self, parcel: Parcel) -> Answer:
        reply = _post(self._connection, WRITE, parcel, _REMOTE_WRITE)
        if not isinstance(reply, Reply) or reply.ok:
            return _plain(reply)
        unstorable = reply.status == 500 and any(words in reply.text for words in _UNSTORABLE)
        if reply.status != 400 and not unstorable:
            return _plain(reply)
        written = reply.headers.get(_WRITTEN, "")
        return _refused(reply, parcel, parcel.items - int(written) if written.isdigit() else 0)

    def close(self) -> None:
        self._connection.close()


def _post(connection: Connection, path: str, parcel: Parcel, headers: Mapping[str, str]) -> Reply | Answer:
    packed = _snappy(parcel) if parcel.packed is None else parcel.packed
    return connection.post(path, packed, {**headers, "Idempotency-Key": parcel.key})


def _snappy(parcel: Parcel) -> bytes:
    return bytes(cramjam.snappy.compress_raw(parcel.body))


def _plain(reply: Reply | Answer) -> Answer:
    if isinstance(reply, Answer):
        return reply
    if reply.ok and reply.content and "html" in reply.headers.get("content-type", ""):
        return Answer(0, error="the store answered a success with a web page: somebody else listens there")
    return Answer(reply.status, 0, reply.retry_after_s, "" if reply.ok else reply.text)


def _refused(reply: Reply, parcel: Parcel, left_out: int) -> Answer:
    """left_out: how many items the store says it has not taken; 0 when it does not say."""
    part = left_out if 0 < left_out < parcel.items else 0
    return Answer(reply.status, part, None, reply.text, final=True)
