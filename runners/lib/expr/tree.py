"""The tree of an expression. `str()` of it is an expression that parses to the same tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from runners.lib.errors import EXIT_INVALID, TestbedError

FUNCTIONS: dict[str, str | None] = {
    "min": None, "mean": None, "max": None, "p50": None, "p90": None, "p95": None, "p99": None, "p999": None,
    "count": "1", "rate": "/s", "sum": None, "error_rate": "%", "detect": "s", "recovery": "s",
}  # fmt: skip
"""Name to the unit of the value; None is the unit of the metric itself."""
PHASES = ("before", "fault", "after")
ARGUMENTS = ("phase", "window", "tenant")
OF_A_STAGE = ("detect", "recovery")


class ExprError(TestbedError):
    """The expression is malformed, names something unknown, or mixes units. column: from 1, in `text`."""

    exit_code = EXIT_INVALID

    def __init__(self, what: str, text: str = "", column: int = 0, remedy: str | None = None) -> None:
        where = f"column {column}: " if column else ""
        super().__init__(f"{where}{what}" + (f" in '{text}'" if text else ""), remedy=remedy)
        self.text, self.column, self.reason = text, column, what


class UnknownName(ExprError):
    """A scope does not know this name; beside a text it is then taken as a word."""


@dataclass(frozen=True)
class Number:
    """unit: as written (`ms`, `GB`, `%`, `/s`) or None."""

    value: float
    unit: str | None = None
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        whole = self.value.is_integer() and abs(self.value) < 1e15
        return (str(int(self.value)) if whole else repr(self.value)) + (self.unit or "")


@dataclass(frozen=True)
class Text:
    value: str
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return '"' + self.value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Name:
    """A dotted path, or a bare word where it stands beside a text."""

    path: tuple[str, ...]
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Call:
    """`function(path, phase=…, window=…, tenant=…)`. window: seconds."""

    function: str
    path: tuple[str, ...]
    phase: str | None = None
    window: float | None = None
    tenant: str | None = None
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        words = [".".join(self.path)]
        if self.phase is not None:
            words.append(f"phase={self.phase}")
        if self.window is not None:
            words.append(f"window={Number(self.window, 's')}")
        if self.tenant is not None:
            words.append(f"tenant={Text(self.tenant)}")
        return f"{self.function}({', '.join(words)})"


@dataclass(frozen=True)
class Baseline:
    """The value that the sum had in the baseline."""

    operand: Sum
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"baseline({self.operand})"


@dataclass(frozen=True)
class Arithmetic:
    """`left op right` of + - * /, grouping to the left; the language has no parentheses inside a sum."""

    op: str
    left: Sum
    right: Sum
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True)
class Comparison:
    op: str
    left: Sum
    right: Sum
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True)
class Not:
    operand: Expr

    def __str__(self) -> str:
        return f"not {self.operand if isinstance(self.operand, Comparison) else f'({self.operand})'}"


@dataclass(frozen=True)
class Logic:
    """op: `and` or `or`, over two or more operands."""

    op: str
    operands: tuple[Expr, ...]

    def __str__(self) -> str:
        def wrap(item: Expr) -> str:
            bare = not isinstance(item, Logic) or (self.op == "or" and item.op == "and")
            return str(item) if bare else f"({item})"

        return f" {self.op} ".join(wrap(item) for item in self.operands)


Reference = Name | Call
Sum = Number | Text | Name | Call | Baseline | Arithmetic
Expr = Comparison | Not | Logic


def references(expr: Expr | Sum) -> Iterator[Reference]:
    """Every name and call, left to right; also bare words, which only a scope can tell from names."""
    if isinstance(expr, Name | Call):
        yield expr
    elif isinstance(expr, Logic):
        for item in expr.operands:
            yield from references(item)
    elif isinstance(expr, Not | Baseline):
        yield from references(expr.operand)
    elif isinstance(expr, Comparison | Arithmetic):
        yield from references(expr.left)
        yield from references(expr.right)


def comparisons(expr: Expr) -> Iterator[Comparison]:
    """Every comparison, left to right."""
    if isinstance(expr, Comparison):
        yield expr
    elif isinstance(expr, Not):
        yield from comparisons(expr.operand)
    else:
        for item in expr.operands:
            yield from comparisons(item)
