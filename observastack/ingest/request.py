"""One write request on its way from the event loop to a store, and what its client is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from observastack.ingest import dropping
from observastack.ingest.otlp import Batch
from observastack.store.rows import Signal
from observastack.store.write import Unavailable, Write

Format = Literal["otlp", "otlp_json", "loki", "loki_json", "remote_write"]
"""What the body is. The last three are other systems' ways to write logs and metrics."""
Encoding = Literal["identity", "gzip", "zstd"]
"""How it is compressed; snappy is part of the formats that have it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told. code and message: of the error, or of a partial success.

    stored: this request has put something into the store (a repeat of an earlier one has not). retry_after_s: the store's wish.
    """

    status: int
    rejected: int = 0
    message: str = ""
    code: str = ""
    stored: bool = False
    retry_after_s: int = 1


@dataclass(slots=True)
class Request:
    """One export request. `answer` is called once, from a writer thread."""

    signal: Signal
    tenant: str
    body: bytes
    encoding: Encoding
    format: Format
    key: str | None
    answer: Callable[[Answer], None]
    answered: bool = False
    batch: Batch | None = None
    write: Write | None = None
    dropped: dropping.Dropped = field(default_factory=list)
    whole: bool = True
    """Everything of the request is to be stored: nothing was rejected."""
    otlp: bytes = b""
    """The body as OTLP protobuf, once it is decoded; for stores that take it as it is."""


def accepted(batch: Batch) -> Answer:
    """The store has acknowledged the batch."""
    return Answer(200, batch.rejected_items, batch.message(), stored=True)


def unavailable(error: Unavailable) -> Answer:
    """The store could not be asked, or its acknowledgement was lost."""
    message = (
        "the store is not available; retry with the same Idempotency-Key"
        if error.unknown
        else "the store is not available"
    )
    return Answer(503, code="unavailable", message=message)
