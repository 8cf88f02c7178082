"""Keyset cursors of plain lists: the sort key of the last row, opaque to the caller.

A cursor grants nothing: every page filters by the caller's rights again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from observastack.backend.errors import ApiError

T = TypeVar("T", int, str)
Row = TypeVar("Row")


def encode(key: int | str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def decode(cursor: str | None, kind: type[T]) -> T | None:
    """The key that the page begins after; None for the first page. Raises ApiError 422."""
    if cursor is None:
        return None
    try:
        key: Any = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", True))
    except (ValueError, binascii.Error):
        key = None
    if type(key) is not kind or (isinstance(key, int) and not 0 <= key < 1 << 63):
        raise ApiError(422, "not a cursor of this list", code="bad_cursor")
    if isinstance(key, str) and "\0" in key:
        raise ApiError(422, "not a cursor of this list", code="bad_cursor")
    return key


def page(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], bool]:
    """The rows of the page, and whether there are more; `rows` was asked for with limit + 1."""
    return rows[:limit], len(rows) > limit
