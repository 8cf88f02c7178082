"""Where a client stands in what arrives at its tenant.

Order of arrival, not of time: (xid, seq, id) — the transaction that wrote an item, the announcement within it, the item.
An item that arrives late has an old time and a new place. `Place(xid, 0, 0)`: everything of earlier transactions.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

RESUME_S = 900
"""A cursor is good for so long: what was announced before is forgotten after twice that time."""


class BadCursor(ValueError):
    """Not a cursor of this API, of another tenant, or too old; the text says which."""


class Place(NamedTuple):
    xid: int
    seq: int
    id: int


@dataclass(frozen=True)
class Position:
    """place: in the platform's own database. pages: (time, tie-breaker) in stores of other servers, by source."""

    place: Place
    pages: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def encode(position: Position, tenant: int) -> str:
    """Opaque. It grants nothing: a tenant sees only what is its own, wherever it begins."""
    document = [tenant, int(time.time()), tuple(position.place), position.pages]
    return base64.urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")


def decode(text: str, tenant: int) -> Position:
    """Raises BadCursor."""
    try:
        owner, at, place, pages = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", True))
        found = Position(
            Place(*(_integer(number) for number in place)),
            {str(source): (_integer(at_), _integer(tie)) for source, (at_, tie) in pages.items()},
        )
        age = time.time() - _integer(at)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise BadCursor("not a cursor of this API") from None
    if owner != tenant:
        raise BadCursor("not a cursor of this API")
    if age > RESUME_S:
        raise BadCursor(f"the cursor is older than {RESUME_S // 60} minutes; begin without one")
    return found


def _integer(value: object) -> int:
    if not isinstance(value, int) or not -(1 << 63) <= value < 1 << 63:
        raise ValueError("a place is made of 64-bit numbers")
    return value
