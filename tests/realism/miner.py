"""A miner of log templates after Drain (He et al., ICWS 2017): lines that differ only in their parameters fall together.

Ours because the test wants the algorithm and nothing else: the package `drain3` had its last release in 2022 and pins
releases of its dependencies that are older still.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

DEPTH, SIMILARITY, MOST_CHILDREN = 4, 0.5, 100
ANY = "<*>"
_MASKS = (
    re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]?\d*Z?"),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
)
_TOKENS = re.compile(r"[^\s\",;=(){}\[\]]+")


@dataclass(eq=False)
class Template:
    """tokens: the words that all its lines share, `<*>` where they differ; lines: how many there were."""

    tokens: list[str]
    lines: int = 0

    @property
    def text(self) -> str:
        return " ".join(self.tokens)


class Miner:
    """Of the lines of one service. A line of several (a stack trace) counts by its first."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        self._leaves: dict[tuple[str, ...], list[Template]] = defaultdict(list)
        self._children: dict[tuple[str, ...], set[str]] = defaultdict(set)

    def add(self, line: str) -> Template:
        """The template of a line; a new one when none is similar."""
        tokens = words(line)
        leaf = self._leaves[self._path(tokens)]
        best = max(leaf, key=lambda template: _alike(template.tokens, tokens), default=None)
        if best is None or _alike(best.tokens, tokens) < SIMILARITY:
            best = Template(tokens)
            leaf.append(best)
            self.templates.append(best)
        else:
            best.tokens = [a if a == b else ANY for a, b in zip(best.tokens, tokens, strict=True)]
        best.lines += 1
        return best

    @property
    def rare(self) -> float:
        """Share of the lines whose template was seen once."""
        once = sum(template.lines == 1 for template in self.templates)
        return once / max(1, sum(template.lines for template in self.templates))

    def _path(self, tokens: list[str]) -> tuple[str, ...]:
        """The leaf: by length, then by the first words, those with digits being parameters."""
        path: tuple[str, ...] = (str(len(tokens)),)
        for token in tokens[: DEPTH - 2]:
            known = self._children[path]
            if any(letter.isdigit() for letter in token) or (token not in known and len(known) >= MOST_CHILDREN):
                token = ANY
            known.add(token)
            path += (token,)
        return path


def words(line: str) -> list[str]:
    """The tokens of a line's first line, what is obviously a parameter masked."""
    head = line.partition("\n")[0]
    for mask in _MASKS:
        head = mask.sub(ANY, head)
    return _TOKENS.findall(head) or [ANY]


def _alike(template: list[str], tokens: list[str]) -> float:
    """Share of the places at which both say the same."""
    return sum(a == b for a, b in zip(template, tokens, strict=True)) / len(tokens)
