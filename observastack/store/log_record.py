"""A log record inside another store: the line, and all the rest as one JSON text beside it.

Loki keeps attributes as text with changed names; what was sent cannot be told from that. So the gateway adds the record
as it would have been stored here, under one name, and readers take it from there, exactly.
"""

from __future__ import annotations

from typing import Any

import orjson

FIELD = "observastack_record"
"""Name of the attribute (in Loki: structured metadata) that holds the JSON text."""


def encode(
    *,
    body: str | None,
    severity_number: int,
    severity_text: str | None,
    attributes: Any,
    resource: Any,
    service: str,
    trace_id: str | None,
    span_id: str | None,
) -> tuple[str, str]:
    """The line, and the JSON text. attributes, resource: JSON values; ids: lower-case hexadecimal or None.

    The body is the line and is not in the text as well: structured metadata is limited to 64 KiB an entry.
    """
    content = {
        "severity_number": severity_number,
        "severity_text": severity_text,
        "attributes": attributes,
        "resource": resource,
        "span_id": span_id,
    }
    if body is None:
        content["body"] = None
    record = {"service": service, "trace_id": trace_id, "content": content}
    return body or "", orjson.dumps(record).decode()


def decode(line: str, record: str) -> tuple[str, str | None, dict[str, Any]]:
    """(service, trace_id, content) as in a search item. Raises ValueError for a text that `encode` did not make."""
    try:
        document = orjson.loads(record)
        content = {"body": line, **document["content"]}
        service, trace_id = document["service"], document["trace_id"]
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a log record: {error!r}") from error
    return service, trace_id, content
