"""The expression language of gates, load thresholds and result filters: one grammar, one parser, one meaning.

    parse(text) -> Expr                     the tree; str(tree) is text again
    check(expr, scope)                      names and units, before anything runs
    evaluate(expr, context) -> bool | None  three-valued: None is "not known"

Grammar: see `parser`. All errors are `ExprError`.
"""

from runners.lib.expr.dimension import base_unit, scaled
from runners.lib.expr.parser import parse
from runners.lib.expr.tree import (
    FUNCTIONS,
    PHASES,
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
    comparisons,
    references,
)
from runners.lib.expr.value import Context, Quantity, Scope, check, compare, evaluate, quantity

__all__ = [
    "FUNCTIONS",
    "PHASES",
    "Arithmetic",
    "Baseline",
    "Call",
    "Comparison",
    "Context",
    "Expr",
    "ExprError",
    "Logic",
    "Name",
    "Not",
    "Number",
    "Quantity",
    "Reference",
    "Scope",
    "Sum",
    "Text",
    "UnknownName",
    "base_unit",
    "check",
    "compare",
    "comparisons",
    "evaluate",
    "parse",
    "quantity",
    "references",
    "scaled",
]
