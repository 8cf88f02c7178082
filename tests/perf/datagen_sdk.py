"""Spans from end to end (made, encoded, compressed, sent to a sink on this machine) against OpenTelemetry's SDK, in spans per
CPU second of the sender.

The reference says the same as ours does: its spans have the names, kinds, parents, times, attributes, events, links and
states of the shop's, each of its instance's resource. Two bars, for what "the same" may mean: with gzip on both sides, ours
simulates the shop as well; as exporters are by default, without gzip on the other side, both have their values. The third
row is to our disadvantage twice: it simulates, and only ours compresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from runners.ledger.items import Span
from runners.wire.http import HttpSink
from tests.perf._sending import send
from tests.perf._shop import Shop, rounds
from tests.perf._sink import Sink, settled, sink
from tests.perf.harness import Absent, Round, case, cpu_of

_TICKS = 18
"""Some 160,000 spans, for about as long as the reference makes its 2,000: 0.15 s."""


_AGAINST = "opentelemetry-sdk with OTLP/HTTP exporter, the same spans"


@case("datagen_spans_sdk", unit="spans/CPU s", against=f"{_AGAINST}, both gzip", at_least=100)
def spans_sdk(quick: bool) -> Iterator[Round]:
    """Ours simulates the requests as well."""
    yield from _compared(quick, simulated=True, both_gzip=True)


@case("datagen_given_spans_sdk", unit="spans/CPU s", against=f"{_AGAINST}, only ours gzip", at_least=100)
def given_spans_sdk(quick: bool) -> Iterator[Round]:
    """Ours has the values of its spans, in columns, as the reference has them, as objects."""
    yield from _compared(quick, simulated=False, both_gzip=False)


@case("datagen_spans_sdk_plain", unit="spans/CPU s", against=f"{_AGAINST}, only ours gzip")
def spans_sdk_plain(quick: bool) -> Iterator[Round]:
    """Ours simulates the requests as well."""
    yield from _compared(quick, simulated=True, both_gzip=False)


def _compared(quick: bool, *, simulated: bool, both_gzip: bool) -> Iterator[Round]:
    shop = Shop()
    items = shop.spans(0, 200 if quick else 2_000)
    with sink() as to:
        sender, sdk = HttpSink(f"http://{to.address}", None, timeout_s=60), _Sdk(to, gzip=both_gzip)
        for number in range(1 + rounds(quick)):
            reference = len(items) / cpu_of(lambda: sdk.send(items))
            assert (came := settled(to, len(items))) == len(items), came
            ticks = [shop.tick() for _ in range(_TICKS)]
            if not simulated:
                for tick in ticks:
                    shop.world.requests(0, tick)
            sent: list[int] = []

            def work(ticks: list[int] = ticks, sent: list[int] = sent) -> None:
                sent += [send(shop.next("traces", tick), sender) for tick in ticks]

            took = cpu_of(work)
            assert settled(to, sum(sent)) == sum(sent)
            if number:  # the first time connections are opened
                yield Round(sum(sent) / took, reference)
        sdk.close()


class _Sdk:
    """As applications use it: a provider for each instance; one processor for all, which is less than they need."""

    def __init__(self, to: Sink, *, gzip: bool) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http import Compression
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Absent(f"opentelemetry-sdk is not installed: {error}") from None
        compression = Compression.Gzip if gzip else Compression.NoCompression
        exporter = OTLPSpanExporter(f"http://{to.address}/v1/traces", compression=compression)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=100_000)
        self._tracers: dict[str, Any] = {}
        self._api = trace

    def send(self, items: Sequence[Span]) -> None:
        api = self._api
        made: dict[bytes, Any] = {}
        for item in items:
            caller = made.get(item.parent_span_id)
            span = made[item.span_id] = self._tracer(item).start_span(
                item.name,
                context=None if caller is None else api.set_span_in_context(caller),
                kind=api.SpanKind(item.kind - 1),
                attributes=item.attributes,
                links=[
                    api.Link(
                        api.SpanContext(int.from_bytes(link.trace_id), int.from_bytes(link.span_id), is_remote=True),
                        link.attributes,
                    )
                    for link in item.links
                ],
                start_time=item.start,
            )
            for event in item.events:
                span.add_event(event.name, event.attributes, event.time)
            if item.status_code:
                span.set_status(api.Status(api.StatusCode(item.status_code), item.status_message))
            span.end(item.end)
        self._processor.force_flush(60_000)

    def _tracer(self, item: Span) -> Any:
        found = self._tracers.get(item.resource.instance_id)
        if found is None:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider

            provider = TracerProvider(resource=Resource(dict(item.resource.attributes)))
            provider.add_span_processor(self._processor)
            found = self._tracers[item.resource.instance_id] = provider.get_tracer("bench")
        return found

    def close(self) -> None:
        self._processor.shutdown()
