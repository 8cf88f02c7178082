"""Names and units of a tree checked; its value in three-valued logic (Kleene, 1952).

What does not exist is unknown (None). Unknown spreads, unless the other side of `and` or `or` decides alone.
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from dataclasses import dataclass
from typing import Protocol

from runners.lib.expr.dimension import TEXT, ZERO, Dimension, dimension, scaled
from runners.lib.expr.tree import (
    Arithmetic,
    Baseline,
    Call,
    Comparison,
    Expr,
    ExprError,
    Logic,
    Name,
    Not,
    Number,
    Reference,
    Sum,
    Text,
    UnknownName,
    references,
)


@dataclass(frozen=True)
class Quantity:
    """A value in the unit it is given in (`ms`, `B`, `%`, `1`, …) or, with unit `text`, a text."""

    value: float | str
    unit: str = "1"
    low: float | None = None
    """Of a call with `window=`: the lowest window, where `value` is the highest."""


class Scope(Protocol):
    """Which names there are, and their units."""

    def unit(self, reference: Reference) -> str | None:
        """The unit of the value; None when only a run will tell. Raises UnknownName."""


class Context(Scope, Protocol):
    """A scope with values."""

    def value(self, reference: Reference) -> Quantity | None:
        """None when it does not exist (not measured, not observable). Raises UnknownName."""

    def baseline(self, operand: Sum) -> Quantity | None:
        """The value that this sum had in the baseline, or None without one."""


# ------------------------------------------------------------------ checking


def check(expr: Expr, scope: Scope) -> None:
    """Raises ExprError for a name that the scope does not know and for units that do not fit."""
    if isinstance(expr, Comparison):
        _check_comparison(expr, scope)
    elif isinstance(expr, Not):
        check(expr.operand, scope)
    else:
        for item in expr.operands:
            check(item, scope)


def _check_comparison(comparison: Comparison, scope: Scope) -> tuple[Sum, Sum]:
    """Both sides, with bare words beside a text made texts."""
    left, right = _words(comparison.left, comparison.right, scope), comparison.right
    right = _words(right, left, scope)
    one, two = _dimension(left, scope), _dimension(right, scope)
    if comparison.op == "~":
        for side, found in ((left, one), (right, two)):
            if found is not None and found.kind != "text":
                raise ExprError(f"~ matches texts, but {side} is {found}", str(comparison))
        return left, right
    if one is None or two is None or one.fits(two):
        return left, right
    raise _misfit(comparison, left, one, right, two)


def _misfit(where: Sum | Comparison, left: Sum, one: Dimension, right: Sum, two: Dimension) -> ExprError:
    remedy = None
    for number, other in ((right, one), (left, two)):
        if isinstance(number, Number) and number.unit is None and other.kind != "text":
            remedy = "write " + other.example.format(n=number)
        elif isinstance(number, Number) and other.kind == "text":
            remedy = f'write "{number}"'
    return ExprError(f"{left} is {one}, but {right} is {two}", str(where), remedy=remedy)


def _words(side: Sum, partner: Sum, scope: Scope) -> Sum:
    """A name that is not known stands for itself when it is compared with a text: `verdict == failed`."""
    if not isinstance(side, Name):
        return side
    try:
        scope.unit(side)
    except UnknownName:
        try:
            kind = _dimension(partner, scope)
        except UnknownName:
            kind = None
        if kind is not None and kind.kind == "text":
            return Text(str(side), side.column)
        raise
    return side


def _dimension(node: Sum, scope: Scope) -> Dimension | None:
    """None when only a run will tell."""
    if isinstance(node, Number):
        return ZERO if node.value == 0 and node.unit is None else dimension(node.unit)
    if isinstance(node, Text):
        return TEXT
    if isinstance(node, Baseline):
        return _dimension(node.operand, scope)
    if isinstance(node, Arithmetic):
        return _combine(node, _dimension(node.left, scope), _dimension(node.right, scope))
    unit = scope.unit(node)
    return None if unit is None else dimension(unit)


def _combine(node: Arithmetic, left: Dimension | None, right: Dimension | None) -> Dimension | None:
    for side, found in ((node.left, left), (node.right, right)):
        if found is not None and found.kind == "text":
            raise ExprError(f"{side} is a text: it has no arithmetic", str(node))
    if left is None or right is None:
        return None
    if node.op in "*/":
        return left.times(right, 1 if node.op == "*" else -1)
    if not left.fits(right):
        raise _misfit(node, node.left, left, node.right, right)
    return left.joined(right)


# ------------------------------------------------------------------ value

_ORDER = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class _Measured:
    """A scope in which the units of values that exist are those of the values."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def unit(self, reference: Reference) -> str | None:
        unit = self._context.unit(reference)
        if unit is None:
            found = self._context.value(reference)
            unit = None if found is None else found.unit
        return unit


def evaluate(expr: Expr, context: Context) -> bool | None:
    """True, False, or None when that is not known. Raises ExprError as `check` does."""
    if isinstance(expr, Not):
        inner = evaluate(expr.operand, context)
        return None if inner is None else not inner
    if isinstance(expr, Logic):
        decisive = expr.op == "or"
        values = [evaluate(item, context) for item in expr.operands]
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    return _compare(expr, context)


def _compare(comparison: Comparison, context: Context) -> bool | None:
    return compare(comparison, context)[0]


def compare(comparison: Comparison, context: Context) -> tuple[bool | None, float | str | None, float | str | None]:
    """(holds, left value, right value). With `window=` it must hold in every window: the worst one is returned.

    Sides are monotone in each call, so the extremes of all windows decide for an order; == and != cannot be decided
    that way and are refused.
    """
    left, right = _check_comparison(comparison, _Measured(context))
    windowed = [item for item in references(comparison) if isinstance(item, Call) and item.window is not None]
    if windowed and comparison.op not in ("<", "<=", ">", ">="):
        raise ExprError(f"{windowed[0]} asks for the worst window, but {comparison.op} has none", str(comparison),
                        remedy="compare it with < or >")  # fmt: skip
    worst: tuple[bool | None, float | str | None, float | str | None] | None = None
    for lows in itertools.product((False, True), repeat=min(len(windowed), 8)):
        picked = _Picked(context, {item for item, low in zip(windowed, lows, strict=False) if low})
        one, two = quantity(left, picked), quantity(right, picked)
        holds = None if one is None or two is None else _holds(comparison, one, two)
        if worst is None or _RANK[holds] < _RANK[worst[0]]:
            worst = (holds, one, two)
    assert worst is not None
    return worst


_RANK: dict[bool | None, int] = {False: 0, None: 1, True: 2}


class _Picked:
    """A context in which some windowed calls have the value of their lowest window."""

    def __init__(self, context: Context, lowest: set[Call]) -> None:
        self.unit, self.baseline = context.unit, context.baseline
        self._context, self._lowest = context, lowest

    def value(self, reference: Reference) -> Quantity | None:
        found = self._context.value(reference)
        if found is not None and reference in self._lowest and found.low is not None:
            return Quantity(found.low, found.unit)
        return found


def _holds(comparison: Comparison, one: float | str, two: float | str) -> bool:
    if comparison.op == "~":
        try:
            return re.search(str(two), str(one)) is not None
        except (re.error, RecursionError, OverflowError) as error:
            raise ExprError(f"'{two}' is not a regular expression: {error}", str(comparison)) from None
    return bool(_ORDER[comparison.op](one, two))


def quantity(node: Sum, context: Context) -> float | str | None:
    """The value of a sum in base units (seconds, bytes, share of 1, per second), a text, or None."""
    if isinstance(node, Number):
        return scaled(node.value, node.unit)
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Arithmetic):
        return _arithmetic(node, context)
    found = context.baseline(node.operand) if isinstance(node, Baseline) else context.value(node)
    if found is None or isinstance(found.value, str):
        return None if found is None else found.value
    value = scaled(float(found.value), found.unit)
    return value if math.isfinite(value) else None


def _arithmetic(node: Arithmetic, context: Context) -> float | None:
    left, right = quantity(node.left, context), quantity(node.right, context)
    if not isinstance(left, float | int) or not isinstance(right, float | int):
        return None
    if node.op == "/":
        value = left / right if right else math.nan
    else:
        value = {"+": operator.add, "-": operator.sub, "*": operator.mul}[node.op](left, right)
    return value if math.isfinite(value) else None
