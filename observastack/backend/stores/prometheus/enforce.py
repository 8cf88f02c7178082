"""PromQL of a caller made PromQL of one tenant: a matcher in every selector, and the proof that it is there.

Parsed, never patched as text: `up) or (up` and a `}` inside a string have no effect on where a selector ends. A matcher on
the tenant's label that the caller wrote stays; together with ours it can only select less.
"""

from __future__ import annotations

import json
from typing import Any

import promql_parser as ast

from observastack import defects
from observastack.backend.promql.compile import MAX_DEPTH, MAX_QUERY_LENGTH
from observastack.backend.promql.nodes import BadQuery, Unsupported

LABEL = "tenant"
_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_Described = tuple[str | None, tuple[tuple[str, str, str], ...], str]


def scoped(query: str, tenant: str) -> str:
    """The query with `tenant="…"` in every selector. Raises BadQuery, Unsupported."""
    if defects.active("promql_unparsed"):
        return query
    if len(query) > MAX_QUERY_LENGTH:
        raise BadQuery(f"the query is longer than {MAX_QUERY_LENGTH} characters")
    parsed = _parse(query)
    before = _selectors(parsed)
    text = ast.transform(parsed, pre_visit=_Rewriter(tenant)).prettify()
    after = _selectors(_parse(text))
    # The proof. What was printed is read again: it must be the same selectors, each with the matcher added.
    ours = (LABEL, "=", tenant)
    expected = [(name, tuple(sorted((*matchers, ours))), rest) for name, matchers, rest in before]
    if after != expected and not defects.active("promql_second_selector_unscoped"):
        raise BadQuery("the query cannot be restricted to the tenant")
    return str(text)


def quoted(text: str) -> str:
    """A PromQL string: its escapes are those of Go, of which JSON's are a part."""
    return json.dumps(text, ensure_ascii=False)


class _Rewriter:
    """Visits each selector once, from the outside in."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._seen = 0

    def __call__(self, node: Any) -> Any:
        if not isinstance(node, ast.VectorSelector):
            return None  # a range selector has an instant one inside, which is visited too
        self._seen += 1
        if self._seen > 1 and defects.active("promql_second_selector_unscoped"):
            return None
        name, matchers, rest = _describe(node)
        written = [f"{label}{op}{quoted(value)}" for label, op, value in (*matchers, (LABEL, "=", self._tenant))]
        return ast.parse(f"{name or ''}{{{','.join(written)}}}{rest}")


def _parse(query: str) -> Any:
    try:
        parsed = ast.parse(query)
    except ValueError as error:
        raise BadQuery(f"not PromQL: {error}") from None
    expression = parsed
    while isinstance(expression, ast.ParenExpr):
        expression = expression.expr
    if isinstance(expression, ast.StringLiteral):
        raise Unsupported("string expressions are not supported")
    return parsed


def _selectors(parsed: Any) -> list[_Described]:
    found: list[_Described] = []
    depth = 0

    def enter(node: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise BadQuery(f"the query is nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, ast.VectorSelector):
            found.append(_describe(node))

    def leave(_: Any) -> None:
        nonlocal depth
        depth -= 1

    ast.walk(parsed, pre_visit=enter, post_visit=leave)
    return found


def _describe(selector: Any) -> _Described:
    """Name, matchers in an order of their own, and what follows the braces (@, offset) as text."""
    if selector.matchers.or_matchers:
        raise Unsupported("`or` between label matchers is not supported")
    matchers = tuple(
        sorted((one.name, _OPS[str(one.op).rsplit(".", 1)[-1]], one.value) for one in selector.matchers.matchers)
    )
    rest = ""
    if selector.at is not None:
        rest += f" {selector.at}"
    if selector.offset is not None:
        seconds = selector.offset.total_seconds()
        rest += f" offset {'-' if seconds < 0 else ''}{ast.display_duration(abs(selector.offset))}"
    return selector.name, matchers, rest
