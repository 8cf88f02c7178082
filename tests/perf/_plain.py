"""Items as telemetrygen makes them, made by our engine; and a process that sends so many spans of them, in requests of 512:
`python -m tests.perf._plain ADDRESS NUMBER`."""

from __future__ import annotations

import itertools
import sys

from runners.lib.lasting import lasting

with lasting():
    import numpy as np
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from runners.ledger.attempt import Batch, Flag
    from runners.ledger.items import Signal
    from runners.ledger.mixing import draw
    from runners.wire.frames import ITEM, Frames, field
    from runners.wire.http import HttpSink
    from runners.wire.parcel import Parcel
    from runners.wire.stencil import Stencils, cut
    from tests.perf._sending import START_NS, send

VALUE = "value number {} of a usual length"


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
        for key, value in (own | {f"app.attribute.{n}": VALUE.format(n) for n in range(attributes)}).items():
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


def _send(address: str, number: int) -> None:
    sender, plain = HttpSink(f"http://{address}", None, timeout_s=60, compression="none"), Plain("traces", 512, 0)
    left = number
    while left > 0:
        left -= send(plain.next("traces"), sender)


if __name__ == "__main__":
    _send(sys.argv[1], int(sys.argv[2]))
