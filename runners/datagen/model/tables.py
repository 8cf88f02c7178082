"""The shapes as tables of numpy, so that all requests of a tick can be computed at once.

A *row* is one visit of one shape; a *kind* is what rows have in common that differ only in where they stand: all spans of
one kind say the same, but for the fields, ids and times. A *line* is one log record of a kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from runners.datagen.model.asides import has_aside
from runners.datagen.model.fields import FEW_VARIANTS, VARIANTS
from runners.datagen.model.shapes import Shape, Visit, shapes
from runners.datagen.shop import ROUTES, SERVICES
from runners.datagen.topology import DEBUG, Line

Integers = npt.NDArray[np.int64]
Small = npt.NDArray[np.int8]
ROUTE_BITS = 10
_T = TypeVar("_T")


class SpanClass(NamedTuple):
    """What request counts are split by, within one instance."""

    service: int
    name: str
    kind: int
    status_code: int


class Tables:
    """Everything is a whole number, of 64 bits but for level and trace, which are compared often and have 8. By shape: well, first_row, visits, logs, first_stage, stages. By row: position,
    parent (position, -1), level (0 for a root), service, stage (in the shape), own_us, fixed (1: always as long), kind,
    span_class, trace, link (position, -1), first_line, lines, logs_before (in the shape), debugs (records of that severity). By stage: stage_parent
    (position), stage_before (first stage of that visit, in the shape), stage_level (of the visits in it). By line row:
    line (number among the distinct ones), at (percent of the duration). By kind: nested (the same with a parent), variants, and by line: line_variants, how
    many there are of it, both powers of two, debug_line: is it of that severity, and aside_line: may a remark stand in its
    place?
    """

    def __init__(self) -> None:
        self.all: list[Shape] = []
        self.routes = _routes()
        self.well, self.failing, self.retrying = [], [], []
        self.victims: list[list[list[int]]] = []
        for of in shapes():
            self.well.append(self._add([of.well])[0])
            self.failing.append(self._add(sorted(of.failing, key=lambda shape: shape.origin)))
            self.retrying.append(self._add(of.retrying))
            self.victims.append(
                [[n for n in self.failing[-1] if self.all[n].origin == service] for service in range(len(SERVICES))]
            )
        visits = [visit for shape in self.all for visit in shape.visits]
        stages = [stage for shape in self.all for stage in shape.stages]
        self.visits, self.logs, self.stages = (
            _array(len(shape.visits) for shape in self.all), _array(shape.logs for shape in self.all),
            _array(len(shape.stages) for shape in self.all),
        )  # fmt: skip
        self.first_row, self.first_stage = _before(self.visits), _before(self.stages)
        self.position = _array(position for shape in self.all for position in range(len(shape.visits)))
        self.parent = _array(visit.parent for visit in visits)
        self.service = _array(visit.service for visit in visits)
        self.stage = _array(visit.stage for visit in visits)
        self.own_us = _array(visit.after_us or visit.operation.self_us for visit in visits)
        self.fixed = _array(visit.after_us > 0 for visit in visits)
        self.trace = _array(visit.trace for visit in visits).astype(np.int8)
        self.link = _array(visit.link for visit in visits)
        self.level = _array(level for shape in self.all for level in _levels(shape)).astype(np.int8)
        self.levels = int(self.level.max()) + 1
        self.stage_parent = _array(stage.parent for stage in stages)
        self.stage_before = _array(stage.first for stage in stages)
        self.kinds: list[Visit] = []
        self.kind = _array(_numbers([_bare(visit) for visit in visits], self.kinds))
        # Roots that are within another request's trace: like the others, but that they have a parent.
        roots = [number for number, visit in enumerate(self.kinds) if visit.parent < 0 and visit.link < 0]
        self.nested = np.arange(len(self.kinds))
        self.nested[roots] = len(self.kinds) + np.arange(len(roots))
        self.kinds += [self.kinds[number]._replace(parent=0) for number in roots]
        self.variants = _array(FEW_VARIANTS if visit.error else VARIANTS for visit in self.kinds)
        self.classes: list[SpanClass] = []
        of_visits = [SpanClass(v.service, v.operation.name, v.operation.kind, v.status_code) for v in visits]
        order = sorted(set(of_visits), key=lambda of: (of.service, of_visits.index(of)))
        self.classes += order
        self.span_class = _array(_numbers(of_visits, self.classes))
        self.lines = _array(len(visit.lines) for visit in visits)
        self.first_line = _before(self.lines)
        before = _before(self.lines)
        self.logs_before = before - np.repeat(before[self.first_row], self.visits)
        self.line_of: list[tuple[Visit, Line]] = []
        self.line = _array(_numbers([(_bare(v), line) for v in visits for line in v.lines], self.line_of))
        self.line_variants = _array(FEW_VARIANTS if visit.error else VARIANTS for visit, _ in self.line_of)
        self.debugs = _array(sum(line.severity is DEBUG for line in visit.lines) for visit in visits)
        self.debug_line = _array(line.severity is DEBUG for _, line in self.line_of)
        self.aside_line = _array(has_aside(visit, line) for visit, line in self.line_of)
        self.at = _array(round(line.at * 100) for visit in visits for line in visit.lines)

    def _add(self, more: Iterable[Shape]) -> list[int]:
        first = len(self.all)
        self.all += more
        return list(range(first, len(self.all)))


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Those of the one topology there is; compiled once a process."""
    return Tables()


def _array(values: Iterable[int]) -> Integers:
    return np.array(list(values), np.int64)


def _before(counts: Integers) -> Integers:
    return np.cumsum(counts) - counts


def _levels(shape: Shape) -> list[int]:
    found: list[int] = []
    for visit in shape.visits:
        found.append(found[visit.parent] + 1 if visit.parent >= 0 else 0)
    return found


def _bare(visit: Visit) -> Visit:
    """The visit without its place in the shape, but for whether it has a parent or a link."""
    return visit._replace(parent=min(visit.parent, 0), stage=0, link=min(visit.link, 0), trace=0)


def _numbers(items: list[_T], distinct: list[_T]) -> list[int]:
    """The number of each item among the distinct ones, to which new ones are added."""
    seen = {item: number for number, item in enumerate(distinct)}
    found = []
    for item in items:
        if item not in seen:
            seen[item] = len(distinct)
            distinct.append(item)
        found.append(seen[item])
    return found


def _routes() -> Integers:
    """1024 entries, each route as often as its weight says."""
    total, seen, ends = sum(route.weight for route in ROUTES), 0, []
    for route in ROUTES:
        seen += route.weight
        ends.append((seen << ROUTE_BITS) // total)
    return np.repeat(np.arange(len(ROUTES)), np.diff(_array(ends), prepend=0))
