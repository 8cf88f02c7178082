"""Which items of a push a store refuses, when it refuses them without saying which.

Loki and Prometheus answer 400 for a push of which they refuse anything. Loki has then stored the others, Prometheus nothing.
Both take the same item twice without harm, so the push is cut in halves until each part is taken or refused as a whole.
Items that lie together in time are refused together (too old, out of order): sorted by time few parts are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
MOST_PUSHES = 200
"""Pushes after which a part that is refused is not cut any further: it counts by what the store said, or as a whole."""


class PartlyRefused(Exception):
    """The store refuses at least one item of a push.

    count: how many it says it has refused, when it says so. too_old: what is older than a refused item is refused too.
    """

    def __init__(self, reason: str, count: int | None = None, *, too_old: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.count, self.too_old = reason, count, too_old


def store_all(
    items: Sequence[Item], push: Callable[[Sequence[Item]], None], refused: Callable[[str, int], None],
    size: Callable[[Sequence[Item]], int] = len,
) -> None:  # fmt: skip
    """Push items (sorted by time); refused(reason, count) for what the store would not take. size: how many a part counts.

    push raises PartlyRefused, and whatever else it wants to be known outside.
    """
    waiting, pushes = [items], 0
    while waiting:
        part = waiting.pop()
        pushes += 1
        try:
            push(part)
        except PartlyRefused as answer:
            if len(part) == 1 or answer.count == len(part):
                refused(answer.reason, size(part))
            elif pushes >= MOST_PUSHES:
                refused(answer.reason, size(part) if answer.count is None else answer.count)
            elif answer.too_old and not _taken(part[-1:], push):
                refused(answer.reason, size(part))
            else:
                middle = len(part) // 2
                waiting += (part[middle:], part[:middle])  # the older first


def _taken(part: Sequence[Item], push: Callable[[Sequence[Item]], None]) -> bool:
    """Whether the store takes these and does not call them too old."""
    try:
        push(part)
    except PartlyRefused as answer:
        return not answer.too_old
    return True
