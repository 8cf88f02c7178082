"""What a PromQL query is once compiled: a small typed tree that the evaluator understands completely."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BadQuery(ValueError):
    """The query is not PromQL, or means something impossible: 400."""


class Impossible(BadQuery):
    """The query is PromQL, but has no result on this data: 422."""


class Unsupported(ValueError):
    """Valid PromQL that this store cannot evaluate; the text says which part: 501, never a wrong number."""


class TooMuch(ValueError):
    """The query would read or make more than is allowed: 422."""


class Op(StrEnum):
    """How a label matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True)
class Matcher:
    """One `label op "value"`. An absent label is the empty string; regular expressions are anchored (Prometheus)."""

    label: str
    op: Op
    value: str


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Selector:
    """Series to read. range_ns: None for an instant selector; offset_ns: how far back the reading is shifted."""

    name: str | None
    matchers: tuple[Matcher, ...]
    range_ns: int | None
    offset_ns: int


@dataclass(frozen=True)
class Call:
    """A function over its arguments; which ones exist is the evaluator's table."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Aggregate:
    """sum, avg, min, max, count, topk, bottomk. without: the labels are dropped instead of kept."""

    op: str
    expr: Node
    labels: tuple[str, ...]
    without: bool
    parameter: Node | None


@dataclass(frozen=True)
class Binary:
    """Arithmetic or comparison. on: the matching labels, or those ignored when `ignoring` is set; None = all labels."""

    op: str
    left: Node
    right: Node
    as_bool: bool
    on: tuple[str, ...] | None
    ignoring: bool


@dataclass(frozen=True)
class Negate:
    expr: Node


Node = Number | Selector | Call | Aggregate | Binary | Negate
