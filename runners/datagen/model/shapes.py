"""Shapes: each route with each way it can end, compiled once into the visits and log lines that every such request has.

When an operation fails, its callers fail with it and what they would have done next does not happen. Each failed
operation writes exactly one ERROR record, so failed spans, ERROR records and error counts agree by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from runners.datagen.topology import CLIENT, ERROR, PRODUCER, ROUTES, SERVER, SERVICES, Line, Operation

SERVICE_INDEX = {service.name: index for index, service in enumerate(SERVICES)}
ERROR_STATUS = 2
MAX_VISITS = 64


class Visit(NamedTuple):
    """One span of a shape. parent: position of the parent, -1 for the root; share: of self time before the children.

    error: None, or (error.type, message); origin: the failure began here (its callers only pass it on).
    """

    operation: Operation
    service: int
    parent: int
    children: tuple[int, ...]
    error: tuple[str, str] | None
    origin: bool
    lines: tuple[Line, ...]

    @property
    def status_code(self) -> int:
        """OpenTelemetry's status: 0 unset, 2 error."""
        return ERROR_STATUS if self.error else 0

    @property
    def http_status(self) -> int | None:
        """What an HTTP span answers or got; None for other spans."""
        if "http.request.method" not in self.operation.attributes:
            return None
        if self.error is None:
            return 201 if self.operation.attributes["http.request.method"] == "POST" else 200
        return 500 if self.origin else 502


@dataclass(frozen=True)
class Shape:
    """visits: depth first, parents before children."""

    route: int
    visits: tuple[Visit, ...]
    logs: int


@lru_cache(maxsize=1)
def shapes() -> tuple[tuple[Shape, tuple[Shape, ...]], ...]:
    """For each route: how it ends well, and the ways it can fail."""
    return tuple(
        (
            _compile(index, None),
            tuple(_compile(index, number) for number, _, operation in route.root.walk() if operation.failure),
        )
        for index, route in enumerate(ROUTES)
    )


def _compile(route: int, failing: int | None) -> Shape:
    numbered = list(ROUTES[route].root.walk())
    parents = {number: parent for number, parent, _ in numbered}
    path: set[int] = set()
    at = failing
    while at is not None and at >= 0:
        path.add(at)
        at = parents[at]
    # Depth-first numbers grow in the order of time: whatever follows the failing operation never happens.
    kept = [entry for entry in numbered if failing is None or entry[0] <= failing]
    position = {number: index for index, (number, _, _) in enumerate(kept)}
    cause = numbered[failing][2].failure if failing is not None else None
    visits = []
    for number, parent, operation in kept:
        children = tuple(position[child] for child, above, _ in kept if above == number)
        error = None
        if number in path and cause is not None:
            error = cause if number == failing else (_passed_on(operation), f"{_literal(operation.name)}: {cause[0]}")
        visits.append(
            Visit(
                operation,
                SERVICE_INDEX[operation.service],
                position.get(parent, -1),
                children,
                error,
                number == failing,
                _lines(operation, error),
            )
        )
    assert len(visits) <= MAX_VISITS
    logs = sum(len(visit.lines) for visit in visits)
    assert logs <= MAX_VISITS
    return Shape(route, tuple(visits), logs)


def _passed_on(operation: Operation) -> str:
    return "502" if operation.kind in (SERVER, CLIENT, PRODUCER) else "_OTHER"


def _literal(text: str) -> str:
    """Text that formatting leaves as it is: routes have braces of their own."""
    return text.replace("{", "{{").replace("}", "}}")


def _lines(operation: Operation, error: tuple[str, str] | None) -> tuple[Line, ...]:
    if error is None:
        return operation.lines
    early = tuple(line for line in operation.lines if line.at < 0.5)
    return (*early, Line(1.0, ERROR, f"{error[0]}: {error[1]}"))
