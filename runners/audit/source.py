"""What an audit needs to know of the generator: how to make any item again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from runners.ledger.attempt import Batch
from runners.ledger.identity import Identity
from runners.ledger.items import Item, Signal
from runners.ledger.mixing import U64
from runners.ledger.sight import WHOLE, Sight

Index = TypeVar("Index", int, npt.NDArray[np.int64])


class Source(Protocol):
    """Implemented by the generator's world; everything is a pure function of the run's header."""

    identity: Identity

    def slice(self, tenant: int, signal: Signal, tick: int) -> Sequence[Item]:
        """All items of a tenant and signal that belong to a tick."""

    def count(self, tenant: int, signal: Signal, tick: int) -> int:
        """How many items the slice has, without making them."""

    def ended(self, tenant: int, signal: Signal, tick: int) -> int:
        """How many items of a slice, the last ones, are markers of series that have ended: no store shows them."""

    def part_of(self, index: Index, items: int, ended: int = 0) -> Index:
        """Which request carries the item at this index, or at each of these, of a slice of `items` items; it never falls.
        ended: how many of them are markers; these go in requests of their own."""

    def numbers(self, tenant: int, signal: Signal, tick: int) -> U64:
        """The numbers of the items of a slice, in its order, without making them."""

    def ticks_of(self, tenant: int, signal: Signal, numbers: U64) -> npt.NDArray[np.int64]:
        """The tick of each of these items; -1 where the plan has no such item."""

    def sample_number(
        self, instance_id: str, name: str, attributes: dict[str, Any], time: int, sight: Sight = WHOLE
    ) -> tuple[int, int] | None:
        """(tenant, number) of the metric sample with this identity, as a store with this sight shows it."""


def of_markers(source: Source, batch: Batch) -> bool:
    """Does this request carry nothing but markers of series that have ended?"""
    ended = source.ended(*batch[:3])
    if not ended:
        return False
    size = source.count(*batch[:3])
    return batch.part >= source.part_of(size - ended, size, ended)
