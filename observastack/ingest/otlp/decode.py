"""One entry to the decoders of the three signals."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError

from observastack.ingest.otlp.batch import MAX_ITEMS, BadRequest, Batch, Dictionary, TooLarge
from observastack.ingest.otlp.logs import decode_logs
from observastack.ingest.otlp.otlp_json import json_to_protobuf
from observastack.ingest.otlp.samples import decode_samples
from observastack.ingest.otlp.spans import decode_spans
from observastack.store.rows import Signal

_DECODERS: dict[Signal, Callable[[bytes, int, Dictionary, int, int], Batch]] = {
    "logs": decode_logs,
    "traces": decode_spans,
    "metrics": decode_samples,
}


def decode(
    signal: Signal, body: bytes, *, json: bool, tenant: int, dictionary: Dictionary, first_id: int, now: int
) -> Batch:
    """The rows of an export request, items numbered from first_id. now: ns. Raises BadRequest, TooLarge."""
    dictionary.begin()
    raw = json_to_protobuf(signal, body) if json else body
    try:
        batch = _DECODERS[signal](raw, tenant, dictionary, first_id, now)
    except DecodeError as error:
        raise BadRequest(f"not an OTLP {signal} request: {error}") from error
    if len(batch.rows) > MAX_ITEMS:
        raise TooLarge(f"more than {MAX_ITEMS} rows in one request: an item is one, a histogram one for each bucket")
    return batch
