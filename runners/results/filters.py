"""Filters over runs: an expression as a condition that the database can use, and the exact answer for one row.

The condition is necessary, not always sufficient (patterns, order of texts): a row is in the result when `matches`
says so, which means the same on both databases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, true

from runners.lib import expr as language
from runners.lib.errors import UsageError
from runners.lib.expr import Comparison, Expr, ExprError, Logic, Name, Not, Number, Quantity, Reference, Sum, Text
from runners.lib.text import did_you_mean
from runners.results.models import Execution

# field: (column, unit, key in a row's document)
FIELDS: dict[str, tuple[Any, str]] = {
    "run": (Execution.id, "text"),
    "campaign": (Execution.campaign, "text"),
    "environment": (Execution.environment, "text"),
    "state": (Execution.state, "text"),
    "verdict": (Execution.verdict, "text"),
    "reason": (Execution.reason, "text"),
    "commit": (Execution.commit, "text"),
    "seed": (Execution.seed, "1"),
    "started_at": (Execution.started_at, "text"),
    "finished_at": (Execution.finished_at, "text"),
    "duration_s": (Execution.duration_s, "s"),
    "tests.planned": (Execution.planned, "1"),
    "tests.passed": (Execution.passed, "1"),
    "tests.failed": (Execution.failed, "1"),
    "tests.skipped": (Execution.skipped, "1"),
    "tests.invalid": (Execution.invalid, "1"),
    "tests.not_run": (Execution.not_run, "1"),
}
_TIMES = ("started_at", "finished_at")


class Filter:
    """One parsed expression; the empty text matches everything."""

    def __init__(self, text: str) -> None:
        """Raises UsageError with the column."""
        self.text = " ".join(text.split())
        self._tree: Expr | None = None
        if self.text:
            try:
                self._tree = _with_dates(language.parse(self.text))
                language.check(self._tree, _Row({}))
            except ExprError as error:
                raise UsageError(f"--filter: {error.what}", remedy=error.remedy) from None

    def condition(self) -> ColumnElement[bool]:
        """Holds for every row that matches."""
        return true() if self._tree is None else _condition(self._tree)

    def matches(self, item: Mapping[str, Any]) -> bool:
        """item: a run as `queries.list_runs` gives it. Unknown does not match."""
        return self._tree is None or language.evaluate(self._tree, _Row(item)) is True


class _Row:
    """The context of one run."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self._item = item

    def unit(self, reference: Reference) -> str | None:
        field = str(reference)
        if field not in FIELDS:
            remedy = did_you_mean(field, FIELDS)
            if not isinstance(reference, Name):
                raise ExprError("a filter has no functions, only fields", field, reference.column, remedy)
            raise language.UnknownName(f"unknown field '{field}'", field, reference.column, remedy)
        return FIELDS[field][1]

    def value(self, reference: Reference) -> Quantity | None:
        unit = self.unit(reference) or "1"
        found: Any = self._item
        for part in str(reference).split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if str(reference) in _TIMES and found is not None:
            found = stamp(found)
        return None if found is None else Quantity(found, unit)

    def baseline(self, operand: Sum) -> Quantity | None:
        raise ExprError(f"baseline({operand}) has no meaning in a filter")


def stamp(at: float) -> str:
    """A moment as fixed-width text that sorts by time: 2026-11-23T03:12:33.120000Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: Text) -> float:
    try:
        found = datetime.fromisoformat(text.value)
    except ValueError:
        raise ExprError(
            f"'{text.value}' is not a date", str(text), text.column, 'write "2026-11-23" or "2026-11-23T14:30:00"'
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _with_dates(tree: Expr) -> Expr:
    """Dates beside a time brought into the form of `stamp` (without a zone they are UTC)."""
    if isinstance(tree, Not):
        return Not(_with_dates(tree.operand))
    if isinstance(tree, Logic):
        return Logic(tree.op, tuple(_with_dates(item) for item in tree.operands))
    left, right = tree.left, tree.right
    if tree.op != "~" and isinstance(left, Name) and str(left) in _TIMES and isinstance(right, Text):
        right = Text(stamp(_moment(right)), right.column)
    if tree.op != "~" and isinstance(right, Name) and str(right) in _TIMES and isinstance(left, Text):
        left = Text(stamp(_moment(left)), left.column)
    return Comparison(tree.op, left, right, tree.column)


# ------------------------------------------------------------------ as SQL

_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _condition(tree: Expr) -> ColumnElement[bool]:
    """A necessary condition. Below a `not` only an exact one can be turned round; else `true` stands in."""
    if isinstance(tree, Not):
        inner = _exact(tree.operand)
        return true() if inner is None else not_(inner)
    if isinstance(tree, Logic):
        parts = [_condition(item) for item in tree.operands]
        return and_(*parts) if tree.op == "and" else or_(*parts)
    found = _comparison(tree)
    return true() if found is None else found[0]


def _exact(tree: Expr) -> ColumnElement[bool] | None:
    """A condition that is the expression, in three values too, or None."""
    if isinstance(tree, Comparison):
        found = _comparison(tree)
        return found[0] if found is not None and found[1] else None
    if isinstance(tree, Not):
        inner = _exact(tree.operand)
        return None if inner is None else not_(inner)
    parts = [_exact(item) for item in tree.operands]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return and_(*known) if tree.op == "and" else or_(*known)


def _comparison(tree: Comparison) -> tuple[ColumnElement[bool], bool] | None:
    """(condition, is it exact); None when the database is not asked."""
    left, op, right = tree.left, tree.op, tree.right
    if isinstance(right, Name) and str(right) in FIELDS and op in _MIRRORED:
        left, op, right = right, _MIRRORED[op], left
    if not isinstance(left, Name) or str(left) not in FIELDS:
        return None
    column, unit = FIELDS[str(left)]
    if isinstance(right, Name) and str(right) not in FIELDS:
        right = Text(str(right))  # a bare word
    if isinstance(right, Number) and unit != "text":
        return _ordered(column, op, language.scaled(right.value, right.unit)), True
    if not isinstance(right, Text):
        return None
    if str(left) in _TIMES and op != "~":
        # A little wider: the exact answer comes from the text, which is cut at microseconds.
        at = _moment(right)
        if op in ("==", "!="):
            return None
        return _ordered(column, op, at - 1e-5 if op in (">", ">=") else at + 1e-5), False
    if op in ("==", "!="):
        return _ordered(column, op, right.value), True
    if op == "~" and right.value and re.fullmatch(r"[\w /:-]+", right.value) and str(left) not in _TIMES:
        return column.contains(right.value, autoescape=True), False
    return None


def _ordered(column: Any, op: str, value: Any) -> ColumnElement[bool]:
    result: ColumnElement[bool] = {
        "==": column.__eq__, "!=": column.__ne__, "<": column.__lt__, "<=": column.__le__, ">": column.__gt__,
        ">=": column.__ge__,
    }[op](value)  # fmt: skip
    return result
