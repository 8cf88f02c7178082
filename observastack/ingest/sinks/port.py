"""What a signal store looks like to a writer thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from observastack.config import Config
from observastack.ingest.request import Answer, Request
from observastack.store.write import SignalWriter


class Sink(Protocol):
    """One store as one writer thread uses it; connects when it is first used and again after a failure.

    group: how many requests are worth storing together.
    """

    group: int

    def first_id(self) -> int:
        """The first of MAX_ITEMS unused item numbers; 0 for a store that numbers nothing. Raises Unavailable."""

    def used(self, count: int) -> None:
        """So many of the numbers have been taken."""

    def store(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """One answer per request, in their order, each with a batch. A 200 means: the store itself has acknowledged.

        Raises Unavailable for all of them.
        """

    def close(self) -> None:
        """Give the connection up."""


Maker = Callable[[SignalWriter], Sink]


def maker(adapter: str, config: Config) -> Maker:
    """What makes the sink of a writer thread. adapter: a name of the configuration (`stores.*`)."""
    if adapter == "embedded":
        from observastack.ingest.sinks.embedded import EmbeddedSink

        return lambda writer: EmbeddedSink(writer, config.ingest.group)
    if adapter == "loki":
        from observastack.ingest.sinks.loki import LokiSink

        return lambda _: LokiSink(config.stores.loki_url or "", config.stores.timeout_s)
    if adapter == "prometheus":
        from observastack.ingest.sinks.prometheus import PrometheusSink

        return lambda _: PrometheusSink(config.stores.prometheus_url or "", config.stores.timeout_s)
    from observastack.ingest.sinks.tempo import TempoSink

    return lambda _: TempoSink(config.stores.tempo_otlp or "", config.stores.timeout_s)
