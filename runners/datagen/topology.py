"""What a system is made of: services, their operations with what these write, and the trees of calls that requests make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runners.ledger.items import Value

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
DEBUG, INFO, WARN, ERROR = (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")


class Service(NamedTuple):
    """next_version: what the last of several instances runs already: a canary."""

    name: str
    version: str
    next_version: str
    language: str


class Line(NamedTuple):
    """One log record of an operation: at what share of its duration, how severe, what it says."""

    at: float
    severity: tuple[int, str]
    body: str


class Retry(NamedTuple):
    """How a first attempt may fail before a second one ends well: error.type, message, after how many microseconds."""

    error: str
    message: str
    after_us: int


@dataclass(frozen=True, eq=False)
class Operation:
    """One call. self_us: median of its own time in microseconds, without its children.

    children: one after the other; those that stand together in a tuple run at the same time. later: what takes place
    asynchronously, in traces of their own that link to this span. retry: how a first attempt may fail.
    """

    service: str
    name: str
    kind: int
    self_us: int
    attributes: dict[str, Value] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    children: tuple[Operation | tuple[Operation, ...], ...] = ()
    failure: tuple[str, str] | None = None
    later: tuple[Operation, ...] = ()
    retry: Retry | None = None

    @property
    def stages(self) -> tuple[tuple[Operation, ...], ...]:
        """The children by the time at which they begin."""
        return tuple(child if isinstance(child, tuple) else (child,) for child in self.children)

    def walk(self) -> Iterator[Operation]:
        """Itself and all it calls, depth first; not what comes later."""
        yield self
        for stage in self.stages:
            for child in stage:
                yield from child.walk()


@dataclass(frozen=True, eq=False)
class Route:
    """A kind of user request: how frequent, and the tree of calls that answers it."""

    weight: int
    root: Operation
