"""The defect drop_acked_1pct: which items are silently not stored, and the log of them."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import orjson

from observastack.ingest.log import log
from observastack.ingest.otlp import Batch, Dictionary
from observastack.ingest.otlp.values import to_json
from observastack.store.rows import natural_key

Dropped = list[dict[str, Any]]


def drop(batch: Batch, dictionary: Dictionary) -> Dropped:
    """Take about 1 % of the rows out of the batch; their natural keys.

    Chosen by the key's hash: an item that is sent again is dropped again, so the log names exactly what is missing.
    """
    kept: list[bytes] = []
    dropped: Dropped = []
    for row in batch.rows:
        key = natural_key(batch.signal, row, dictionary.series)
        if isinstance(labels := key.get("attributes"), bytes):
            key["attributes"] = orjson.loads(labels)
        if crc32(to_json(key, ordered=True)) % 100 == 0:
            dropped.append(key)
        else:
            kept.append(row)
    batch.rows = kept
    return dropped


def report(batch: Batch, tenant: str, dropped: Dropped) -> None:
    """One line per item, once its request has been committed."""
    for key in dropped:
        log("defect.dropped", signal=batch.signal, tenant=tenant, key=key)
