"""Shapes: each route with each way it can go, compiled once into the visits and log lines that every such request has.

A request goes well, or one operation fails, or one call fails at first and is tried again. When an operation fails, its
callers fail with it and what they would have done next does not happen. Each failed operation writes exactly one ERROR
record, so failed spans, ERROR records and error counts agree by construction. What takes place later (consumers of a
message) belongs to the request too, as a trace of its own; when it fails, only that trace does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from runners.datagen.shop import ROUTES, SERVICES
from runners.datagen.topology import CLIENT, ERROR, SERVER, Line, Operation

SERVICE_INDEX = {service.name: index for index, service in enumerate(SERVICES)}
ERROR_STATUS = 2
MAX_VISITS = 64


class Visit(NamedTuple):
    """One span of a shape. parent: position of the parent, -1 for a root; stage: number within the shape of the stage of
    its parent in which it runs, -1 for a root; link: position of the span that caused this root, or -1.

    error: None, or (error.type, message); origin: the failure began here (its callers only pass it on); http_status: what
    an HTTP span answers or got, None for other spans; attempt: 0, or 1 for the second attempt of a call; after_us: of a
    failed first attempt, how long it took, else 0; trace: 0 for the request's own, 1… for what came later.
    """

    operation: Operation
    service: int
    parent: int
    stage: int
    link: int
    error: tuple[str, str] | None
    origin: bool
    http_status: int | None
    attempt: int
    after_us: int
    trace: int
    lines: tuple[Line, ...]

    @property
    def status_code(self) -> int:
        """OpenTelemetry's status: 0 unset, 2 error."""
        return ERROR_STATUS if self.error else 0


class Stage(NamedTuple):
    """What begins together below one visit. parent: its position; first: number of that visit's first stage."""

    parent: int
    first: int


@dataclass(frozen=True)
class Shape:
    """visits: depth first, parents before children. origin: the service at which it goes wrong, -1 when it goes well."""

    route: int
    visits: tuple[Visit, ...]
    stages: tuple[Stage, ...]
    logs: int
    origin: int = -1


class Shapes(NamedTuple):
    """Of one route."""

    well: Shape
    failing: tuple[Shape, ...]
    retrying: tuple[Shape, ...]


@lru_cache(maxsize=1)
def shapes() -> tuple[Shapes, ...]:
    """For each route: how it ends well, and the ways it can fail or need a second attempt."""
    found = []
    for index, route in enumerate(ROUTES):
        every = [operation for root in _roots(route.root) for operation in root.walk()]
        failing = tuple(_Compiler(index, failing=one).shape() for one in every if one.failure)
        retrying = tuple(_Compiler(index, retrying=one).shape() for one in every if one.retry)
        found.append(Shapes(_Compiler(index).shape(), failing, retrying))
    return tuple(found)


def _roots(root: Operation) -> Iterator[Operation]:
    """The request's own tree and those that come later, however deep."""
    yield root
    for operation in root.walk():
        for later in operation.later:
            yield from _roots(later)


class _Compiler:
    """One shape in the making. An operation occurs once in a route."""

    def __init__(self, route: int, *, failing: Operation | None = None, retrying: Operation | None = None) -> None:
        self._route, self._failing, self._retrying = route, failing, retrying
        self._visits: list[Visit] = []
        self._stages: list[Stage] = []
        self._waiting: list[tuple[Operation, int]] = []

    def shape(self) -> Shape:
        self._waiting.append((ROUTES[self._route].root, -1))
        trace = 0
        while self._waiting:
            root, link = self._waiting.pop(0)
            self._visit(root, -1, -1, trace=trace, link=link)
            trace += 1
        assert len(self._visits) <= MAX_VISITS
        logs = sum(len(visit.lines) for visit in self._visits)
        assert logs <= MAX_VISITS
        self._sort_stages()
        wrong = self._failing or self._retrying
        origin = SERVICE_INDEX[wrong.service] if wrong else -1
        return Shape(self._route, tuple(self._visits), tuple(self._stages), logs, origin)

    def _sort_stages(self) -> None:
        """Number the stages so that those of one visit follow one another."""
        order = sorted(range(len(self._stages)), key=lambda number: (self._stages[number].parent, number))
        new = {number: index for index, number in enumerate(order)}
        self._stages = [Stage(self._stages[number].parent, new[self._stages[number].first]) for number in order]
        self._visits = [visit._replace(stage=new.get(visit.stage, -1)) for visit in self._visits]

    def _visit(
        self, operation: Operation, parent: int, stage: int, *, trace: int, link: int = -1, attempt: int = 0
    ) -> int | None:
        """Adds the operation with all it calls. The HTTP status (0 for what has none) with which it failed, or None."""
        position = len(self._visits)
        blank = Visit(
            operation, SERVICE_INDEX[operation.service], parent, stage, link, None, False, _status(operation), attempt, 0,
            trace, operation.lines,
        )  # fmt: skip
        self._visits.append(blank)
        if operation is self._failing:
            assert operation.failure is not None
            return self._fail(position, operation.failure, _own_status(operation, operation.failure[0]), origin=True)
        first = len(self._stages)
        for together in operation.stages:
            number = len(self._stages)
            self._stages.append(Stage(position, first))
            answers: list[tuple[Operation, int]] = []
            for child in together:
                if child is self._retrying:
                    child_stage = self._first_attempt(child, position, number, first, trace)
                    answer = self._visit(child, position, child_stage, trace=trace, attempt=1)
                else:
                    answer = self._visit(child, position, number, trace=trace)
                if answer is not None:
                    answers.append((child, answer))
            if answers:  # what runs beside a failing call still runs; what would follow does not
                assert self._failing is not None and self._failing.failure is not None
                _, answer = answers[0]
                status = answer if operation.kind == CLIENT and answer else 502
                kind = str(status) if operation.kind in (SERVER, CLIENT) else "_OTHER"
                message = f"{_literal(operation.name)}: {self._failing.failure[0]}"
                has = _status(operation) is not None
                return self._fail(position, (kind, message), status if has else 0, origin=False)
        self._waiting += [(later, position) for later in operation.later]
        return None

    def _first_attempt(self, child: Operation, parent: int, stage: int, first: int, trace: int) -> int:
        """A call that fails; the stage in which it is tried again, after this one."""
        assert child.retry is not None
        error, message, after_us = child.retry
        lines = (*(line for line in child.lines if line.at < 0.5), Line(1.0, ERROR, f"{error}: {message}"))
        self._visits.append(
            Visit(
                child, SERVICE_INDEX[child.service], parent, stage, -1, (error, message), True, None, 0, after_us, trace,
                lines,
            )
        )  # fmt: skip
        self._stages.append(Stage(parent, first))
        return len(self._stages) - 1

    def _fail(self, position: int, error: tuple[str, str], status: int, *, origin: bool) -> int:
        visit = self._visits[position]
        early = tuple(line for line in visit.lines if line.at < 0.5)
        self._visits[position] = visit._replace(
            error=error, origin=origin, http_status=status or None,
            lines=(*early, Line(1.0, ERROR, f"{error[0]}: {error[1]}")),
        )  # fmt: skip
        return status


def _status(operation: Operation) -> int | None:
    method = operation.attributes.get("http.request.method")
    return None if method is None else 201 if method == "POST" else 200


def _own_status(operation: Operation, error: str) -> int:
    if _status(operation) is None:
        return 0
    return int(error) if error.isdigit() else 500


def _literal(text: str) -> str:
    """Text that formatting leaves as it is: routes have braces of their own."""
    return text.replace("{", "{{").replace("}", "}}")
