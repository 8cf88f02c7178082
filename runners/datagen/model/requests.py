"""What happened in one tick of a tenant, in columns; spans, log records and metrics are projections of it.

Made by `stream`; arithmetic is on integers: the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runners.datagen.model.fields import FEW_VARIANTS, pools, variants
from runners.datagen.model.shapes import MAX_VISITS, Visit
from runners.datagen.model.tables import Tables
from runners.ledger.mixing import U64

Integers = npt.NDArray[np.int64]
TRACE_SHIFT = 38
"""The number of a trace is its request's, with the number of the trace within the request from this bit on."""


@dataclass(frozen=True, eq=False)
class Requests:
    """The requests that end in one tick, by end.

    By request (R): number, shape, variant, user, product, client (indexes into the pools), order (any 64 bits).
    By visit (V), request by request and in the order of the shape: request (index), row (of the tables), instance
    (ordinal in the fleet), start, end (Unix nanoseconds). By request: first (index of its first visit).
    novelty: by service, the share of 2^32 of log records that are of a new pattern; None: of no service. heard: indexes of
    the visits of which a span is told, None: of all; mute: by service, 1 where it writes no records; terse: by request, are
    its debug records left out? asides: do remarks stand among the records? job: by request, the
    number of the request whose trace it is in, and below whose root: its own for most; None: for all.
    """

    tables: Tables
    number: U64
    shape: Integers
    variant: Integers
    pool: Mapping[str, Integers]
    order: U64
    request: Integers
    row: Integers
    instance: Integers
    start: Integers
    end: Integers
    first: Integers
    novelty: Integers | None = None
    heard: Integers | None = None
    mute: Integers | None = None
    terse: npt.NDArray[np.bool_] | None = None
    asides: bool = False
    job: U64 | None = None

    @property
    def base(self) -> U64:
        """(R,) the number of the trace of each request."""
        return self.number if self.job is None else self.job

    @property
    def nested(self) -> npt.NDArray[np.bool_]:
        """(V,) is this the root of a request, and yet within another's?"""
        if self.job is None:
            return np.zeros(len(self.row), bool)
        found = np.zeros(len(self.row), bool)
        found[self.first] = self.job != self.number
        return found

    @property
    def told(self) -> Integers | slice:
        """Which visits are told as spans, to be used as an index. What is not told is not counted by metrics either."""
        return slice(None) if self.heard is None else self.heard

    def __len__(self) -> int:
        return len(self.number)

    @cached_property
    def span_numbers(self) -> U64:
        """(V,) numbers of the spans."""
        position = self.tables.position[self.row].astype(np.uint64)
        return self.number[self.request] * np.uint64(MAX_VISITS) + position

    @cached_property
    def trace_numbers(self) -> U64:
        """(V,) numbers of the traces."""
        later = self.tables.trace[self.row].astype(np.uint64) << np.uint64(TRACE_SHIFT)
        return self.base[self.request] | later

    @property
    def span_class(self) -> Integers:
        """(V,) index into `tables.classes` of what metrics count a span under."""
        return self.tables.span_class[self.row]

    def fields(self, request: int) -> Fields:
        """The texts of the request at this index."""
        variant = int(self.variant[request])
        found: dict[str, str] = {}
        for name, texts in pools().items():
            found[name] = texts[int(self.pool[name][request])]
        found["order"] = f"{int(self.order[request]):016x}"
        return Fields({**variants()[variant], **found}, {**variants()[variant % FEW_VARIANTS], **found})


class Fields(NamedTuple):
    """The texts of a request, for visits that went well and for failed ones."""

    well: Mapping[str, str]
    failed: Mapping[str, str]

    def of(self, visit: Visit) -> Mapping[str, str]:
        return self.failed if visit.error else self.well
