"""OpenTelemetry's telemetrygen (Go) as a peer, and its items as our engine makes them."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from runners.ledger.attempt import Batch, Flag
from runners.ledger.items import Signal
from runners.ledger.mixing import draw
from runners.wire.frames import ITEM, Frames, field
from runners.wire.parcel import Parcel
from runners.wire.stencil import Stencils, cut
from tests.perf._sending import START_NS
from tests.perf.harness import Absent

if TYPE_CHECKING:
    from tests.perf._sink import Sink

_VALUE = "value number {} of a usual length"


def telemetrygen() -> str:
    places = os.pathsep.join(filter(None, (os.environ.get("TESTBED_BIN_DIR"), os.environ.get("PATH"))))
    found = shutil.which("telemetrygen", path=places)
    if found is None:
        raise Absent("telemetrygen is neither on PATH nor in TESTBED_BIN_DIR (go install it, v0.161.0)")
    return found


def peer(to: Sink, signal: Signal, number: int, *, batch: int, attributes: int, gzip: bool) -> float:
    """Items that came per CPU second of telemetrygen, its start left out: two runs, the difference counts."""
    points = [_run(to, signal, items, batch, attributes, gzip=gzip) for items in (number // 10, number)]
    (few, less), (many, more) = points
    if many <= few or more <= less:
        raise RuntimeError(f"telemetrygen: {few} items in {less:.3f} CPU s, {many} in {more:.3f}: no rate can be told")
    return (many - few) / (more - less)


def peer_whole(to: Sink, number: int) -> float:
    """Spans of its own content that came per CPU second of telemetrygen, its start included."""
    came, took = _run(to, "traces", number, 512, 0, gzip=False)
    return came / took


def _run(to: Sink, signal: Signal, number: int, batch: int, attributes: int, *, gzip: bool) -> tuple[int, float]:
    """(items that came, CPU seconds)."""
    command = [
        telemetrygen(), signal, "--otlp-http", "--otlp-insecure", "--otlp-endpoint", to.address, "--rate", "0",
        "--workers", "1", "--interval", "60s", "--batch-size", str(batch),
    ]  # fmt: skip
    command += ["--traces", str(number // 2)] if signal == "traces" else ["--logs", str(number)]
    for index in range(attributes):
        command += ["--telemetry-attributes", f'app.attribute.{index}="{_VALUE.format(index)}"']
    # With its default queue it loses half of the spans and counts them all the same.
    environment = os.environ | {"OTEL_BSP_MAX_QUEUE_SIZE": "2000000"}
    if gzip:
        environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
    to.take()
    before = children_s()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    return _counted(to), children_s() - before


def children_s() -> float:
    """CPU seconds of all processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _counted(to: Sink) -> int:
    found, quiet = 0, 0
    while quiet < 3:
        more = to.take()["items"]
        found, quiet = found + more, 0 if more else quiet + 1
        time.sleep(0.02)
    return found


class Plain:
    """Items as telemetrygen makes them: one resource, everything but ids and times constant."""

    def __init__(self, signal: Signal, batch: int, attributes: int) -> None:
        names = ("trace_id", "span_id", "parent_span_id", "start", "end")
        marks = {name: bytes([0xA0 + index]) * 8 for index, name in enumerate(names)}
        times = {name: int.from_bytes(marks[name], "little") for name in ("start", "end")}
        message: SpanMessage | LogMessage
        if signal == "traces":
            message = SpanMessage(
                trace_id=marks["trace_id"] + b"\1" * 8, span_id=marks["span_id"], parent_span_id=marks["parent_span_id"],
                name="lets-go", kind=SpanMessage.SPAN_KIND_CLIENT, flags=0x101, start_time_unix_nano=times["start"],
                end_time_unix_nano=times["end"],
            )  # fmt: skip
            own = {"network.peer.address": "1.2.3.4", "peer.service": "telemetrygen-server"}
        else:
            message = LogMessage(
                time_unix_nano=times["start"], severity_number=LogMessage().severity_number, severity_text="Info",
                body=AnyValue(string_value="the message"),
            )  # fmt: skip
            own = {"app": "server"}
        for key, value in (own | {f"app.attribute.{n}": _VALUE.format(n) for n in range(attributes)}).items():
            message.attributes.add(key=key).value.string_value = value
        self._table = Stencils(dict.fromkeys(marks, 8))
        self._table.add(cut(field(ITEM, message.SerializeToString()), marks))
        entry = TracesData().resource_spans.add()
        entry.resource.attributes.add(key="service.name").value.string_value = "telemetrygen"
        self._frames = Frames(self._table, [entry.SerializeToString()], b"", b"")
        self._signal, self._batch, self._next = signal, batch, 0

    def next(self, signal: Signal) -> list[Parcel]:
        """Some 8,000 items; signal: that of this object."""
        assert signal == self._signal
        requests = max(1, 8_192 // self._batch)
        size = self._batch * requests
        parts = np.repeat(np.arange(requests), self._batch)
        zeros = np.zeros(size, np.int64)
        sheet, ends = self._frames.lay(zeros, zeros, parts, requests)
        numbers = np.arange(self._next, self._next + size, dtype=np.uint64)
        self._next += size
        times = numbers + np.uint64(START_NS)
        if self._signal == "traces":
            spans = draw(2, numbers)
            sheet.fill("trace_id", draw(1, numbers >> np.uint64(1)), everywhere=True)
            sheet.fill("span_id", spans, everywhere=True)
            sheet.fill(
                "parent_span_id", spans[(numbers - np.uint64(self._next - size)) ^ np.uint64(1)], everywhere=True
            )
            sheet.fill("end", times + np.uint64(123_000), everywhere=True)
        sheet.fill("start", times, everywhere=True)
        raw = memoryview(sheet.raw)
        return [
            Parcel(Batch(0, self._signal, 0, part), "", raw[begin:end], "key", Flag.NONE, self._batch, 0, 0, 0, 0)
            for part, (begin, end) in enumerate(itertools.pairwise((0, *ends)))
        ]
