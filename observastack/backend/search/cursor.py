"""Where a walk through pages stands: opaque to the caller, bound to the query that it came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import orjson

from observastack.backend.search.model import Selection, TimeRange
from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import Position


class BadCursor(ValueError):
    """The cursor was not made by this API, or for another query."""


@dataclass(frozen=True)
class Walk:
    """The fixed time range of a walk, and for each source that is not exhausted the position (None: not begun).

    A position is that of the last item given out; the next page holds what lies strictly beyond it.
    """

    time_range: TimeRange
    positions: dict[SourceName, Position | None]


def fingerprint(tenant: int, query: Selection, extra: str) -> str:
    """Same for all pages of one query; the time range is in the cursor itself, for its default moves with the clock."""
    document = [tenant, extra, query.free_text, [one.model_dump() for one in query.filters]]
    return hashlib.blake2b(json.dumps(document).encode(), digest_size=8).hexdigest()


def encode(mark: str, walk: Walk) -> str:
    document = [mark, walk.time_range.start, walk.time_range.end, walk.positions]
    return base64.urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")


def decode(text: str, mark: str) -> Walk:
    """Raises BadCursor."""
    try:
        found, start, end, positions = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", True))
        walk = Walk(
            TimeRange(start=int(start), end=int(end)), {name: _position(place) for name, place in positions.items()}
        )
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise BadCursor("not a cursor of this API") from error
    if found != mark or not set(walk.positions) <= {"logs", "metrics", "traces"}:
        raise BadCursor("the cursor belongs to another query")
    return walk


def _position(place: Any) -> Position | None:
    if place is None:
        return None
    ts, item = place
    if not (isinstance(ts, int) and isinstance(item, int)):
        raise ValueError("position")
    return ts, item
