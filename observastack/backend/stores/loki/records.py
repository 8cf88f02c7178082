"""Entries of Loki as search items: exactly what was sent, from the record that the gateway put beside the line."""

from __future__ import annotations

import contextlib
from hashlib import blake2b
from typing import Any

from observastack.backend.search.item import item
from observastack.backend.stores.ports import Item, Row
from observastack.backend.stores.remote.client import unusable
from observastack.store.log_record import FIELD, decode

_LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "critical": 21, "fatal": 21}


def rows(answer: Any) -> list[Row]:
    """The entries of a log query, in no order. Raises SourceFailed for anything else."""
    try:
        data = answer["data"]
        if data["resultType"] != "streams":
            raise unusable()
        return [_row(stream["stream"], entry) for stream in data["result"] for entry in stream["values"]]
    except (KeyError, TypeError, ValueError, IndexError):
        raise unusable() from None


def _row(labels: dict[str, str], entry: list[Any]) -> Row:
    ts, line = int(entry[0]), entry[1]
    # With `categorize-labels` a third member tells the structured metadata from the labels of the stream.
    metadata: dict[str, str] = (entry[2] if len(entry) > 2 else {}).get("structuredMetadata", {})
    tie = _tie(labels, line, metadata)
    return ts, tie, _item((ts, f"{tie & (1 << 64) - 1:016x}"), line, labels, metadata)


def _item(when: tuple[int, str], line: str, labels: dict[str, str], metadata: dict[str, str]) -> Item:
    with contextlib.suppress(ValueError, KeyError):
        service, trace_id, content = decode(line, metadata[FIELD])
        return item("logs", when, service, trace_id, content)
    # Written by somebody else: the best that Loki knows.
    level = metadata.get("severity_text") or metadata.get("detected_level") or labels.get("level")
    number = metadata.get("severity_number", "")
    content = {
        "body": line,
        "severity_number": int(number) if number.isdecimal() else _LEVELS.get((level or "").lower(), 0),
        "severity_text": level,
        "attributes": metadata,
        "resource": labels,
        "span_id": metadata.get("span_id"),
    }
    return item("logs", when, labels.get("service_name", "unknown_service"), metadata.get("trace_id"), content)


def _tie(labels: dict[str, str], line: str, metadata: dict[str, str]) -> int:
    """Loki orders entries of one time in no way that lasts; what they say does."""
    digest = blake2b(digest_size=8)
    for part in (line, metadata.get(FIELD) or repr(sorted(metadata.items())), repr(sorted(labels.items()))):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return int.from_bytes(digest.digest(), "big", signed=True)
