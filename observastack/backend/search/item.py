"""The form of a search item, whichever store it comes from."""

from __future__ import annotations

from typing import Any

from observastack import defects
from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import Item
from observastack.backend.wire import rfc3339


def item(
    source: SourceName, when: tuple[int, str], service: str, trace_id: str | None, content: dict[str, Any]
) -> Item:
    """when: time (ns) and the item's id. trace_id: 32 lower-case hexadecimal digits."""
    ts, id_ = when
    if defects.active("nanoseconds_truncated"):
        ts -= ts % 1_000
    return {
        "id": id_,
        "timestamp": rfc3339(ts),
        "time_unix_nano": str(ts),
        "source": source,
        "service": service,
        "trace_id": trace_id,
        "content": content,
    }
