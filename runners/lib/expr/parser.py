"""Text to tree, by recursive descent.

    expr = and {"or" and} ; and = not {"and" not} ; not = ["not"] (cmp | "(" expr ")")
    cmp  = sum ("==" | "!=" | "<" | "<=" | ">" | ">=" | "~") sum ; sum = term {("+"|"-") term} ; term = atom {("*"|"/") atom}
    atom = number [unit] | "text" | word | path | func "(" path {"," key "=" literal} ")" | baseline "(" sum ")"

A hyphen directly between letters belongs to a name (`recovery(ingest-crash)`), so a subtraction of names needs spaces.
In a text only `\\"` and `\\\\` are escapes: every other backslash belongs to the regular expression.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runners.lib.expr.dimension import scaled
from runners.lib.expr.tree import (
    ARGUMENTS,
    FUNCTIONS,
    OF_A_STAGE,
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
    Sum,
    Text,
)
from runners.lib.text import did_you_mean

_MAX_DEPTH = 60
_MAX_LENGTH = 4000
_NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*"
_TOKEN = re.compile(
    rf"""(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
         (?:[ \t]*(?P<unit>(?:ms|s|m|h|d|B|kB|MB|GB)(?![\w-])|%)|(?P<per>/s)(?![\w-]))?(?![\w.])
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<name>{_NAME})
      | (?P<symbol>==|!=|<=|>=|[<>~+\-*/(),.=])""",
    re.VERBOSE | re.DOTALL,
)
_COMPARE = ("==", "!=", "<", "<=", ">", ">=", "~")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int
    number: Number | None = None


def parse(text: str) -> Expr:
    """The tree of an expression. Raises ExprError with the column."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent, one method a rule."""

    def __init__(self, text: str) -> None:
        self.text, self.depth, self.at = text, 0, 0
        if len(text) > _MAX_LENGTH:
            raise ExprError(f"longer than {_MAX_LENGTH} characters", remedy="split it into several gates")
        self.tokens = list(self._tokens())

    def _tokens(self) -> Iterator[_Token]:
        position = 0
        while position < len(self.text):
            if self.text[position] in " \t\r\n":
                position += 1
                continue
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._unreadable(position)
            kind, column, number = match.lastgroup or "", position + 1, None
            if match["number"]:
                kind = "number"
                number = Number(float(match["number"]), match["unit"] or match["per"], column)
                if not math.isfinite(number.value):
                    raise ExprError("number too large", self.text, column)
            yield _Token(kind, match[0], column, number)
            position = match.end()
        yield _Token("end", "", len(self.text) + 1)

    def _unreadable(self, position: int) -> ExprError:
        rest = self.text[position:]
        if rest[0] == '"':
            return ExprError("the text has no end", self.text, position + 1, 'close it with "')
        if odd := re.match(r"[0-9.eE]+\s*([\w%/]*)", rest):
            return ExprError(
                f"'{odd[0]}' is not a number with a unit", self.text, position + 1,
                "units: ms s m h d, B kB MB GB, %, /s",
            )  # fmt: skip
        return ExprError(f"unexpected {rest[0]!r}", self.text, position + 1)

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def advance(self) -> _Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def is_word(self, word: str) -> bool:
        return self.token.kind == "name" and self.token.text == word

    def is_symbol(self, *symbols: str) -> bool:
        return self.token.kind == "symbol" and self.token.text in symbols

    def expect(self, symbol: str) -> _Token:
        if not self.is_symbol(symbol):
            raise self.error(f"'{symbol}' expected, found {self.found()}")
        return self.advance()

    def found(self) -> str:
        return "the end" if self.token.kind == "end" else f"'{self.token.text}'"

    def error(self, what: str, remedy: str | None = None) -> ExprError:
        return ExprError(what, self.text, self.token.column, remedy)

    def whole(self) -> Expr:
        result = self.either()
        if self.token.kind != "end":
            raise self.error(f"unexpected {self.found()}", "join conditions with 'and' or 'or'")
        return result

    def either(self) -> Expr:
        return self._logic("or", self.both)

    def both(self) -> Expr:
        return self._logic("and", self.negation)

    def _logic(self, word: str, operand: Callable[[], Expr]) -> Expr:
        items = [operand()]
        while self.is_word(word):
            self.advance()
            items.append(operand())
        return items[0] if len(items) == 1 else Logic(word, tuple(items))

    def negation(self) -> Expr:
        if self.is_word("not"):
            self.advance()
            return Not(self.condition())
        return self.condition()

    def condition(self) -> Expr:
        if not self.is_symbol("("):
            return self.comparison()
        self.deeper()
        self.advance()
        inner = self.either()
        self.expect(")")
        self.depth -= 1
        return inner

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.error(f"nested more than {_MAX_DEPTH} deep")

    def comparison(self) -> Comparison:
        left = self.sum()
        if self.is_symbol("="):
            raise self.error("'=' is not a comparison", "write == to compare")
        if not self.is_symbol(*_COMPARE):
            raise self.error(
                f"a comparison is expected, found {self.found()}", f"compare '{left}' with something: {left} < …"
            )
        op = self.advance()
        right = self.sum()
        if op.text == "~":
            self._check_pattern(right)
        return Comparison(op.text, left, right, op.column)

    def _check_pattern(self, pattern: Sum) -> None:
        if isinstance(pattern, Text):
            try:
                re.compile(pattern.value)
            except (re.error, RecursionError, OverflowError) as error:
                raise ExprError(f"not a regular expression: {error}", self.text, pattern.column) from None

    def sum(self) -> Sum:
        return self._chain(("+", "-"), self.term)

    def term(self) -> Sum:
        return self._chain(("*", "/"), self.atom)

    def _chain(self, symbols: tuple[str, ...], operand: Callable[[], Sum]) -> Sum:
        result, links = operand(), 0
        while self.is_symbol(*symbols):
            self.deeper()  # a long chain is a deep tree
            links += 1
            op = self.advance()
            result = Arithmetic(op.text, result, operand(), op.column)
        self.depth -= links
        return result

    def atom(self) -> Sum:
        token = self.token
        if token.number is not None:
            self.advance()
            return token.number
        if token.kind == "text":
            self.advance()
            return Text(_unquote(token.text), token.column)
        if token.kind == "name" and token.text not in ("and", "or", "not"):
            path = self.path()
            return self.call(path, token.column) if self.is_symbol("(") else Name(path, token.column)
        if self.is_symbol("("):
            raise self.error("a sum has no parentheses", "multiply out, or compare in two conditions")
        raise self.error(f"a value is expected, found {self.found()}")

    def path(self) -> tuple[str, ...]:
        names = [self.name()]
        while self.is_symbol("."):
            self.advance()
            names.append(self.name())
        return tuple(names)

    def name(self) -> str:
        if self.token.kind != "name" or self.token.text in ("and", "or", "not"):
            raise self.error(f"a name is expected, found {self.found()}")
        return self.advance().text

    def call(self, path: tuple[str, ...], column: int) -> Sum:
        name = ".".join(path)
        if name != "baseline" and name not in FUNCTIONS:
            raise ExprError(
                f"unknown function '{name}'", self.text, column, did_you_mean(name, [*FUNCTIONS, "baseline"])
            )
        self.deeper()
        self.expect("(")
        if name == "baseline":
            result: Sum = Baseline(self.sum(), column)
        else:
            result = self.metric(name, column)
        self.expect(")")
        self.depth -= 1
        return result

    def metric(self, function: str, column: int) -> Call:
        path = self.path()
        given: dict[str, str | float] = {}
        while self.is_symbol(","):
            self.advance()
            key = self.token
            self.name()
            if key.text not in ARGUMENTS:
                raise ExprError(
                    f"unknown argument '{key.text}'", self.text, key.column, did_you_mean(key.text, ARGUMENTS)
                )
            if key.text in given:
                raise ExprError(f"argument '{key.text}' is given twice", self.text, key.column)
            if function in OF_A_STAGE:
                raise ExprError(f"{function}() takes no argument but the stage", self.text, key.column)
            self.expect("=")
            given[key.text] = self.literal(key.text)
        return Call(
            function,
            path,
            phase=str(given["phase"]) if "phase" in given else None,
            window=float(given["window"]) if "window" in given else None,
            tenant=str(given["tenant"]) if "tenant" in given else None,
            column=column,
        )

    def literal(self, key: str) -> str | float:
        token = self.token
        if key == "window":
            if token.number is None or token.number.unit not in ("ms", "s", "m", "h", "d") or not token.number.value:
                raise self.error(f"window is a time, found {self.found()}", "write for example window=30s")
            self.advance()
            return scaled(token.number.value, token.number.unit)
        if token.kind == "text":
            value = _unquote(token.text)
        elif token.kind == "name":
            value = token.text
        else:
            raise self.error(f"{key} is a word, found {self.found()}")
        if key == "phase" and value not in PHASES:
            raise self.error(f"unknown phase '{value}'", did_you_mean(value, PHASES))
        self.advance()
        return value


def _unquote(token: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", token[1:-1], flags=re.DOTALL)
