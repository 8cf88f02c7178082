"""PromQL text to the typed tree of `nodes`, through the promql-parser AST. Every node is either understood or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import promql_parser as ast

from observastack.backend.promql.nodes import (
    Aggregate,
    BadQuery,
    Binary,
    Call,
    Matcher,
    Negate,
    Node,
    Number,
    Op,
    Selector,
    Unsupported,
)

# The parser and everything after it descend recursively; the parser's stack ends the process when it is exhausted.
MAX_QUERY_LENGTH = 2_000
MAX_DEPTH = 100
AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "topk", "bottomk"})
RANGE_FUNCTIONS = frozenset(
    {
        "rate",
        "increase",
        "delta",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "last_over_time",
    }
)
FUNCTIONS = RANGE_FUNCTIONS | {"histogram_quantile"}
ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^"})
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_OPS = {"Equal": Op.EQUAL, "NotEqual": Op.NOT_EQUAL, "Re": Op.REGEX, "NotRe": Op.NOT_REGEX}


def compile_query(text: str) -> Node:
    """Raises BadQuery when the text is no PromQL, Unsupported when it is but cannot be evaluated here."""
    if len(text) > MAX_QUERY_LENGTH:
        raise BadQuery(f"the query is longer than {MAX_QUERY_LENGTH} characters")
    try:
        parsed = ast.parse(text)
    except ValueError as error:
        raise BadQuery(f"not PromQL: {error}") from error
    node = _node(parsed)
    if isinstance(node, Selector) and node.range_ns is not None:
        return node  # a bare range selector is a valid instant query: it returns a matrix
    _check(node)
    return node


def selectors(node: Node) -> Iterator[Selector]:
    """Every selector of the tree, in reading order."""
    match node:
        case Selector():
            yield node
        case Call(arguments=arguments):
            for argument in arguments:
                yield from selectors(argument)
        case Aggregate(expr=expr) | Negate(expr=expr):
            yield from selectors(expr)
        case Binary(left=left, right=right):
            yield from selectors(left)
            yield from selectors(right)
        case Number():
            return


def is_scalar(node: Node) -> bool:
    """Whether the node is a plain number at every time (so that binary operators need no label matching)."""
    match node:
        case Number():
            return True
        case Negate(expr=expr):
            return is_scalar(expr)
        case Binary(left=left, right=right):
            return is_scalar(left) and is_scalar(right)
        case _:
            return False


def _node(expr: Any, depth: int = 0) -> Node:
    if depth > MAX_DEPTH:
        raise BadQuery(f"the query is nested deeper than {MAX_DEPTH} levels")
    depth += 1
    if isinstance(expr, ast.NumberLiteral):
        return Number(float(expr.val))
    if isinstance(expr, ast.ParenExpr):
        return _node(expr.expr, depth)
    if isinstance(expr, ast.UnaryExpr):
        return Negate(_node(expr.expr, depth))
    if isinstance(expr, ast.VectorSelector):
        return _selector(expr, None)
    if isinstance(expr, ast.MatrixSelector):
        return _selector(expr.vector_selector, expr.range)
    if isinstance(expr, ast.Call):
        return _call(expr, depth)
    if isinstance(expr, ast.AggregateExpr):
        return _aggregate(expr, depth)
    if isinstance(expr, ast.BinaryExpr):
        return _binary(expr, depth)
    if isinstance(expr, ast.SubqueryExpr):
        raise Unsupported("subqueries are not supported")
    if isinstance(expr, ast.StringLiteral):
        raise Unsupported("string expressions are not supported")
    raise Unsupported(f"{type(expr).__name__} is not supported")


def _selector(selector: Any, window: timedelta | None) -> Selector:
    if selector.at is not None:
        raise Unsupported("the @ modifier is not supported")
    if selector.matchers.or_matchers:
        raise Unsupported("`or` between label matchers is not supported")
    matchers, name = [], selector.name
    for matcher in selector.matchers.matchers:
        op = _OPS[str(matcher.op).rsplit(".", 1)[-1]]
        if matcher.name == "__name__" and op is Op.EQUAL and name is None:
            name = matcher.value
            continue
        if op in (Op.REGEX, Op.NOT_REGEX) and re.search(r"\(\?(?!:)", matcher.value):
            raise Unsupported("flags and named groups in regular expressions are not supported")
        matchers.append(Matcher(matcher.name, op, matcher.value))
    offset = selector.offset or timedelta()
    return Selector(name, tuple(matchers), None if window is None else _ns(window), _ns(offset))


def _call(call: Any, depth: int) -> Call:
    name = call.func.name
    if name not in FUNCTIONS:
        raise Unsupported(f"function {name} is not supported")
    arguments = tuple(_node(argument, depth) for argument in call.args)
    if name in RANGE_FUNCTIONS and not (isinstance(arguments[0], Selector) and arguments[0].range_ns is not None):
        raise Unsupported(f"{name} is only supported over a range selector")
    if name == "histogram_quantile" and not is_scalar(arguments[0]):
        raise Unsupported("histogram_quantile is only supported with a number as quantile")
    return Call(name, arguments)


def _aggregate(aggregate: Any, depth: int) -> Aggregate:
    op = str(aggregate.op)
    if op not in AGGREGATIONS:
        raise Unsupported(f"aggregation {op} is not supported")
    modifier = aggregate.modifier
    labels = () if modifier is None else tuple(modifier.labels)
    without = modifier is not None and str(modifier.type).endswith("Without")
    parameter = None if aggregate.param is None else _node(aggregate.param, depth)
    if parameter is not None and not is_scalar(parameter):
        raise Unsupported(f"{op} is only supported with a number as parameter")
    return Aggregate(op, _node(aggregate.expr, depth), labels, without, parameter)


def _binary(binary: Any, depth: int) -> Binary:
    op = str(binary.op)
    if op not in ARITHMETIC and op not in COMPARISONS:
        raise Unsupported(f"operator {op} is not supported")
    modifier, on, ignoring, as_bool = binary.modifier, None, False, False
    if modifier is not None:
        as_bool = bool(modifier.return_bool)
        if not str(modifier.card).endswith("OneToOne"):
            raise Unsupported("group_left and group_right are not supported")
        if modifier.fill_values is not None and (
            modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None
        ):
            raise Unsupported("fill modifiers are not supported")
        if modifier.matching is not None:
            on = tuple(modifier.matching.labels)
            ignoring = str(modifier.matching.type).endswith("Exclude")
    left, right = _node(binary.lhs, depth), _node(binary.rhs, depth)
    if op in COMPARISONS and is_scalar(left) and is_scalar(right) and not as_bool:
        raise BadQuery("comparisons between scalars must use bool")
    return Binary(op, left, right, as_bool, on, ignoring)


def _check(node: Node) -> None:
    """A range selector may stand only directly inside a range function (the parser knows, but says so differently)."""
    match node:
        case Selector(range_ns=window) if window is not None:
            raise BadQuery("a range selector needs a function such as rate() around it")
        case Call(function=function, arguments=arguments) if function not in RANGE_FUNCTIONS:
            for argument in arguments:
                _check(argument)
        case Aggregate(expr=expr) | Negate(expr=expr):
            _check(expr)
        case Binary(left=left, right=right):
            _check(left)
            _check(right)
        case _:
            return


def _ns(duration: timedelta) -> int:
    return (duration.days * 86_400 + duration.seconds) * 10**9 + duration.microseconds * 1_000
